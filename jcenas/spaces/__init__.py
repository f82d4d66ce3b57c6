"""What can be searched: integer genomes, sampling, mutation, validity and the strings of each community."""

from jcenas.spaces.nasbench201 import NasBench201

__all__ = ["NasBench201"]

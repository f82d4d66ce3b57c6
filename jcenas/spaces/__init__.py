"""Search spaces: integer genomes, sampling, mutation, validity and the strings of each community."""

from jcenas.spaces.darts import Darts
from jcenas.spaces.genotype import Genotype
from jcenas.spaces.mobilenet import ACCEL_NASBENCH, MobileNet
from jcenas.spaces.nasbench101 import NasBench101
from jcenas.spaces.nasbench201 import NasBench201
from jcenas.spaces.nasnet import NasNet

__all__ = ["ACCEL_NASBENCH", "Darts", "Genotype", "MobileNet", "NasBench101", "NasBench201", "NasNet"]


def __dir__() -> list[str]:
    return __all__

"""NASNet cells trained for real, LaNAS's operations (Zoph et al., CVPR 2018; Wang et al., arXiv 1906.06832)."""

from jcenas.problems.genotype import GenotypeProblem
from jcenas.spaces.nasnet import NasNet


class NasNetProblem(GenotypeProblem):
    """Two cells of six blocks; what no block reads makes the output."""

    @property
    def name(self) -> str:
        """For messages and reports."""
        return "nasnet"

    @property
    def space(self) -> NasNet:
        """All pairs of cells of six blocks and four operations."""
        return NasNet()

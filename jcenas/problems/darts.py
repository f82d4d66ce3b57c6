"""DARTS cells trained for real: normal and reduction cells of four blocks (Liu et al., ICLR 2019, arXiv 1806.09055)."""

from jcenas.problems.genotype import GenotypeProblem
from jcenas.spaces.darts import Darts


class DartsProblem(GenotypeProblem):
    """Two cells; every block adds two of seven operations, and all blocks make the output."""

    @property
    def name(self) -> str:
        """For messages and reports."""
        return "darts"

    @property
    def space(self) -> Darts:
        """All pairs of cells."""
        return Darts()

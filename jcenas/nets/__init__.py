"""Networks as Linen modules, and what they cost without training."""

from jcenas.nets.cell_network import CellNetwork
from jcenas.nets.cost import Macro
from jcenas.nets.fixed_network import FixedNetwork, extract

__all__ = ["CellNetwork", "FixedNetwork", "Macro", "extract"]

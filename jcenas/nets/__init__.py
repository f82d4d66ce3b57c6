"""Networks as Linen modules, and what they cost without training."""

from jcenas.nets.cell_network import CellNetwork
from jcenas.nets.cost import Macro

__all__ = ["CellNetwork", "Macro"]

"""Networks as Linen modules, and what they cost without training."""

from jcenas.nets.cell_network import CellNetwork
from jcenas.nets.cost import Macro
from jcenas.nets.darts_supernet import DartsSupernet
from jcenas.nets.fixed_network import FixedNetwork, extract
from jcenas.nets.genotype_cost import MacroGenotype
from jcenas.nets.genotype_network import GenotypeNetwork
from jcenas.nets.genotype_supernet import GenotypeSupernet
from jcenas.nets.mobilenet import MobileNetwork
from jcenas.nets.mobilenet_cost import MacroMobile
from jcenas.nets.nasbench101 import Macro101
from jcenas.nets.nasbench101_network import Network101

__all__ = [
    "CellNetwork",
    "DartsSupernet",
    "FixedNetwork",
    "GenotypeNetwork",
    "GenotypeSupernet",
    "Macro",
    "Macro101",
    "MacroGenotype",
    "MacroMobile",
    "MobileNetwork",
    "Network101",
    "extract",
]

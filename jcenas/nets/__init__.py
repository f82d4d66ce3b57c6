"""Networks as Linen modules, and what they cost without training."""

from jcenas.nets.darts.supernet import DartsSupernet
from jcenas.nets.genotype.cost import MacroGenotype
from jcenas.nets.genotype.network import GenotypeNetwork
from jcenas.nets.genotype.supernet import GenotypeSupernet
from jcenas.nets.mobilenet.cost import MacroMobile
from jcenas.nets.mobilenet.network import MobileNetwork
from jcenas.nets.mobilenet.supernet import MobileSupernet
from jcenas.nets.nasbench101.cost import Macro101
from jcenas.nets.nasbench101.network import Network101
from jcenas.nets.nasbench101.supernet import Supernet101
from jcenas.nets.nasbench201.cost import Macro
from jcenas.nets.nasbench201.fixed import FixedNetwork, extract
from jcenas.nets.nasbench201.network import CellNetwork

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
    "MobileSupernet",
    "Network101",
    "Supernet101",
    "extract",
]


def __dir__() -> list[str]:
    return __all__

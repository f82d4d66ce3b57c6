"""Parameters and multiply-adds as scores: the baselines that any proxy has to beat (arXiv 2101.08134; 2110.07432)."""

from jcenas.nets.nasbench201 import cost
from jcenas.nets.nasbench201.cost import Macro
from jcenas.proxies.zero_shot import Proxy


def parameters(macro: Macro) -> Proxy:
    """Number of trainable parameters; needs no images and no weights."""
    return Proxy(lambda key, data: (), lambda memory, genomes: cost.parameters(macro, genomes))


def multiply_adds(macro: Macro) -> Proxy:
    """Multiply-adds of one image; needs no images and no weights."""
    return Proxy(lambda key, data: (), lambda memory, genomes: cost.multiply_adds(macro, genomes))

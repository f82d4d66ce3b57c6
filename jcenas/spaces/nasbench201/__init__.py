"""NAS-Bench-201: its cells and their strings, the paths through them, and the space of all of them."""

from jcenas.spaces.nasbench201.cells import (
    CONV_1X1,
    CONV_3X3,
    EDGES,
    N_CELLS,
    NONE,
    OPERATIONS,
    PATHS,
    POOL,
    SKIP,
    all_cells,
    connected,
    from_string,
    isomorphism_class,
    non_isomorphic_cells,
    to_string,
)
from jcenas.spaces.nasbench201.space import NasBench201

__all__ = [
    "CONV_1X1",
    "CONV_3X3",
    "EDGES",
    "NONE",
    "N_CELLS",
    "OPERATIONS",
    "PATHS",
    "POOL",
    "SKIP",
    "NasBench201",
    "all_cells",
    "connected",
    "from_string",
    "isomorphism_class",
    "non_isomorphic_cells",
    "to_string",
]


def __dir__() -> list[str]:
    return __all__

"""An analytic table of the NAS-Bench-201 space that needs no data: for tests, demonstrations and first steps.

**Not measured.** The numbers follow simple formulas that give the search what real tables have: a curved front, an
estimate that tells bad cells from fair ones but hardly ranks good ones, costs that spread over a factor of thirty, and
trainings of a quarter of an hour to two hours. With, over the six edges, a = 3x3 convolutions, b = 1x1 convolutions,
s = skips, p = pools, r = the longest run of operations from input to output (0..3), and w the number of live paths:

    capacity = 1.0 a + 0.55 b + 0.08 p + 0.25 r + 0.12 w - 0.3 max(0, s - 1)
    error    = 4 + 50 exp(-0.95 capacity) + 0.6 u1 in %; 90 where no path is left
    energy   = 1 + 7.5 a + 3 b + 0.8 p + 0.2 s in mJ; 1 where no path is left
    seconds  = 900 + 800 a + 450 b + 300 p + 60 s
    estimate = error of a supernet: 18 + 0.9 error + 9 u2, at most 90 %

u1 and u2 in [-1, 1) are hashes of the genome. The frame has the form of a measured table (`Table.from_frame`: one row
a cell, digit string `ops`), so a measured one can take its place without a change elsewhere.
"""

import numpy as np
import pandas as pd

from jcenas.spaces import nasbench201
from jcenas.spaces.nasbench201 import CONV_1X1, CONV_3X3, NONE, PATHS, POOL, SKIP, NasBench201
from jcenas.tables.table import Table

NOTE = "analytic, not measured (jcenas.tables.toy)"


def hashed(genomes: np.ndarray, salt: int) -> np.ndarray:
    """A number in [-1, 1) of each genome (N, 6), float64 (N,): the fractional parts of a multiple of its index."""
    index = (genomes * 5 ** np.arange(5, -1, -1)).sum(axis=1).astype(np.uint64)
    mixed = (index + np.uint64(salt)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2**52 - 1


def toy_frame() -> pd.DataFrame:
    """All 15,625 cells with the columns of the module's text."""
    genomes = nasbench201.all_cells()
    count = {op: (genomes == op).sum(axis=1) for op in (SKIP, CONV_1X1, CONV_3X3, POOL)}
    a, b, s, p = count[CONV_3X3], count[CONV_1X1], count[SKIP], count[POOL]
    alive = np.stack([(genomes[:, path] != NONE).all(axis=1) for path in PATHS], axis=1)
    working = ~np.isin(genomes, (NONE, SKIP))
    depth = np.stack([working[:, path].sum(axis=1) for path in PATHS], axis=1)
    run, paths = (depth * alive).max(axis=1), alive.sum(axis=1)
    live = alive.any(axis=1)
    capacity = 1.0 * a + 0.55 * b + 0.08 * p + 0.25 * run + 0.12 * paths - 0.3 * np.maximum(0, s - 1)
    error = np.where(live, 4 + 50 * np.exp(-0.95 * np.maximum(capacity, 0)) + 0.6 * hashed(genomes, 1), 90.0)
    return pd.DataFrame(
        {
            "ops": ["".join(map(str, genome)) for genome in genomes],
            "error": error,
            "energy_mj": np.where(live, 1 + 7.5 * a + 3 * b + 0.8 * p + 0.2 * s, 1.0),
            "train_seconds": 900.0 + 800 * a + 450 * b + 300 * p + 60 * s,
            "oneshot_error": np.minimum(90.0, 18 + 0.9 * error + 9 * hashed(genomes, 2)),
            "noise": np.where(live, 0.2, 0.0),
        }
    )


def toy() -> Table:
    """The table of `toy_frame`."""
    frame = toy_frame()
    notes = {column: NOTE for column in frame.columns if column != "ops"}
    return Table.from_frame(frame, genome="ops", name="toy", space=NasBench201(), notes=notes)

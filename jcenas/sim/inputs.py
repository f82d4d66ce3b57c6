"""What the predictor sees of a table's architectures: scores that need no training, and what they compute."""

from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jcenas.engine.predictor import Inputs
from jcenas.proxies.features import WORDS, cell_features
from jcenas.spaces.nasbench201 import NasBench201
from jcenas.tables.grid import Listed
from jcenas.tables.table import Table

SIZES = ("flops", "params")  # one of them is enough: both count the same convolutions
SCORE = "log_synflow"
DIFFERENT = 0.7  # of a one-hot variable: one other choice is as far as one other path


def inputs_of(table: Table) -> Inputs:
    """Standardised normal scores of the columns, and path counts (NAS-Bench-201) or one-hot genomes.

    Only the order of a score counts, so one that spans fifty decades does no harm.
    """
    complete = set(table.columns) - set(table.incomplete)
    size = [name for name in SIZES if name in complete][:1]
    names = [name for name in (SCORE,) if name in complete] + size
    scores = [_normal_scores(np.asarray(table.columns[name])) for name in names]
    scores = jnp.asarray(np.stack(scores, axis=1) if scores else np.zeros((table.size, 0)), jnp.float32)
    return Inputs(scores, _computes(table))


def _computes(table: Table) -> jax.Array:
    """Numbers that are equal for architectures that compute the same, float32 (N, w)."""
    space = table.space.of if isinstance(table.space, Listed) else table.space
    if isinstance(space, NasBench201):
        return jnp.log1p(cell_features(table.genomes)[:, : len(WORDS)])
    genomes = np.asarray(table.genomes)
    hot = [np.eye(genomes[:, i].max() + 1)[genomes[:, i]] for i in range(genomes.shape[1])]
    return jnp.asarray(DIFFERENT * np.concatenate(hot, axis=1), jnp.float32)


def _normal_scores(values: np.ndarray) -> np.ndarray:
    """Ranks as standard normal quantiles (N,), equal ones with their mean rank, then standardised."""
    shares = (pd.Series(values).rank() - 0.5) / len(values)
    quantile = NormalDist().inv_cdf
    scores = np.array([quantile(share) for share in shares])
    return (scores - scores.mean()) / max(scores.std(), 1e-9)

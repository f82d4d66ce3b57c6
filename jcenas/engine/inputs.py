"""What the predictor sees of architectures: standardised scores, and what they compute.

Only the order of a score counts, so one that spans fifty decades does no harm: it enters as the standard normal
quantile of its rank among the architectures that stand for the space.
"""

from statistics import NormalDist

import jax.numpy as jnp
import numpy as np

from jcenas.engine.predictor import Inputs
from jcenas.problems.problem import Problem


def normal_scores(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Ranks of values (n,) among others (N,) as standard normal quantiles, standardised over the others, float64 (n,).

    Equal ones have their mean rank. A non-finite value counts as the smallest: what passes no signal on is no good.
    """
    lowest = np.min(among, where=np.isfinite(among), initial=0.0)
    known = np.sort(np.where(np.isfinite(among), among, lowest))

    def quantiles(of: np.ndarray) -> np.ndarray:
        of = np.where(np.isfinite(of), of, lowest)
        below, up_to = (np.searchsorted(known, of, side=side) for side in ("left", "right"))
        share = np.clip((below + up_to) / 2, 0.5, len(known) - 0.5) / len(known)
        unique, places = np.unique(share, return_inverse=True)
        return np.array([NormalDist().inv_cdf(s) for s in unique])[places]

    if len(known) < 2:
        return np.zeros(len(values))
    everywhere = quantiles(known)
    return (quantiles(np.asarray(values, float)) - everywhere.mean()) / max(everywhere.std(), 1e-9)


def inputs_of(
    problem: Problem,
    genomes: np.ndarray,
    *,
    scores: np.ndarray | None,
    among: np.ndarray | None,
) -> Inputs:
    """Inputs of genomes (n, d): their training-free scores, their sizes, and what they compute.

    Args:
      problem: whose genomes they are.
      genomes: int (n, d).
      scores: training-free scores, float (n,), NaN where none was computed; None: the stage has none.
      among: the scores among which they are ranked, (N,).
    """
    columns = []
    if scores is not None and among is not None:
        columns.append(normal_scores(scores, among))
    everywhere = problem.sizes(problem.population)
    sizes = problem.sizes(genomes)
    columns += [normal_scores(sizes[:, i], everywhere[:, i]) for i in range(sizes.shape[1])]
    stacked = np.stack(columns, axis=1) if columns else np.zeros((len(genomes), 0))
    return Inputs(jnp.asarray(stacked, jnp.float32), jnp.asarray(problem.computes(genomes), jnp.float32))

"""What the predictor sees of architectures: standardised scores, and what they compute.

Only the order of a score counts, so one that spans fifty decades does no harm: it enters as the standard normal
quantile of its rank among the architectures that stand for the space.
"""

from statistics import NormalDist

import jax.numpy as jnp
import numpy as np

from jcenas.engine.candidates import Inputs
from jcenas.problems.problem import Problem


def normal_scores(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Ranks of values (n,) among others (N,) as standard normal quantiles, standardised over the others, float64 (n,).

    Equal ones have their mean rank. A non-finite value counts as the smallest: what passes no signal on is no good.
    Zeros where the others do not differ.
    """
    lowest = np.min(among, where=np.isfinite(among), initial=0.0)
    known = np.sort(np.where(np.isfinite(among), among, lowest))

    def quantiles(of: np.ndarray) -> np.ndarray:
        of = np.where(np.isfinite(of), of, lowest)
        below, up_to = (np.searchsorted(known, of, side=side) for side in ("left", "right"))
        share = np.clip((below + up_to) / 2, 0.5, len(known) - 0.5) / len(known)
        unique, places = np.unique(share, return_inverse=True)
        return np.array([NormalDist().inv_cdf(s) for s in unique])[places]

    if len(known) < 2 or known[0] == known[-1]:
        return np.zeros(len(values))
    everywhere = quantiles(known)
    return (quantiles(np.asarray(values, float)) - everywhere.mean()) / everywhere.std()


def size_scores(problem: Problem, genomes: np.ndarray) -> np.ndarray:
    """Sizes of genomes (n, d) ranked among those of the whole problem, float64 (n, k)."""
    everywhere, sizes = problem.sizes(problem.population), problem.sizes(genomes)
    columns = [normal_scores(sizes[:, i], everywhere[:, i]) for i in range(sizes.shape[1])]
    return np.stack(columns, axis=1) if columns else np.zeros((len(genomes), 0))


def inputs_of(problem: Problem, score: str) -> Inputs:
    """Inputs of the whole population of a problem that knows a training-free score of each, leaves (N, ...).

    Args:
      problem: such as a table.
      score: name of the score; one that the problem does not know is left out.
    """
    genomes, known = problem.population, problem.known_scores(score)
    sizes = size_scores(problem, genomes)
    columns = sizes if known is None else np.concatenate([normal_scores(known, known)[:, None], sizes], axis=1)
    return Inputs(jnp.asarray(columns, jnp.float32), jnp.asarray(problem.computes(genomes), jnp.float32))

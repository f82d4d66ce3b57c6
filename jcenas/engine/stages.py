"""The cheap stage: what scores proposals before they are trained, and in which order they then wait.

- `none`: nothing; proposals are trained in the order in which they were proposed (vanilla LaMOO).
- `one-shot`, `few-shot`: the error with the weights of a supernet (CE-NAS). The supernet is trained first, and scoring
  a proposal takes a sampling device's time, so that scored proposals wait for the next hour.
- `zero-shot:NAME`: a score of the untrained network, such as synflow.
- `predictor`: a Gaussian process on training-free scores and on what a network computes, conditioned on the finished
  evaluations anew in each hour (`jcenas.engine.predictor`).

Training-free scores are computed by all devices at the start of an hour, and what they rank can be trained at once.
The cost of a candidate is known at every stage: it is counted or measured without training. Supernets do not rank good
cells (few-shot NAS's own tables: Kendall's tau about 0 among the best half).

Letters: c room for evaluations, k candidates, n places in the queue.
"""

from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp

from jcenas import registry
from jcenas.engine.candidates import Candidates, Evaluated, Moment
from jcenas.engine.predictor import by_improvement
from jcenas.engine.queue import by_dominance

PREDICTOR_SCORE = "synflow"  # the training-free score that the predictor sees


class Rank(Protocol):
    """Order candidates: places int32 (n,), best first, and which of them count, bool (n,). Pure; n is static."""

    def __call__(
        self, evaluated: Evaluated, candidates: Candidates, moment: Moment, n: int
    ) -> tuple[jax.Array, jax.Array]:
        """Apply to one search."""
        ...


class Stage(NamedTuple):
    """A cheap stage: what scores proposals before they are trained, and how they are ranked.

    Attributes:
      name: as the command line writes it.
      rank: the order of the queue.
      score: what scores a proposal: "" for nothing, "one-shot", "few-shot", or the name of a training-free proxy.
      supernet: whether a supernet is trained before the first hour, whose paths the sampling devices then score.
      at_once: whether scored proposals may be trained in the hour in which they are scored.
      refits: whether the rank depends on the finished evaluations, so that neighbours of the front are proposed too.
    """

    name: str
    rank: Rank
    score: str = ""
    supernet: bool = False
    at_once: bool = False
    refits: bool = False


def _nobody(evaluated: Evaluated, candidates: Candidates, moment: Moment, n: int) -> tuple[jax.Array, jax.Array]:
    """Empty queue: what is proposed is trained unscored, or not at all."""
    del evaluated, candidates, moment
    return jnp.zeros(n, jnp.int32), jnp.zeros(n, bool)


def by_estimate(evaluated: Evaluated, candidates: Candidates, moment: Moment, n: int) -> tuple[jax.Array, jax.Array]:
    """Fewest dominators among the estimated objectives first: the order of the released CE-NAS simulator."""
    del evaluated, moment
    estimates = jnp.concatenate([candidates.estimate[:, None], candidates.costs], axis=1)
    order = by_dominance(estimates, candidates.mask)[:n]
    return order, candidates.mask[order]


def none() -> Stage:
    """No cheap stage: proposals are trained in the order in which the optimiser made them."""
    return Stage("none", _nobody)


def one_shot() -> Stage:
    """One supernet with shared weights scores proposals (Guo et al., arXiv 1904.00420)."""
    return Stage("one-shot", by_estimate, "one-shot", supernet=True)


def few_shot() -> Stage:
    """A supernet for each operation of one edge scores proposals (Zhao et al., arXiv 2006.06863)."""
    return Stage("few-shot", by_estimate, "few-shot", supernet=True)


def zero_shot(proxy: str) -> Stage:
    """A training-free score of the untrained network orders proposals; the argument names the proxy."""
    return Stage(f"zero-shot:{proxy}", by_estimate, proxy, at_once=True)


def predictor() -> Stage:
    """A Gaussian process fitted to the finished evaluations picks by expected hypervolume improvement."""
    return Stage("predictor", by_improvement, PREDICTOR_SCORE, at_once=True, refits=True)


def stage_from_name(text: str) -> Stage:
    """Make the cheap stage that the command line names, for example `predictor` or `zero-shot:synflow`.

    Raises:
      InputError: if the name is unknown; lists the stages.
    """
    choice = registry.check("stage", text)
    factory = registry.load("stage", text)
    return factory() if choice.argument is None else factory(str(choice.argument))

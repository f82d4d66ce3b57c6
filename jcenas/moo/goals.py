"""Goals round any optimiser: objectives to be maximised, and constraints, as losses with the reference at 0.

An optimiser minimises objectives and knows a reference. What a user gives is turned into *losses*, one for each
objective: the distance beyond the reference in units of it, so that what is better than the reference is negative.

Constraints take one more step, which needs no word of them in any optimiser. What is feasible keeps its order: losses
above 0 are squeezed into [0, 1), those below stay, and hypervolumes with them. What is not gets 1 plus its violation as
each of its losses. So any feasible genome dominates all that are not, and of two that are not the one with the smaller
violation dominates the other: the constrained domination of NSGA-II (Deb et al. 2002, VI-A), for whatever compares by
domination, hypervolume or a model of both.

Letters: n genomes, m objectives, k constraints.
"""

import functools
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jcenas.moo.bayesian import ms_ehvi
from jcenas.moo.types import Optimizer


class Goals(struct.PyTreeNode):
    """What is wanted: numbers only, so that a compiled function takes other ones without being compiled again."""

    sign: Any  # (m,) -1 where more is better, else 1
    reference: Any  # (m,) times the sign: minimised
    unit: Any  # (m,) positive, what a loss is measured in
    constraints: int = struct.field(pytree_node=False, default=0)  # k

    @classmethod
    def of(
        cls,
        reference: Sequence[float],
        *,
        maximise: Sequence[bool] | None = None,
        constraints: int = 0,
        unit: Any = None,
    ) -> "Goals":
        """Goals of a reference point in the user's own units and directions.

        Args:
          reference: (m,), what a result must be better than to count.
          maximise: for each objective whether more is better; None minimises all.
          constraints: number of violations that are told beside the objectives.
          unit: (m,) what losses are measured in; None takes the size of the reference, 1 where that is 0.

        Raises:
          ValueError: a reference that is not finite, or numbers that do not fit.
        """
        point = np.asarray(reference, np.float64)
        if point.ndim != 1 or point.size == 0 or not np.isfinite(point).all():
            raise ValueError(f"reference must be finite and of shape (m,), got {reference}")
        wanted = np.zeros(point.size, bool) if maximise is None else np.asarray(maximise, bool)
        if wanted.shape != point.shape:
            raise ValueError(f"maximise must say yes or no for each of the {point.size} objectives, got {maximise}")
        if constraints < 0:
            raise ValueError(f"constraints must be 0 or more, got {constraints}")
        size = np.where(point == 0, 1.0, np.abs(point)) if unit is None else np.asarray(unit, np.float64)
        if size.shape != point.shape or not (size > 0).all():
            raise ValueError(f"unit must be positive and of shape ({point.size},), got {unit}")
        sign = np.where(wanted, -1.0, 1.0)
        return cls(sign, sign * point, size, constraints)

    def losses(self, objectives: Any, violations: Any = None, *, xp: ModuleType = jnp) -> Any:
        """Losses, float (n, m), of objectives (n, m) and violations (n, k), which are kept where not above 0.

        A violation above 0 is how far a constraint is from being kept; those of several are added up, so state them in
        like units. Objectives of what is not feasible do not count, and may be unknown (NaN). `xp` is jax.numpy, or
        NumPy for the precision of the host.
        """
        loss = (objectives * self.sign[None, :] - self.reference[None, :]) / self.unit[None, :]
        if not self.constraints:
            return loss
        beyond = xp.where(xp.isfinite(loss), xp.maximum(loss, 0), xp.nan)
        squeezed = xp.where(loss <= 0, loss, beyond / (1 + beyond))
        total = xp.sum(xp.maximum(violations, 0), axis=1)[:, None]  # NaN stays NaN: a failed evaluation
        return xp.where(total > 0, 1 + total, squeezed + 0 * total)

    def check(self, objectives: np.ndarray, violations: np.ndarray | None) -> None:
        """Raise ValueError where shapes do not fit."""
        rows, m = len(objectives), self.sign.shape[0]
        if objectives.shape != (rows, m):
            raise ValueError(f"objectives must have shape (n, {m}), got {objectives.shape}")
        if self.constraints == 0 and violations is not None:
            raise ValueError("violations were told to a search without constraints; say how many: constraints=1")
        if self.constraints and (violations is None or violations.shape != (rows, self.constraints)):
            got = "none" if violations is None else violations.shape
            raise ValueError(f"violations must have shape ({rows}, {self.constraints}), got {got}")


def with_goals(make: Callable[..., Optimizer], wanted: Goals) -> Optimizer:
    """An optimiser that is told objectives and violations side by side, float (n, m + k), in the user's own terms.

    Args:
      make: `make(reference=...)` -> optimiser, such as `functools.partial(lamoo, space, capacity=300, batch=1)`.
      wanted: the goals.

    Returns:
      Pure functions, as those of any optimiser: (init, ask, tell).

    Raises:
      ValueError: an optimiser that computes objectives itself (`known=`): those are no losses. From `tell`, on a width
        other than m + k.
    """
    if isinstance(make, functools.partial) and (make.func is ms_ehvi or make.keywords.get("known") is not None):
        raise ValueError("with_goals: known objectives are not losses; let them be modelled (bayesian without known)")
    m = wanted.sign.shape[0]
    optimizer = make(reference=np.zeros(m))

    def tell(state: Any, genomes: jax.Array, objectives: jax.Array) -> Any:
        told = jnp.asarray(objectives)
        if told.ndim != 2 or told.shape[1] != m + wanted.constraints:
            raise ValueError(f"objectives must have shape (n, {m} + {wanted.constraints}), got {told.shape}")
        return optimizer.tell(state, genomes, wanted.losses(told[:, :m], told[:, m:]))

    return Optimizer(optimizer.init, optimizer.ask, tell)


def first_reference(values: np.ndarray, maximise: Sequence[bool]) -> tuple[np.ndarray, np.ndarray]:
    """A reference point, and units, from the first results float (n, m), for users who know of none.

    A tenth of their range beyond the worst; of results with a long tail (networks that do not learn), the worst is
    taken to be at most four times as far from the median as the best is. Units are that range.

    Returns:
      reference (m,) in the user's directions, unit (m,).
    """
    sign = np.where(np.asarray(maximise, bool), -1.0, 1.0)
    losses = values * sign[None, :]
    best, middle, worst = losses.min(axis=0), np.median(losses, axis=0), losses.max(axis=0)
    least = np.where(middle > best, np.minimum(worst, middle + 4 * (middle - best)), worst)
    spread = np.where(least > best, least - best, np.maximum(np.abs(best), 1.0))
    return sign * (least + 0.1 * spread), spread

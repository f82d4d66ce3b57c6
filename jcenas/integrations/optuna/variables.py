"""Optuna's distributions as the variables of a jcenas space, and values as choices.

A categorical distribution has its choices, a number with a step its steps; what is continuous, or has more steps, gets
levels, evenly spaced, or by their ratios where the distribution is logarithmic. A value between two levels (of another
sampler's trial) counts as the nearer one.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import (  # pyright: ignore[reportMissingImports]
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from jcenas.errors import InputError
from jcenas.spaces import Mixed

_LEVELS = 4097  # of a continuous variable


@dataclasses.dataclass(frozen=True, eq=False)
class Variable:
    """One distribution as a list of choices.

    Attributes:
        values: of the choices: what Optuna stores for each; floats or ints, or places of a categorical distribution.
        bend: see `jcenas.spaces.Mixed`; None for a name.
        distribution: of Optuna.
    """

    values: np.ndarray
    bend: float | None
    distribution: BaseDistribution

    def choice(self, value: Any) -> int:
        """The choice that is nearest to a parameter's value."""
        inside = self.distribution.to_internal_repr(value)
        if self.bend is None:
            return int(inside)
        if getattr(self.distribution, "log", False):
            return int(np.argmin(np.abs(np.log(self.values) - np.log(inside))))
        return int(np.argmin(np.abs(self.values - inside)))

    def value(self, choice: int) -> Any:
        """The parameter's value of a choice, within the distribution."""
        return self.distribution.to_external_repr(self.values[choice].item())


def variable(name: str, distribution: BaseDistribution) -> Variable:
    """The variable of a distribution.

    Raises:
        InputError: a kind of distribution that Optuna did not have when this was written.
    """
    if isinstance(distribution, CategoricalDistribution):
        return Variable(np.arange(len(distribution.choices)), None, distribution)
    if not isinstance(distribution, FloatDistribution | IntDistribution):
        raise InputError(f"parameter {name!r}: a {type(distribution).__name__} cannot be searched")
    low, high, step = distribution.low, distribution.high, distribution.step
    whole = isinstance(distribution, IntDistribution)
    if step is not None and (count := round((high - low) / step) + 1) <= _LEVELS:
        values = low + step * np.arange(count, dtype=np.int64 if whole else np.float64)
        # Three steps of 0.1 are more than 0.3.
        return Variable(np.minimum(values, high), step / low if distribution.log else 0.0, distribution)
    spaced = np.geomspace(low, high, _LEVELS) if distribution.log else np.linspace(low, high, _LEVELS)
    if step is not None:
        spaced = np.unique(low + step * np.round((spaced - low) / step))
    return Variable(np.clip(spaced.astype(np.int64) if whole else spaced, low, high), 0.0, distribution)


def variables(space: Mapping[str, BaseDistribution]) -> dict[str, Variable]:
    """The variables of a search space, by name."""
    return {name: variable(name, distribution) for name, distribution in space.items()}


def mixed(found: Mapping[str, Variable]) -> Mixed:
    """Their space."""
    return Mixed(tuple(len(one.values) for one in found.values()), tuple(one.bend for one in found.values()))

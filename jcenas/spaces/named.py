"""A space of named variables, each with a list of values: what can be said in a dict.

    Named.of({"trees": [10, 30, 100], "depth": [2, 4, 8], "criterion": ["gini", "entropy"]})

A genome holds the place of each variable's value in its list. Lists of numbers should be in order: then near values are
near for the optimisers too. Nothing here imports JAX before the space is sampled.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jcenas.errors import InputError

if TYPE_CHECKING:
    import jax


@dataclasses.dataclass(frozen=True)
class Named:
    """A product of named choices (`jcenas.moo.types.Space`).

    Attributes:
        names: of the d variables.
        values: of each, as many as it has choices.
    """

    names: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]

    @classmethod
    def of(cls, choices: Mapping[str, Sequence[Any]]) -> "Named":
        """The space of a dict from names to values.

        Raises:
            InputError: no variable, or one without a name or values, with a value twice, or one without a hash.
        """
        if not choices:
            raise InputError("the space has no variables; give a dict such as {'depth': [2, 4, 8]}")
        for name, values in choices.items():
            if not (isinstance(name, str) and name.strip() and name.isprintable()):
                raise InputError(f"space[{name!r}]: a variable's name must be a text on one line, such as 'depth'")
            if isinstance(values, str) or not isinstance(values, Sequence) or not len(values):
                raise InputError(f"space[{name!r}] must be a list of values, such as [2, 4, 8]")
            try:
                if len(set(values)) < len(values):
                    raise InputError(f"space[{name!r}] holds a value twice: {list(values)}")
            except TypeError as error:
                raise InputError(f"space[{name!r}]: {error}; use numbers, texts or tuples as values") from error
        return cls(tuple(choices), tuple(map(tuple, choices.values())))

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Values of each of the d variables."""
        return tuple(map(len, self.values))

    def named(self, genome: Sequence[int]) -> dict[str, Any]:
        """The values of a genome (d,) by name."""
        return {name: values[i] for name, values, i in zip(self.names, self.values, genome, strict=True)}

    def to_string(self, genome: Sequence[int]) -> str:
        """Such as `depth=4 trees=30`."""
        return " ".join(f"{name}={value}" for name, value in self.named(genome).items())

    def ordered(self) -> list[int]:
        """Variables whose values are numbers in order, at least two of them."""
        return [i for i, values in enumerate(self.values) if len(values) > 1 and _in_order(values)]

    def sample(self, key: "jax.Array", n: int) -> "jax.Array":
        """Draw n genomes uniformly, int32 (n, d). The key is consumed."""
        from jcenas.spaces import choices

        return choices.sample(self.cardinalities, key, n)

    def mutate(self, key: "jax.Array", genome: "jax.Array") -> "jax.Array":
        """Give one variable that has a choice another value. genome int32 (d,); the key is consumed."""
        from jcenas.spaces import choices

        return choices.mutate(self.cardinalities, key, genome)

    def valid(self, genomes: "jax.Array") -> "jax.Array":
        """Mask, bool (...), of genomes (..., d) of which every variable has one of its values."""
        from jcenas.spaces import choices

        return choices.within(self.cardinalities, genomes)

    def features(self, genomes: "jax.Array") -> "jax.Array":
        """The d variables as ordinals in [0, 1], float32 (n, d); a variable without a choice is 0."""
        top = np.maximum(np.array(self.cardinalities) - 1, 1).astype(np.float32)
        return genomes.astype(np.float32) / top.reshape((1,) * (genomes.ndim - 1) + (-1,))


def _in_order(values: Sequence[Any]) -> bool:
    """Whether they are numbers that rise or fall."""
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values):
        return False
    steps = np.diff(np.asarray(values, float))
    return bool(np.all(steps > 0) or np.all(steps < 0))

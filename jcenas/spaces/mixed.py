"""A product of variables of which some are numbers and others names, for models that must know which.

Near values of a number are near for models and mutations; any two names are equally far from each other.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.errors import InputError
from jcenas.spaces import choices

_REACH = 0.1  # standard deviation of a step along a number, as a share of its range
_JUMP = 0.2  # share of a number's mutations that go anywhere


@dataclasses.dataclass(frozen=True)
class Mixed:
    """A product of choices (`jcenas.moo.types.Space`); variable i takes values 0..cardinalities[i]-1.

    Attributes:
        cardinalities: choices of each of the d variables.
        bends: of each, None for a name; for a number 0 where its values are evenly spaced, and where they count by
            their ratios their step over the smallest: choice i lies at log(1 + bend i), of what the last one has.
    """

    cardinalities: tuple[int, ...]
    bends: tuple[float | None, ...]

    def __post_init__(self):
        if not self.cardinalities or len(self.bends) != len(self.cardinalities) or min(self.cardinalities) < 1:
            raise InputError(f"a space needs variables, each with a choice and a kind: {self}")
        if any(bend is not None and not bend >= 0 for bend in self.bends):
            raise InputError(f"a number's bend must be 0 or more: {self.bends}")

    @property
    def ordinal(self) -> bool:
        """Whether models look at the features: where any variable is a number."""
        return any(bend is not None for bend in self.bends)

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n genomes uniformly, int32 (n, d). The key is consumed."""
        return choices.sample(self.cardinalities, key, n)

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """Change one variable: a name to any other, a number mostly by a normal step. genome int32 (d,)."""
        able = [i for i, n in enumerate(self.cardinalities) if n > 1]
        numbers = np.array([i for i in able if self.bends[i] is not None], np.int32)
        which, place, far, anywhere, step = jax.random.split(key, 5)
        jump = choices.mutate(self.cardinalities, anywhere, genome)
        if not numbers.size:
            return jump
        i = jnp.asarray(numbers)[jax.random.randint(place, (), 0, numbers.size)]
        last = jnp.asarray(self.cardinalities, jnp.int32)[i] - 1
        bend = jnp.asarray([bend or 0.0 for bend in self.bends], jnp.float32)[i]
        moved = _position(genome[i], bend, last) + _REACH * jax.random.normal(step)
        moved = jnp.clip(jnp.where(moved < 0, -moved, jnp.where(moved > 1, 2 - moved, moved)), 0, 1)
        value = jnp.round(_place(moved, bend, last)).astype(jnp.int32)
        beside = genome[i] + jnp.where((moved > _position(genome[i], bend, last)) & (genome[i] < last), 1, -1)
        value = jnp.where(value == genome[i], jnp.where(beside < 0, 1, beside), value)
        near = genome.at[i].set(value)
        steps = jax.random.bernoulli(which, numbers.size / len(able)) & ~jax.random.bernoulli(far, _JUMP)
        return jnp.where(steps, near, jump)

    def valid(self, genomes: jax.Array) -> jax.Array:
        """Mask, bool (...), of genomes (..., d) of which every variable has one of its values."""
        return choices.within(self.cardinalities, genomes)

    def features(self, genomes: jax.Array) -> jax.Array:
        """Numbers in [0, 1], names one-hot, side by side, float32 (n, f), of genomes (n, d)."""
        columns = []
        for i, (n, bend) in enumerate(zip(self.cardinalities, self.bends, strict=True)):
            if bend is None:
                columns.append(jax.nn.one_hot(genomes[:, i], n, dtype=jnp.float32))
            else:
                columns.append(_position(genomes[:, i], jnp.float32(bend), jnp.int32(n - 1))[:, None])
        return jnp.concatenate(columns, axis=1)


def _position(choice: jax.Array, bend: jax.Array, last: jax.Array) -> jax.Array:
    """Where a choice lies between the first, 0, and the last, 1; 0 where there is but one."""
    end = jnp.maximum(last, 1).astype(jnp.float32)
    bent = jnp.where(bend > 0, bend, 1.0)
    return jnp.where(bend > 0, jnp.log1p(bent * choice) / jnp.log1p(bent * end), choice / end)


def _place(position: jax.Array, bend: jax.Array, last: jax.Array) -> jax.Array:
    """The choice, not rounded, that lies at a position: the inverse of `_position`."""
    end = jnp.maximum(last, 1).astype(jnp.float32)
    bent = jnp.where(bend > 0, bend, 1.0)
    return jnp.where(bend > 0, jnp.expm1(position * jnp.log1p(bent * end)) / bent, position * end)

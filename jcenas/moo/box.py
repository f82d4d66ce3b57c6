"""The unit box as a `Space`: variables on a fine grid, so that integer genomes search continuous problems."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp


@dataclass(frozen=True, kw_only=True)
class Box:
    """The box [0, 1]^variables on a grid.

    Attributes:
      variables: number of variables, d.
      levels: grid points of each, at least 2; the ends of the interval are among them.
      reach: standard deviation of a mutation, as a share of the interval.
    """

    variables: int
    levels: int = 4097
    reach: float = 0.1

    def __post_init__(self):
        if self.variables < 1 or self.levels < 2 or self.reach <= 0:
            raise ValueError(f"variables must be at least 1, levels at least 2, reach positive: {self}")

    @property
    def ordinal(self) -> bool:
        """True: neighbouring levels are alike (see `Space`)."""
        return True

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """As many choices as levels, for each variable."""
        return (self.levels,) * self.variables

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n grid points uniformly, int32 (n, d)."""
        return jax.random.randint(key, (n, self.variables), 0, self.levels, jnp.int32)

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """Move one variable of genome (d,) by a normal step of at least one level, reflected at the ends."""
        which, step = jax.random.split(key)
        i = jax.random.randint(which, (), 0, self.variables)
        move = jax.random.normal(step) * self.reach * (self.levels - 1)
        move = jnp.where(move < 0, -1, 1) * jnp.clip(jnp.abs(jnp.round(move)), 1, self.levels - 1).astype(jnp.int32)
        value = jnp.abs(genome[i] + move)
        last = self.levels - 1
        value = jnp.where(value > last, 2 * last - value, value)
        unchanged = value == genome[i]  # a reflection may land where it started
        return genome.at[i].set(jnp.where(unchanged, jnp.where(genome[i] < last, genome[i] + 1, last - 1), value))

    def features(self, genomes: jax.Array) -> jax.Array:
        """Points of the box, float32 (n, d)."""
        return genomes.astype(jnp.float32) / (self.levels - 1)

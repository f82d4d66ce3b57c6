"""A space with a budget: multi-fidelity search inside the contract of `Optimizer`.

The budget (epochs, say) is one more integer variable, the last of the genome: its value is an index into the budgets,
which rise. So one and the same genome at two budgets is two different proposals, a history can hold both, and every
optimiser can search the space as it is (EC-NAS's random search draws its budgets so). Optimisers that know of budgets,
such as `jcenas.moo.sh_emoa`, decide that last variable themselves.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from jcenas.moo.types import Space, is_valid


@dataclass(frozen=True, kw_only=True)
class Budgeted:
    """A space, and the budgets at which its genomes can be evaluated.

    Attributes:
      space: what is searched, d variables.
      budgets: positive and rising; the genomes here have d + 1 variables, the last one an index into the budgets.
    """

    space: Space
    budgets: tuple[float, ...]

    def __post_init__(self):
        rising = all(a < b for a, b in zip(self.budgets, self.budgets[1:], strict=False))
        if not self.budgets or not rising or self.budgets[0] <= 0:
            raise ValueError(f"budgets must be positive and rise, got {self.budgets}")

    @property
    def ordinal(self) -> bool:
        """As the space says."""
        return getattr(self.space, "ordinal", False)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Those of the space, and the number of budgets."""
        return (*self.space.cardinalities, len(self.budgets))

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n genomes and budgets uniformly, int32 (n, d + 1)."""
        which, level = jax.random.split(key)
        levels = jax.random.randint(level, (n, 1), 0, len(self.budgets), jnp.int32)
        return jnp.concatenate([self.space.sample(which, n).astype(jnp.int32), levels], axis=1)

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """Change the budget, with probability 1 / (d + 1), or mutate the rest of genome (d + 1,)."""
        which, step, shift = jax.random.split(key, 3)
        count, d = len(self.budgets), len(self.space.cardinalities)
        other = genome.at[-1].set((genome[-1] + jax.random.randint(shift, (), 1, max(count, 2), jnp.int32)) % count)
        moved = genome.at[:-1].set(self.space.mutate(step, genome[:-1]))
        return jnp.where((jax.random.uniform(which) < 1 / (d + 1)) & (count > 1), other, moved)

    def features(self, genomes: jax.Array) -> jax.Array:
        """The space's features and the budget's index scaled to [0, 1], float32 (n, f + 1)."""
        level = genomes[:, -1:].astype(jnp.float32) / max(len(self.budgets) - 1, 1)
        return jnp.concatenate([self.space.features(genomes[:, :-1]), level], axis=1)

    def valid(self, genomes: jax.Array) -> jax.Array:
        """True where the space allows the genome, bool (n,); every budget is allowed."""
        return is_valid(self.space, genomes[:, :-1])

    def split(self, genomes: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Genomes of the space, int32 (n, d), and their budgets, float32 (n,), of genomes (n, d + 1)."""
        return genomes[:, :-1], jnp.asarray(self.budgets, jnp.float32)[genomes[:, -1]]

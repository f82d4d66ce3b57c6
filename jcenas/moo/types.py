"""The two contracts of `jcenas.moo`: the optimiser, and the search space as optimisers see it.

Objectives are minimised. Letters: n candidates, d variables, m objectives, f features. Masks mean *valid*.
"""

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp


class Space(Protocol):
    """A finite space of integer genomes; everything an optimiser may ask of it. All methods trace under `jit`.

    A space where not every combination of choices may be proposed also has `valid(genomes)`, see `is_valid`; `sample`
    and `mutate` keep to it. A space that is a list has its `genomes`, int32 (N, d), and `rows(genomes)`, int32 (n,),
    where each is in the list, -1 where it is not: it is enumerated, however many combinations of choices there are. A
    space whose variables are numbers rather than names may say `ordinal = True`: models then look at its features by
    default.
    """

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Number of choices of each of the d variables; variable i takes values 0..cardinalities[i]-1."""
        ...

    def sample(self, key: jax.Array, n: int) -> jax.Array:
        """Draw n valid genomes, int32 (n, d), uniformly."""
        ...

    def mutate(self, key: jax.Array, genome: jax.Array) -> jax.Array:
        """Return a valid neighbour, int32 (d,), that differs from `genome` (d,)."""
        ...

    def features(self, genomes: jax.Array) -> jax.Array:
        """Real features, float32 (n, f), in [0, 1], of genomes (n, d): what surrogates and classifiers see."""
        ...


def is_valid(space: Space, genomes: jax.Array) -> jax.Array:
    """Mask, bool (...), of genomes (..., d) by the space's own `valid`, or all True where it has none."""
    check = getattr(space, "valid", None)
    return jnp.ones(genomes.shape[:-1], bool) if check is None else check(genomes)


class Init(Protocol):
    """Make the first state. The key is consumed."""

    def __call__(self, key: jax.Array) -> Any:
        """Apply."""
        ...


class Ask(Protocol):
    """Propose genomes, int32 (n, d). The key is consumed."""

    def __call__(self, key: jax.Array, state: Any) -> tuple[Any, jax.Array]:
        """Apply."""
        ...


class Tell(Protocol):
    """Take in the objectives, float32 (n, m), of genomes (n, d); a non-finite row marks a failed evaluation."""

    def __call__(self, state: Any, genomes: jax.Array, objectives: jax.Array) -> Any:
        """Apply."""
        ...


class Optimizer(NamedTuple):
    """Three pure functions; all memory is in the state that they pass on (fixed shapes, fixed dtypes)."""

    init: Init
    ask: Ask
    tell: Tell

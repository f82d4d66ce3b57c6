"""Optimisers by name, made for as many genomes as a search has room for."""

from collections.abc import Callable

from jcenas import registry
from jcenas.moo.types import Optimizer, Space


def optimizer_maker(name: str, space: Space, *, batch: int, reference) -> Callable[[int], Optimizer]:
    """Return make(capacity) -> optimiser.

    Args:
      name: of the registry.
      space: what is searched.
      batch: proposals in one `ask`.
      reference: (m,) of the hypervolume.

    Raises:
      InputError: unknown name.
    """
    factory = registry.load("optimizer", name)

    def make(capacity: int) -> Optimizer:
        return factory(space, capacity=capacity, batch=batch, reference=reference)

    return make

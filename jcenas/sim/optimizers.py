"""The optimisers that a simulated search can be run with, by name."""

from collections.abc import Callable

from jcenas.errors import InputError
from jcenas.moo import LamooConfig, lamoo, nsga2, random_search
from jcenas.moo.types import Optimizer, Space

OPTIMIZERS = ("lamoo", "lamoo-ehvi", "nsga2", "random")


def optimizer_maker(name: str, space: Space, *, batch: int, reference) -> Callable[[int], Optimizer]:
    """Return make(capacity) -> optimiser.

    Args:
      name: one of `OPTIMIZERS`.
      space: what is searched.
      batch: proposals in one `ask`.
      reference: (m,) of the hypervolume.

    Raises:
      InputError: unknown name.
    """
    if name not in OPTIMIZERS:
        raise InputError(f"unknown optimizer {name!r}; use one of {', '.join(OPTIMIZERS)}")

    def make(capacity: int) -> Optimizer:
        if name == "random":
            return random_search(space, capacity=capacity, batch=batch)
        if name == "nsga2":
            return nsga2(space, capacity=capacity, batch=batch)
        config = LamooConfig(sampler="ehvi") if name == "lamoo-ehvi" else LamooConfig()
        return lamoo(space, config, capacity=capacity, batch=batch, reference=reference)

    return make

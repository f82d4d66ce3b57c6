"""Networks trained for real as a problem: what the engine asks about them, answered from their space and formulas.

A problem of this kind is a subclass in a file of its own, which says what its space is, how its networks are built and
what they cost.

Letters: n architectures, d variables of a genome.
"""

import abc
import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import flax.linen as nn
import jax
import numpy as np

from jcenas import registry
from jcenas.errors import InputError
from jcenas.moo.types import Space, is_valid
from jcenas.problems.problem import DIFFERENT
from jcenas.spaces import choices

SAMPLE = 2048  # architectures that stand for the space
LEAST_ROWS = 64  # proposals of an hour
REFERENCE_MARGIN = 1.1  # the reference point lies beyond the dearest network


@dataclasses.dataclass(frozen=True, kw_only=True)
class Skeleton:
    """Everything about the networks of a search but the architectures that it chooses.

    Attributes:
      image_size: side of the images, pixels.
      image_channels: 1 for grey, 3 for colour.
      classes: of the images.
      channels: of a network's first stage.
      cells: cells of a network, or of each stage or stack; what is counted is the problem's matter.
    """

    image_size: int
    image_channels: int
    classes: int
    channels: int
    cells: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkProblem(abc.ABC):
    """What all problems of networks share. Hashable.

    Attributes:
      skeleton: of the networks.
      cost_names: the objectives beside the error, see `jcenas list cost`.
      reference: (error, costs) that bounds the hypervolume.
      seconds_at: device-seconds of a training without and with each multiply-add: (fixed, per multiply-add).
      latency_at: the same of a latency that is not measured yet; as it stands, multiply-adds.
      energy_at: the same of an inference's joules.
    """

    skeleton: Skeleton
    cost_names: tuple[str, ...] = ("params",)
    reference: tuple[float, ...] = (1.0, 1.0)
    seconds_at: tuple[float, float] = (1.0, 0.0)
    latency_at: tuple[float, float] = (0.0, 1.0)
    energy_at: tuple[float, float] = (0.0, 1.0)

    split: ClassVar[int] = 0  # the variable by whose values the few-shot stage splits its supernet

    # --- what a subclass says -----------------------------------------------------------------------------------------

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """For messages and reports, as in the registry."""
        ...

    @property
    @abc.abstractmethod
    def space(self) -> Any:
        """What is searched: a `jcenas.moo.types.Space` that also has `to_string` and `from_string`."""
        ...

    @abc.abstractmethod
    def network(self, *, on_cpu: bool) -> nn.Module:
        """The network with the architecture as data: every candidate, and the supernet."""
        ...

    @abc.abstractmethod
    def fixed(self, genome: tuple[int, ...]) -> nn.Module:
        """The network of one architecture, with nothing else in it."""
        ...

    @abc.abstractmethod
    def extract(self, variables: dict[str, Any], genome: tuple[int, ...]) -> dict[str, Any]:
        """The variables of `fixed(genome)` out of those of `network`."""
        ...

    @abc.abstractmethod
    def parameters(self, genomes: np.ndarray) -> jax.Array:
        """Trainable parameters (n,)."""
        ...

    @abc.abstractmethod
    def multiply_adds(self, genomes: np.ndarray) -> jax.Array:
        """Multiply-adds of one image (n,)."""
        ...

    @abc.abstractmethod
    def bytes_moved(self, genomes: np.ndarray) -> jax.Array:
        """Bytes of weights read and of activations read and written for one image (n,)."""
        ...

    def most_activations(self, genomes: np.ndarray) -> np.ndarray:
        """The most numbers of maps at once for one image, float64 (n,), by the rules of `jcenas.nets.maps`.

        Raises:
            InputError: the problem, one of another package, does not count them.
        """
        del genomes
        raise InputError(
            f"--cost memory: the problem {self.name!r} does not count what its networks hold; leave it out"
        )

    def computes(self, genomes: np.ndarray) -> np.ndarray:
        """Numbers that are equal for architectures that compute the same, float32 (n, w); here the choices one-hot."""
        return DIFFERENT * choices.one_hot(self.space.cardinalities, genomes)

    @property
    def dearest(self) -> tuple[tuple[int, ...], ...]:
        """Architectures among which the dearest by any cost is, or nearly; here the largest of the sample."""
        population = self.population
        counts = (self.multiply_adds(population), self.parameters(population), self.bytes_moved(population))
        return tuple(dict.fromkeys(tuple(population[int(np.argmax(count))].tolist()) for count in counts))

    @property
    def lightest(self) -> tuple[int, ...]:
        """An architecture with few multiply-adds, to time; here the smallest of the sample."""
        return tuple(self.population[int(np.argmin(self.multiply_adds(self.population)))].tolist())

    # --- what the engine asks (`jcenas.problems.problem.Problem`) -----------------------------------------------------

    @property
    def largest(self) -> float:
        """The box between the origin and the reference point."""
        return float(np.prod(self.reference))

    @property
    def population(self) -> np.ndarray:
        """A fixed sample of the space, int32 (SAMPLE, d)."""
        return _sample(self.space)

    def has(self, genomes: np.ndarray) -> np.ndarray:
        """Which architectures of the space they are, bool (n,)."""
        return np.asarray(_valid(self.space)(np.asarray(genomes, np.int32)))

    def can_score(self, score: str) -> bool:
        """Every training-free score of the registry can be computed."""
        return score in registry.entries("proxy")

    def known_scores(self, score: str) -> None:
        """None: they are computed for what is proposed."""
        del score

    def to_string(self, genome: tuple[int, ...]) -> str:
        """As the space's community writes it."""
        return self.space.to_string(genome)

    def identity(self, genome: tuple[int, ...]) -> str:
        """A text that is equal for genomes of the same network; here the string."""
        return self.to_string(genome)

    @property
    def measured(self) -> tuple[str, ...]:
        """Those of the costs that come from a clock or a meter and not from a formula."""
        entries = {name: registry.check("cost", name).entry for name in self.cost_names}
        return tuple(name for name, entry in entries.items() if entry.options.get("how") == "measured")

    @property
    def metered(self) -> tuple[str, ...]:
        """Those of the measured costs that need a meter."""
        return tuple(name for name in self.measured if registry.check("cost", name).entry.options.get("meter"))

    @property
    def clocked(self) -> tuple[str, ...]:
        """Those of the measured costs that need a clock only."""
        return tuple(name for name in self.measured if name not in self.metered)

    def costs(self, genomes: np.ndarray) -> np.ndarray:
        """Counted or modelled costs, float32 (n, m - 1); what is measured is expected by its multiply-adds."""
        return np.stack([self._cost(name, genomes) for name in self.cost_names], axis=1)

    def _cost(self, name: str, genomes: np.ndarray) -> np.ndarray:
        if name in self.measured:
            fixed, each = self.energy_at if name in self.metered else self.latency_at
            return (fixed + each * self.sizes(genomes)[:, 0]).astype(np.float32)
        formula = registry.load_entry(registry.check("cost", name).entry)
        return in_few_sizes(functools.partial(formula, self), genomes)

    def seconds(self, genomes: np.ndarray) -> np.ndarray:
        """Device-seconds of a training by its multiply-adds, float32 (n,)."""
        fixed, each = self.seconds_at
        return (fixed + each * self.sizes(genomes)[:, 0]).astype(np.float32)

    def sizes(self, genomes: np.ndarray) -> np.ndarray:
        """Multiply-adds, float32 (n, 1)."""
        return in_few_sizes(self.multiply_adds, genomes)[:, None]

    def reference_point(self, error: float, dearest: Mapping[str, float] | None = None) -> tuple[float, ...]:
        """The point (error, costs) that bounds the hypervolume: of no use, and dearer than the dearest networks.

        Args:
          error: validation error beyond which a network is of no use.
          dearest: by name, those costs of the dearest network that are measured.
        """
        candidates = np.concatenate([np.array(self.dearest, np.int32), self.population])
        counted = dict(zip(self.cost_names, np.max(self.costs(candidates), axis=0).tolist(), strict=True))
        most = counted | dict(dearest or {})
        return error, *(REFERENCE_MARGIN * float(most[name]) for name in self.cost_names)


def in_few_sizes(function: Callable[[np.ndarray], Any], genomes: np.ndarray) -> np.ndarray:
    """`function` of genomes (n, d), float32 (n, ...), called with a power of two of them: few programs are compiled."""
    n = len(genomes)
    padded = np.zeros((max(LEAST_ROWS, 2 ** math.ceil(math.log2(max(n, 1)))), genomes.shape[1]), np.int32)
    padded[:n] = genomes
    return np.asarray(function(padded), np.float32)[:n]


@functools.lru_cache(maxsize=8)
def _sample(space: Space) -> np.ndarray:
    return np.asarray(space.sample(jax.random.key(0), SAMPLE))


@functools.lru_cache(maxsize=8)
def _valid(space: Space) -> Callable[[np.ndarray], jax.Array]:
    return jax.jit(functools.partial(is_valid, space))

"""Which cells a table holds: the first n different ones of a sequence that the space and a seed decide."""

import functools
import itertools
from collections.abc import Callable

import jax
import numpy as np

from jcenas.errors import InputError
from jcenas.moo.types import Space
from jcenas.problems.network import NetworkProblem

BLOCK = 256  # genomes drawn at once
BARREN = 8  # blocks in a row without a new cell, after which the space is taken to have no more


def sample_cells(problem: NetworkProblem, n: int, seed: int) -> np.ndarray:
    """Draw n cells that differ, int32 (n, d); fewer of the same seed are the first of them.

    The draws are the space's own, and of cells that are the same network the first counts. Each is written as its
    space writes it: without vertices that nothing reads.

    Args:
        problem: of the cells.
        n: how many.
        seed: of the sequence.

    Raises:
        InputError: the space has fewer.
    """
    key, found, barren = jax.random.key(seed), {}, 0
    for block in itertools.count():
        drawn = np.asarray(_draw(problem.space)(jax.random.fold_in(key, block)))
        before = len(found)
        for genome in drawn[problem.has(drawn)].tolist():
            found.setdefault(problem.identity(tuple(genome)), tuple(genome))
            if len(found) == n:
                return np.array([_plain(problem, genome) for genome in found.values()], np.int32)
        barren = barren + 1 if len(found) == before else 0
        if barren == BARREN:
            break
    raise InputError(
        f"--cells {n}: {BARREN * BLOCK:,} draws after {len(found):,} different cells of {problem.name} brought no new "
        f"one; give at most {len(found)}"
    )


@functools.lru_cache(maxsize=8)
def _draw(space: Space) -> Callable[[jax.Array], jax.Array]:
    """A compiled draw of `BLOCK` genomes."""
    return jax.jit(lambda key: space.sample(key, BLOCK))


def _plain(problem: NetworkProblem, genome: tuple[int, ...]) -> np.ndarray:
    """The genome of what the string of a genome says."""
    return np.asarray(problem.space.from_string(problem.to_string(genome)), np.int32)

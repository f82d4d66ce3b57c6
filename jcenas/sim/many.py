"""Many simulated searches in one call: over keys, scenarios (traces, starts, budgets) and policy parameters.

On a CPU the searches of a device run one after the other (`together=1`), so that branches are not taken needlessly;
on an accelerator they run side by side. The local devices share the searches.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.moo import hypervolume
from jcenas.runtime import sharding
from jcenas.sim.problem import Benchmark, Scenario
from jcenas.sim.result import Result
from jcenas.sim.search import Simulate

REACHED = 1e-5  # of a hypervolume: its precision in float32
Many = Callable[[jax.Array, Any, Benchmark, Scenario], Result]


def stack(scenarios: Sequence[Scenario]) -> Scenario:
    """Scenarios of equal shapes as one, with a leading axis."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *scenarios)


def make_many(simulate: Simulate, *, together: int = 1) -> Many:
    """Return run(keys (n,), params, benchmark, scenarios (n, ...)) -> Result with leading n, compiled once per n.

    Args:
      simulate: of `make_search`.
      together: searches side by side on a device; 1 on CPU, hundreds on accelerators.
    """
    mesh = sharding.data_mesh(sharding.local_devices())
    split, whole = jax.P(*mesh.axis_names), jax.P()

    def part(keys, params, benchmark, scenarios):
        def one(pair: tuple[jax.Array, Scenario]) -> Result:
            return simulate(pair[0], params, benchmark, pair[1])

        return jax.lax.map(one, (keys, scenarios), batch_size=together if together > 1 else None)

    shared = jax.jit(
        jax.shard_map(part, mesh=mesh, in_specs=(split, whole, whole, split), out_specs=split, check_vma=False)
    )

    def run(keys: jax.Array, params: Any, benchmark: Benchmark, scenarios: Scenario) -> Result:
        n, parts = keys.shape[0], mesh.size
        rows = jnp.arange(-(-n // parts) * parts) % n  # padding repeats the first ones
        filled = jax.tree.map(lambda x: x[rows], (keys, scenarios))
        result = shared(filled[0], params, benchmark, filled[1])
        return jax.tree.map(lambda x: x[:n], result)

    return run


def concatenate(results: Sequence[Result]) -> Result:
    """Results with leading axes, one after the other, on the host."""
    return jax.tree.map(lambda *leaves: np.concatenate([np.asarray(x) for x in leaves]), *results)


def first_to_reach(objectives: jax.Array, count: jax.Array, reference: jax.Array, target: jax.Array) -> jax.Array:
    """How many evaluations one search needs for a hypervolume of `target`, int32 (); -1 where it never gets there.

    The target counts as reached from a relative `REACHED` below it: the hypervolume that a search reports and the one
    computed here come from two programs, which round differently.

    Args:
      objectives: float32 (C, m) in the order of their end.
      count: how many there are, int32 ().
      reference: float32 (m,).
      target: float32 ().
    """
    c = objectives.shape[0]
    wanted = target - REACHED * jnp.abs(target)

    def reaches(k: jax.Array) -> jax.Array:
        return hypervolume(objectives, reference, jnp.arange(c) < k) >= wanted

    def halve(_, bounds):
        low, high = bounds  # low does not reach it, high does
        middle = (low + high) // 2
        good = reaches(middle)
        return jnp.where(good, low, middle), jnp.where(good, middle, high)

    low, high = jax.lax.fori_loop(0, c.bit_length() + 1, halve, (jnp.int32(0), count))
    return jnp.where(reaches(count), jnp.where(reaches(low), low, high), -1)


_first_to_reach = jax.jit(jax.vmap(first_to_reach, (0, 0, None, 0)))


def carbon_to_reach(result: Result, benchmark: Benchmark, targets) -> tuple[np.ndarray, np.ndarray]:
    """Emissions (n,) in g and evaluations (n,) until each search has its target; NaN where it never has.

    Emissions count up to the end of the evaluation that reaches the target, evenly within an interval.

    Args:
      result: n searches.
      benchmark: theirs.
      targets: hypervolumes, (n,) or one for all.
    """
    n = len(result.count)
    wanted = jnp.broadcast_to(jnp.asarray(targets, jnp.float32), (n,))
    needed = np.asarray(
        _first_to_reach(jnp.asarray(result.objectives), jnp.asarray(result.count), benchmark.reference, wanted)
    )
    finish = np.asarray(result.finish_s, np.float64)
    hours, emitted = np.asarray(result.intervals.seconds, float), np.asarray(result.intervals.emissions_g, float)
    grams = np.full(n, np.nan)
    for i in np.flatnonzero(needed >= 0):
        clock = np.concatenate([[0.0], np.cumsum(hours[i])])
        total = np.concatenate([[0.0], np.cumsum(emitted[i])])
        grams[i] = np.interp(finish[i, needed[i] - 1], clock, total) if needed[i] else 0.0
    return grams, np.where(needed >= 0, needed, np.nan)

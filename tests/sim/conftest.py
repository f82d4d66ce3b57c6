"""A tiny table and an optimiser without chance, so that every number can be worked out by hand or by a slow twin."""

from types import SimpleNamespace

import jax.numpy as jnp
import pandas as pd
import pytest

from jcenas.moo.types import Optimizer
from jcenas.sim.cluster import Power
from jcenas.sim.problem import make_benchmark
from jcenas.tables.table import Table


def table_of(seconds, errors, costs, estimates=None):
    """A table of one variable: architecture i is genome (i,)."""
    n = len(seconds)
    return Table.from_frame(
        pd.DataFrame(
            {
                "i": range(n),
                "error": errors,
                "cost": costs,
                "train_seconds": seconds,
                "guess_error": errors if estimates is None else estimates,
            }
        ),
        genome=["i"],
    )


def scripted(n, batch):
    """Optimizer over architectures 0..n-1 that proposes (5 * told + 3 i) mod n for i < batch."""

    def make(capacity):
        del capacity

        def ask(key, state):
            del key
            return state, ((5 * state + 3 * jnp.arange(batch)) % n)[:, None].astype(jnp.int32)

        def tell(state, genomes, objectives):
            first = ~jnp.any(jnp.tril(genomes == genomes.T, -1), axis=1)  # copies are padding
            del objectives
            return state + jnp.sum(first, dtype=jnp.int32)

        return Optimizer(lambda key: jnp.int32(0), ask, tell)

    return make


def power_of(training=1.0, scoring=0.0, idle=0.0, switching=0.0):
    return Power(*(jnp.float32(kw) for kw in (training, scoring, idle, switching)))


def benchmark_of(table, reference=(100.0, 10.0), **choices):
    return make_benchmark(table, cost="cost", reference=reference, estimate="guess_error", **choices)


@pytest.fixture
def small():
    """Four architectures; the second takes an hour and a half."""
    return table_of([1800.0, 5400.0, 3600.0, 900.0], [50.0, 10.0, 20.0, 60.0], [2.0, 8.0, 5.0, 1.0])


@pytest.fixture(scope="session")
def kit():
    """The makers of this file, for test modules, which cannot import it."""
    return SimpleNamespace(benchmark_of=benchmark_of, power_of=power_of, scripted=scripted, table_of=table_of)

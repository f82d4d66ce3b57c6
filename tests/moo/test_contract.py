"""What every optimiser owes its callers, on a toy whose front is known."""

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct
from jax.errors import KeyReuseError

from jcenas import registry
from jcenas.moo import (
    ShEmoaConfig,
    SurrogateConfig,
    bayesian,
    hypervolume,
    ms_ehvi,
    semoa,
    sh_emoa,
)

CAPACITY, BATCH = 48, 4
REFERENCE = np.array([1.0, 1000.0], np.float32)


class Grid(struct.PyTreeNode):
    """Ordinal variables; by default of four, four and three choices: 48 genomes, all valid."""

    cardinalities: tuple[int, ...] = struct.field(pytree_node=False, default=(4, 4, 3))

    def sample(self, key, n):
        share = jax.random.uniform(key, (n, len(self.cardinalities)))
        return (share * jnp.array(self.cardinalities)[None, :]).astype(jnp.int32)

    def mutate(self, key, genome):
        where, shift = jax.random.split(key)
        i = jax.random.randint(where, (), 0, len(self.cardinalities))
        size = jnp.array(self.cardinalities)[i]
        return genome.at[i].set((genome[i] + jax.random.randint(shift, (), 1, size)) % size)

    def features(self, genomes):
        return (genomes / (jnp.array(self.cardinalities) - 1)[None, :]).astype(jnp.float32)


def evaluate(genomes):
    """Error falls and size grows with the first variable; the others only do harm: the front is (x, 0, 0)."""
    x, harm = genomes[:, 0], genomes[:, 1] + genomes[:, 2]
    return jnp.stack([0.9 - 0.2 * x + 0.05 * harm, 200.0 * x + 100.0 * harm], axis=1).astype(jnp.float32)


SMALL = SurrogateConfig(covariance="categorical", pool=16, draws=4, fit_steps=3, fit_points=16, front=8)


def registered(name):
    """The factory of a registered optimiser."""
    return lambda: registry.load("optimizer", name)(Grid(), capacity=CAPACITY, batch=BATCH, reference=REFERENCE)


# Every optimiser that can be chosen by name; then those that need more than a space and sizes, and variants.
OPTIMIZERS = {name: registered(name) for name in registry.built_in("optimizer")} | {
    "qnehvi matern": lambda: bayesian(
        Grid(), replace(SMALL, noisy=True, covariance="matern"), capacity=CAPACITY, batch=BATCH, reference=REFERENCE
    ),
    "ms-ehvi": lambda: ms_ehvi(
        Grid(), (None, lambda g: evaluate(g)[:, 1]), SMALL, capacity=CAPACITY, batch=BATCH, reference=REFERENCE
    ),
    # The third variable of the grid is the budget here.
    "sh-emoa": lambda: sh_emoa(
        Grid(cardinalities=(4, 4)),
        (1, 2, 4),
        ShEmoaConfig(evaluations=20, population=4, mutations=1),
        capacity=CAPACITY,
        batch=BATCH,
        reference=REFERENCE,
    ),
    "semoa released": lambda: semoa(Grid(), capacity=CAPACITY, batch=BATCH, reference=REFERENCE, variant="released"),
}


class Counted:
    """An optimiser with its functions compiled once for all tests, and the number of times `ask` was traced."""

    def __init__(self, optimizer):
        self.pure, self.traces = optimizer, 0

        def ask(key, state):
            self.traces += 1
            return optimizer.ask(key, state)

        self.init, self.ask, self.tell = jax.jit(optimizer.init), jax.jit(ask), jax.jit(optimizer.tell)


FAST = {"random", "nsga2", "semoa", "lamoo"}  # to compile


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in OPTIMIZERS],
)
def optimizer(request):
    return Counted(OPTIMIZERS[request.param]())


def generation(optimizer):
    def step(state, key):
        state, genomes = optimizer.ask(key, state)
        return optimizer.tell(state, genomes, evaluate(genomes)), genomes

    return step


def loop(optimizer, key, steps):
    """Genomes (steps, batch, d) of a Python loop, and the last state."""
    first, rest = jax.random.split(key)
    state, proposed = optimizer.init(first), []
    for now in jax.random.split(rest, steps):
        state, genomes = generation(optimizer)(state, now)
        proposed.append(genomes)
    return jnp.stack(proposed), state


def scan(optimizer, key, steps):
    first, rest = jax.random.split(key)
    return jax.lax.scan(generation(optimizer), optimizer.init(first), jax.random.split(rest, steps))[1]


def test_state_keeps_its_type_and_compiles_once(optimizer, key):
    def types(state):
        return jax.tree.map(jax.typeof, state)

    _, state = loop(optimizer, key, 3)
    assert types(state) == types(optimizer.init(key))
    assert optimizer.traces == 1


def test_scan_is_loop_and_vmap_is_each(optimizer, key, request):
    # A front that is drawn anew in each ask comes to lie between equals sooner or later; then rounding decides.
    steps, keys = 3 if "qnehvi" in request.node.name else 5, jax.random.split(key, 2)
    many = jax.jit(jax.vmap(lambda k: scan(optimizer.pure, k, steps)))(keys)
    for each, k in zip(many, keys, strict=True):
        np.testing.assert_array_equal(each, loop(optimizer, k, steps)[0])


def test_keys_are_not_reused(optimizer, key):
    with jax.debug_key_reuse(True):  # traced anew and checked; what is compiled is the same
        loop(Counted(optimizer.pure), key, 2)


def test_a_reused_key_is_found(key):
    optimizer = registered("random")()

    def ask(key, state):
        return optimizer.ask(key, optimizer.ask(key, state)[0])

    with jax.debug_key_reuse(True), pytest.raises(KeyReuseError):
        loop(Counted(optimizer._replace(ask=ask)), key, 2)


def test_visits_the_whole_space_once_and_finds_the_front(optimizer, key):
    genomes = np.asarray(loop(optimizer, key, CAPACITY // BATCH)[0]).reshape(-1, 3)
    visited = {tuple(g) for g in genomes.tolist()}
    assert visited == set(itertools.product(range(4), range(4), range(3)))
    found = hypervolume(evaluate(genomes), REFERENCE)
    # Steps at errors 0.9, 0.7, 0.5, 0.3 and sizes 0, 200, 400, 600: 0.1*1000 + 0.2*800 + 0.2*600 + 0.2*400.
    np.testing.assert_allclose(found, 460.0, rtol=1e-5)


def test_pending_genomes_are_not_proposed_and_failures_do_no_harm(optimizer, key):
    state, proposed = optimizer.init(key), []
    for i in range(CAPACITY // BATCH):
        state, genomes = optimizer.ask(jax.random.fold_in(key, i), state)
        proposed += np.asarray(genomes).tolist()
        objectives = evaluate(genomes[:1])  # one at a time; the others stay pending
        state = optimizer.tell(state, genomes[:1], jnp.where(i % 2 == 0, jnp.nan, objectives))
    assert len({tuple(g) for g in proposed}) == CAPACITY


def test_wrong_shapes_are_named(optimizer, key):
    state = optimizer.init(key)
    with pytest.raises(ValueError, match=r"genomes must have shape \(n, 3\), got \(2, 4\)"):
        optimizer.tell(state, jnp.zeros((2, 4), jnp.int32), jnp.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"objectives must have shape .* got \(3, 2\)"):
        optimizer.tell(state, jnp.zeros((2, 3), jnp.int32), jnp.zeros((3, 2)))

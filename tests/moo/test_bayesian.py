import dataclasses

import jax
import jax.numpy as jnp
import moocore
import numpy as np
import pytest

from jcenas.moo import Box, SurrogateConfig, bayesian, history, ms_ehvi, surrogate
from jcenas.moo.bayesian import within_reach

REFERENCE = np.array([2.0, 2.0], np.float32)
SMALL = SurrogateConfig(covariance="matern", pool=48, draws=8, fit_steps=2, fit_points=8, front=8)


def asked(optimizer, key, genomes, objectives):
    """What an optimiser proposes that was told these, in one program."""

    def run(key, genomes, objectives):
        return optimizer.ask(key, optimizer.tell(optimizer.init(key), genomes, objectives))[1]

    return jax.jit(run)(key, genomes, objectives)


@pytest.mark.slow
def test_known_objectives_enter_every_draw_as_they_are(key):
    inputs = jnp.array([[0.0], [0.5], [1.0]])
    objectives = jnp.array([[3.0, 1.0], [2.0, 2.0], [1.0, 3.0]])
    queries, known = jnp.array([[0.25], [0.75]]), jnp.array([7.0, 8.0])
    samples = surrogate.Samples(inputs, objectives, jnp.ones(3, bool))

    @jax.jit
    def draw(key, samples, queries, known):
        processes = surrogate.fit_processes(key, SMALL, samples, [None, known])
        return surrogate.posterior_draws(jax.random.fold_in(key, 1), SMALL, processes, queries, [None, known])

    draws = draw(key, samples, queries, known)
    assert draws.shape == (8, 2, 2)
    np.testing.assert_array_equal(draws[:, :, 1], np.tile(known, (8, 1)))
    assert np.std(np.asarray(draws[:, 0, 0])) > 0


@pytest.mark.slow
def test_a_known_cost_rules_out_what_costs_too_much(key):
    # Everything that was seen is cheap, so a model of the cost knows nothing of the cliff at the last third of x.
    box = Box(variables=1, levels=61)

    def cost(genomes):
        return jnp.where(genomes[:, 0] >= 40, 5.0, 0.5).astype(jnp.float32)  # 5 is beyond the reference

    genomes = jnp.arange(0, 40, 4, dtype=jnp.int32)[:, None]
    error = 1.5 - box.features(genomes)  # falls with x, so that x = 1 looks best
    values = jnp.concatenate([error, cost(genomes)[:, None]], axis=1)
    sizes = {"capacity": 20, "batch": 1, "reference": REFERENCE}
    proposed = {}
    for name, optimizer in {
        "mixed": ms_ehvi(box, (None, cost), SMALL, **sizes),
        "modelled": bayesian(box, SMALL, **sizes),
    }.items():
        proposed[name] = np.asarray(asked(optimizer, key, genomes, values))[:, 0]
    assert proposed["mixed"].max() < 40
    assert proposed["modelled"].max() >= 40


@pytest.mark.slow
def test_the_archive_is_the_whole_front(key):
    # A front of 100 samples with a gap where x is 0.1 to 0.2, told from its two ends: only the gap is worth a visit.
    x = np.concatenate([np.linspace(0, 0.1, 12), np.linspace(0.2, 1, 88)])
    box = Box(variables=1)
    genomes = np.round(x * 4096).astype(np.int32)[:, None]
    x = genomes[:, 0] / 4096
    optimizer = bayesian(
        box, dataclasses.replace(SMALL, pool=256, local=0.0), capacity=104, batch=1, reference=(1.1, 1.1)
    )
    proposed = box.features(asked(optimizer, key, genomes, np.stack([x, 1 - np.sqrt(x)], axis=1)))
    assert 0.1 < float(proposed[0, 0]) < 0.2


@pytest.mark.parametrize("m", [2, 3])
def test_greedy_picks_are_those_of_an_exhaustive_search(m):
    random = np.random.default_rng(m)
    new, old = random.random((3, 30, m)).astype(np.float32), 0.6 * random.random((3, 9, m)).astype(np.float32)
    greedy = jax.jit(surrogate._greedy, static_argnums=3)
    picks = np.asarray(greedy(new, old, np.arange(30) != 4, 5)).tolist()
    chosen = []
    for _ in range(5):  # gains are distances from a reference of 0
        values = np.full(30, -1.0)
        for i in set(range(30)) - {4, *chosen}:
            sets = [np.concatenate([a, d[[*chosen, i]]]) for d, a in zip(new, old, strict=True)]
            values[i] = sum(moocore.hypervolume(-points.astype(float), ref=np.zeros(m)) for points in sets)
        chosen.append(int(np.argmax(values)))
    assert picks == chosen


def test_a_long_front_gets_a_larger_archive(key):
    line = jnp.arange(40.0)
    samples = surrogate.Samples(line[:, None], jnp.stack([line, -line], axis=1), jnp.ones(40, bool))
    size = jax.jit(lambda front: surrogate._with_whole_front(lambda rows: jnp.max(rows), samples, front, 8))
    for length, room in ((3, 8), (8, 8), (9, 32), (33, 40)):
        # Rows of the front come first, then the others by place: the last row in the archive is its size less one.
        assert int(size(jnp.arange(40) < length)) == room - 1


def test_bad_settings_are_named():
    sizes = {"capacity": 4, "batch": 1, "reference": REFERENCE}
    with pytest.raises(ValueError, match="known has no function among its 2 entries"):
        ms_ehvi(Box(variables=1), (None, None), **sizes)
    with pytest.raises(ValueError, match=r"each of the 2 objectives of reference \(2,\).* got 1"):
        ms_ehvi(Box(variables=1), (lambda g: g[:, 0],), **sizes)
    with pytest.raises(ValueError, match="reference must be finite"):
        bayesian(Box(variables=1), capacity=4, batch=1, reference=[[1.0]])


def test_a_reference_out_of_reach_is_replaced_by_the_worst_of_the_front():
    reference = jnp.array([1.0, 1.0])

    def seen(objectives):
        state = history.empty(8, 1, 2)
        genomes = jnp.arange(len(objectives), dtype=jnp.int32)[:, None]
        return within_reach(reference, history.tell(state, genomes, jnp.array(objectives)))

    assert seen([[3.0, 2.0], [2.0, 4.0], [5.0, 5.0]]).tolist() == [3.0, 4.0]  # the last is dominated
    assert seen([[0.5, 2.0]]).tolist() == [1.0, 2.0]
    assert seen([[3.0, 2.0], [0.5, 0.9]]).tolist() == [1.0, 1.0]
    assert seen([[jnp.nan, 2.0]]).tolist() == [1.0, 1.0]

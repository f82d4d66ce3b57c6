"""Proposals next to the front."""

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.engine import stages
from jcenas.engine.neighbours import EVERY, with_neighbours
from jcenas.tables.grid import Grid

SPACE, STAGE = Grid((3,) * 6), stages.predictor()
PROPOSALS = jnp.full((32, 6), 2, jnp.int32)
GENOMES = jnp.asarray(np.array([[0] * 6, [1] * 6, [2] * 6, *[[0, 1, 2, 0, 1, 2]] * 7]), jnp.int32)


def test_a_quarter_of_the_proposals_are_one_or_two_steps_from_the_front(kit):
    state = kit.state_of(rows=[2, 0, 1])
    # Of the catalogue's rows 2, 0, 1 the last two are not dominated.
    observed = state.observed.at[:3].set(jnp.array([[3.0, 3.0], [1.0, 2.0], [2.0, 1.0]]))
    got = with_neighbours(jax.random.key(0), STAGE, SPACE, PROPOSALS, state.replace(observed=observed), GENOMES)
    near = np.arange(32) % EVERY == EVERY - 1
    np.testing.assert_array_equal(got[~near], PROPOSALS[~near])
    apart = [(np.asarray(got)[near] != parent).sum(axis=1) for parent in (0, 1)]
    closest = np.minimum(*apart)
    assert ((closest >= 0) & (closest <= 2)).all()
    assert {1, 2} <= set(closest.tolist())
    assert all((one <= 2).any() for one in apart)  # both parents have children


def test_without_evaluations_they_stay_as_they_are(kit):
    got = with_neighbours(jax.random.key(0), STAGE, SPACE, PROPOSALS, kit.state_of(), GENOMES)
    np.testing.assert_array_equal(got, PROPOSALS)


def test_a_stage_that_models_nothing_leaves_them(kit):
    got = with_neighbours(jax.random.key(0), stages.none(), SPACE, PROPOSALS, kit.state_of(rows=[1]), GENOMES)
    assert got is PROPOSALS


def test_failures_alone_are_no_reason_to_break_down(kit):
    got = with_neighbours(jax.random.key(0), STAGE, SPACE, PROPOSALS, kit.state_of(rows=[1]), GENOMES)
    assert ((got >= 0) & (got < 3)).all()

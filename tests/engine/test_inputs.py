"""Scores as the predictor sees them: normal quantiles of ranks."""

import numpy as np
import pytest
from scipy.stats import norm, rankdata

from jcenas.engine.inputs import inputs_of, normal_scores, size_scores
from jcenas.problems.table import TableProblem
from jcenas.tables.toy import toy


def by_ranks(values):
    """The formula: quantile of (rank - 1/2) / n, equal ones with their mean rank, standardised."""
    quantiles = norm.ppf((rankdata(values) - 0.5) / len(values))
    return (quantiles - quantiles.mean()) / quantiles.std()


def test_five_by_hand():
    values = np.array([30.0, 1e-9, 4.0, 1e30, 5.0])
    z = norm.ppf([0.7, 0.1, 0.3, 0.9, 0.5])
    np.testing.assert_allclose(normal_scores(values, values), z / z.std(), atol=1e-9)


@pytest.mark.parametrize("ties", [False, True])
def test_equals_the_rank_formula(rng, ties):
    values = rng.integers(0, 9, 40).astype(float) if ties else rng.lognormal(0, 20, 40)
    np.testing.assert_allclose(normal_scores(values, values), by_ranks(values), rtol=1e-6, atol=1e-9)


def test_others_stand_for_the_space(rng):
    among = rng.normal(size=201)
    inside = np.sort(among)
    got = normal_scores(np.array([inside[100], inside[0] - 5, inside[-1] + 5, (inside[9] + inside[10]) / 2]), among)
    theirs = by_ranks(inside)
    np.testing.assert_allclose(got[:3], [theirs[100], theirs[0], theirs[-1]], atol=1e-6)  # no further than the ends
    assert theirs[9] < got[3] < theirs[10]


@pytest.mark.parametrize("shift", [0.0, 100.0, -100.0])
def test_what_is_not_finite_is_the_smallest(shift):
    among = np.arange(10.0) + shift
    got = normal_scores(np.array([np.nan, np.inf, -np.inf, among[0], among[1]]), among)
    assert got[0] == got[1] == got[2] <= got[3] < got[4]
    with_failed = normal_scores(among[1:], np.where(among == among[0], np.nan, among))
    assert (np.diff(with_failed) > 0).all()
    assert np.isfinite(with_failed).all()


@pytest.mark.parametrize("among", [[], [3.0], [5.0, 5.0, 5.0]], ids=len)
def test_where_nothing_differs_nothing_is_said(among):
    np.testing.assert_array_equal(normal_scores(np.array([1.0, 5.0, np.nan]), np.array(among)), [0, 0, 0])


def problem_of(**columns):
    table = toy()
    table = table.replace(columns=table.columns | columns)
    return TableProblem(table, error="error", costs=["energy_mj"], reference=(100.0, 100.0), largest=1e4)


def test_the_whole_table_with_and_without_a_score(rng):
    table = toy()
    flops, score = (rng.normal(size=table.size).astype(np.float32) for _ in range(2))
    both = inputs_of(problem_of(flops=flops, log_synflow=score), "synflow")
    np.testing.assert_allclose(both.scores, np.stack([by_ranks(score), by_ranks(flops)], axis=1), atol=1e-4)
    assert inputs_of(problem_of(flops=flops), "synflow").scores.shape == (table.size, 1)
    assert inputs_of(problem_of(), "synflow").scores.shape == (table.size, 0)
    np.testing.assert_allclose(
        size_scores(problem_of(flops=flops), np.asarray(table.genomes)[40:50])[:, 0], by_ranks(flops)[40:50], atol=1e-4
    )

"""Ask and tell from a plain script."""

import jax
import numpy as np
import pytest

from jcenas.moo import Box, Study, bayesian, lamoo_ehvi, nsga2_by_reference, random_by_reference, semoa
from jcenas.moo import study as module

BOX = Box(variables=2, levels=33)


def values_of(genomes):
    """Accuracy, to be maximised, and cost; the front is where the second variable is 0."""
    x = np.asarray(genomes) / 32
    return np.stack([90 + 10 * x[:, 0] - 5 * x[:, 1], 1 + 3 * x[:, 0] + x[:, 1]], axis=1)


def searched(study, asks):
    for _ in range(asks):
        genomes = study.ask()
        study.tell(genomes, values_of(genomes))
    return study


@pytest.mark.parametrize("factory", [nsga2_by_reference, semoa])
def test_a_search_from_a_script_finds_the_front(factory):
    study = searched(Study(BOX, factory, reference=(85.0, 5.0), maximise=(True, False), batch=5), 30)
    every, front = study.results(), study.front()
    assert every.genomes.shape == (150, 2)
    assert len(np.unique(every.genomes, axis=0)) == 150
    assert every.objectives.dtype == np.float64
    np.testing.assert_array_equal(every.objectives, values_of(every.genomes))
    losses = every.objectives * [-1, 1]
    best = [not ((losses <= one).all(1) & (losses < one).any(1)).any() for one in losses]
    np.testing.assert_array_equal(front.genomes, every.genomes[best])
    assert front.genomes[:, 1].mean() < 4  # of 32


def test_equal_seeds_are_equal_searches():
    once, again, other = (searched(Study(BOX, semoa, reference=(85, 5), seed=s), 15).results() for s in (4, 4, 5))
    np.testing.assert_array_equal(once.genomes, again.genomes)
    assert (once.genomes != other.genomes).any()


def test_without_a_reference_it_is_taken_from_the_first_ten_results():
    study = Study(BOX, semoa, maximise=(True, False))
    searched(study, 10)
    assert study.reference is None
    first = study.results().objectives
    searched(study, 1)
    reference = study.reference
    assert reference[0] < first[:, 0].min()
    assert reference[1] > np.median(first[:, 1])


def test_known_evaluations_are_a_warm_start():
    known = BOX.sample(jax.random.key(9), 40)
    study = Study(BOX, nsga2_by_reference, reference=(85.0, 5.0), maximise=(True, False), batch=4)
    study.tell(known, values_of(known))
    asked = np.concatenate([study.ask() for _ in range(6)])
    seen = {tuple(row) for row in np.asarray(known).tolist()}
    assert not seen & {tuple(row) for row in asked.tolist()}
    cold = Study(BOX, nsga2_by_reference, reference=(85.0, 5.0), maximise=(True, False), batch=24).ask()
    assert values_of(asked)[:, 0].mean() > values_of(cold)[:, 0].mean()  # children of the better half, not uniform


def test_failures_and_violations_are_kept_apart_from_the_front():
    study = Study(BOX, semoa, reference=(85.0, 5.0), maximise=(True, False), constraints=1)
    genomes = np.array([[32, 0], [16, 0], [0, 0], [8, 8]])
    objectives = values_of(genomes)
    objectives[3] = np.nan
    study.tell(genomes, objectives, [1.0, 0.0, -1.0, 0.0])
    assert study.results().fine.tolist() == [False, True, True, False]
    assert study.front().genomes.tolist() == [[16, 0], [0, 0]]
    assert study.ask().shape == (1, 2)


def test_constraints_lead_the_search_to_what_keeps_them():
    study = Study(BOX, semoa, reference=(85.0, 5.0), maximise=(True, False), constraints=1, batch=4)
    for _ in range(25):
        genomes = study.ask()
        study.tell(genomes, values_of(genomes), genomes[:, 0] - 4)  # only an eighth of the box is feasible
    kept = study.results().violations[:, 0] <= 0
    assert kept[:10].mean() < 0.35 < kept[40:].mean()  # the first ten are uniform: 5 of 33 are kept
    assert (study.front().genomes[:, 0] <= 4).all()


@pytest.mark.slow
@pytest.mark.parametrize("factory", [bayesian, lamoo_ehvi])
def test_models_follow_constraints_too(factory):
    # Nothing among the first is feasible: the violation is what is improved on, and then the objectives.
    box = Box(variables=3, levels=33)
    study = Study(box, factory, reference=(85.0, 5.0), maximise=(True, False), constraints=1, batch=4)
    first = box.sample(jax.random.key(2), 12)
    first = np.maximum(np.asarray(first), 8)
    study.tell(first, values_of(first), first.sum(axis=1) - 12)
    for _ in range(8):
        genomes = study.ask()
        study.tell(genomes, values_of(genomes), genomes.sum(axis=1) - 12)
    kept = study.results().violations[:, 0] <= 0
    assert not kept[:12].any()
    assert kept[28:].mean() > 0.5  # of uniform draws one in a hundred is


def test_room_grows_and_what_is_pending_stays_so(monkeypatch):
    monkeypatch.setattr(module, "_ROOM", 16)
    study = Study(BOX, semoa, reference=(85.0, 5.0), maximise=(True, False), batch=4)
    asked = [study.ask()]
    for _ in range(8):
        genomes = study.ask()
        asked.append(genomes)
        study.tell(genomes, values_of(genomes))
    every = np.concatenate(asked)
    assert len(np.unique(every, axis=0)) == len(every) == 36
    study.tell(asked[0], values_of(asked[0]))
    assert len(study.results().genomes) == 36


def test_a_result_told_again_replaces_the_first():
    study = Study(BOX, semoa, reference=(85.0, 5.0))
    study.tell([[1, 2]], [[np.nan, 1.0]])
    study.tell([[1, 2]], [[80.0, 2.0]])
    assert study.results().objectives.tolist() == [[80.0, 2.0]]
    assert study.front().genomes.tolist() == [[1, 2]]


def test_double_precision_is_kept_and_decides():
    study = Study(BOX, random_by_reference, reference=(1e8, 1.0))
    study.tell([[0, 0], [1, 0]], [[1e7, 0.5], [1e7 + 1e-3, 0.5]])
    assert study.front().genomes.tolist() == [[0, 0]]
    with jax.enable_x64(True):
        study = Study(BOX, semoa, reference=(85.0, 5.0), maximise=(True, False))
        assert searched(study, 12).ask().shape == (1, 2)
        assert study._state.objectives.dtype == np.float64


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (([[0, 0, 0]], [[1.0, 1.0]]), r"\(n, 2\)"),
        (([[0.5, 0]], [[1.0, 1.0]]), "integers"),
        (([[33, 0]], [[1.0, 1.0]]), r"\[33, 0\] is not of the space"),
        (([[0, 0]], [[1.0, 1.0, 1.0]]), r"objectives must have shape \(n, 2\)"),
        (([[0, 0]], [[1.0, 1.0], [1.0, 1.0]]), r"\(1, m\)"),
        (([[0, 0]], [[1.0, 1.0]], [0.0]), "without constraints"),
    ],
)
def test_what_does_not_fit_is_refused_and_not_taken_in(told, said):
    study = Study(BOX, semoa, reference=(85.0, 5.0))
    with pytest.raises(ValueError, match=said):
        study.tell(*told)
    assert len(study.results().genomes) == 0


def test_violations_must_be_told_where_there_are_constraints():
    study = Study(BOX, semoa, reference=(85.0, 5.0), constraints=2)
    with pytest.raises(ValueError, match=r"\(1, 2\), got none"):
        study.tell([[0, 0]], [[1.0, 1.0]])
    with pytest.raises(ValueError, match="batch"):
        Study(BOX, batch=0)

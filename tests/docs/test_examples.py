"""The worked examples of docs/, called as a worker calls them, and one of them run at a small size."""

import importlib
import pathlib

import pytest

from jcenas.problems import EvaluationBudget
from jcenas.problems.budget import PausedEvaluation

EXAMPLES = pathlib.Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


class Looks:
    """Whether the search wants a pause, at each look."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def __call__(self):
        return self.answers.pop(0) if self.answers else False


def goes_on_where_it_paused(evaluate, genome, folder, tmp_path):
    whole = evaluate(genome, 1, EvaluationBudget(epochs=3, stopped=Looks()), tmp_path / "whole")
    with pytest.raises(PausedEvaluation) as caught:
        evaluate(genome, 1, EvaluationBudget(epochs=3, stopped=Looks(False, False, True)), folder)
    assert caught.value.done == pytest.approx(2 / 3)
    looks = Looks()
    looks.answers = [False]  # one epoch is left: a second look would find nothing to pop, and go on all the same
    assert evaluate(genome, 1, EvaluationBudget(epochs=3, stopped=looks), folder) == pytest.approx(whole, abs=0.02)
    assert looks.answers == []
    return whole


def test_scikit_learn_pauses_and_goes_on(example, tmp_path):
    models = example("sklearn_models")
    genome = {"layers": 1, "width": 64, "activation": "relu", "learning_rate": 0.01}
    assert models.parameters(genome) == 64 * 64 + 64 + 64 * 10 + 10
    (tmp_path / "paused").mkdir()
    assert goes_on_where_it_paused(models.evaluate, genome, tmp_path / "paused", tmp_path) < 0.3


def test_pytorch_pauses_and_goes_on(example, tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    training = example("torch_training")
    genome = {"channels": 8, "blocks": 1, "kernel": 3, "learning_rate": 0.01}
    assert training.multiply_adds(genome) == 64 * 9 * 8
    (tmp_path / "paused").mkdir()
    assert goes_on_where_it_paused(training.evaluate, genome, tmp_path / "paused", tmp_path) < 0.7


@pytest.mark.slow
def test_the_search_of_scikit_learn_models(example, tmp_path, capsys):
    result = example("sklearn_models").main(["--hours", "3", "--epochs", "5", "--runs", str(tmp_path)])
    assert result.status == "finished"
    assert result.summary["failed"] == 0
    assert result.pareto["accuracy"].max() > 0.8
    assert "gCO2eq" in capsys.readouterr().out


def test_the_study_of_trees(example, capsys):
    pytest.importorskip("optuna", reason="needs the extra `optuna`")
    study = example("optuna_sampler").main(["--trials", "16", "--optimizer", "semoa"])
    assert len(study.trials) == 16
    assert len(capsys.readouterr().out.splitlines()) == len(study.best_trials) > 0

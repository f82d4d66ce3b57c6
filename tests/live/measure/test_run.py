"""A table of three tiny cells: what its rows say, stopped and cut and gone on with, and searched as it proposes."""

import dataclasses
import shlex
import threading
from typing import Any

import jax
import numpy as np
import pytest

from jcenas.cli.main import command_of
from jcenas.errors import InputError
from jcenas.live.measure.columns import columns_of, rows_of
from jcenas.live.measure.config import MeasureConfig
from jcenas.live.measure.run import measure
from jcenas.live.measure.trainer import CellTrainer, Trained, make_trainers
from jcenas.live.prepare import load_images
from jcenas.live.programs import make_problem
from jcenas.runtime import sharding

TIMES = ("seconds", "train_seconds", "train_energy_wh")
SMALL: dict[str, Any] = {
    "cells": 3,
    "seeds": 2,
    "epochs": 2,
    "looks": (1,),
    "channels": 2,
    "batch_size": 512,
    "devices": 1,
    "seed": 4,
}


class StopAfter(threading.Event):
    """Set once it was asked so many times."""

    def __init__(self, asks):
        super().__init__()
        self.asks = asks

    def is_set(self):
        self.asks -= 1
        return self.asks < 0


def ignore(line):
    del line


def parts_of(config):
    """The problem and the images of a table."""
    data = load_images(config.search, ignore).data
    return make_problem(config.search, data), data


def genomes_of(rows):
    return np.array([row["genome"].split() for row in rows], np.int32)


def without_times(rows):
    return [{name: value for name, value in row.items() if name not in TIMES} for row in rows]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The settings of a table, what was measured without a stop, and the programs that did it."""
    config, made = MeasureConfig(**SMALL, out=tmp_path_factory.mktemp("whole") / "a table.csv"), []

    def kept(*arguments):
        made.extend(make_trainers(*arguments))
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jcenas.live.measure.run.make_trainers", kept)
        return config, measure(config, say=ignore), made


def test_rows_say_what_was_trained(whole):
    config, done, _ = whole
    problem, data = parts_of(config)
    assert (done.cells, done.wanted, done.failed, done.finished) == (3, 3, 0, True)
    assert all(set(row) == set(columns_of(config)) for row in done.rows)
    assert config.path.read_text().splitlines()[0] == ",".join(columns_of(config))
    assert [row["seed"] for row in done.rows] == ["0", "1"] * 3
    genomes = genomes_of(done.rows)
    np.testing.assert_array_equal(genomes[::2], genomes[1::2])
    np.testing.assert_allclose([int(row["params"]) for row in done.rows], problem.parameters(genomes))
    np.testing.assert_allclose([int(row["flops"]) for row in done.rows], problem.multiply_adds(genomes))
    assert [row["architecture"] for row in done.rows] == [problem.to_string(tuple(g)) for g in genomes.tolist()]
    assert len({row["validation_error"] for row in done.rows}) > 1
    for row in done.rows:
        seconds, scaled, energy_wh = (float(row[name]) for name in TIMES)
        assert scaled == pytest.approx(3600 * seconds)
        assert energy_wh == pytest.approx(167 * 1.59 * seconds / 3600, rel=1e-6)  # W, PUE
        for part in ("validation", "test"):
            for name in (f"{part}_error", f"{part}_error_1"):
                wrong = float(row[name]) / 100 * len(getattr(data, part).labels)
                assert wrong == pytest.approx(round(wrong), abs=1e-4)  # whole images


class Counted:
    """Programs whose states say what they were asked: member, key, total, chunks done, and the paths of the last."""

    def __init__(self, diverges):
        self.diverges = diverges  # member whose loss is not finite from the second chunk on

    def init(self, keys, total):
        return {"keys": jax.random.key_data(keys).tolist(), "total": int(total), "chunks": 0, "paths": None}

    def chunk(self, states, paths, data):
        states = states | {"chunks": states["chunks"] + 1, "paths": np.asarray(paths)}
        losses = np.ones(len(paths))
        losses[self.diverges] = np.inf if states["chunks"] > 1 else 1.0
        return states, losses

    def share(self, states, genomes, part, data):
        assert (states["paths"] == np.asarray(genomes)[:, None]).all()
        self.last = states
        return (np.arange(len(genomes)) + 10 * states["chunks"]) / len(part.labels)  # right answers of each member


def test_a_call_trains_every_seed_of_its_cells_and_looks_on_the_way(whole, monkeypatch):
    config, _, (trainer, *_) = whole
    data, programs = parts_of(config)[1], Counted(diverges=1)
    fakes = {"init": programs.init, "chunk": programs.chunk, "score": lambda start, genomes: np.full(1, -np.inf)}
    monkeypatch.setattr(trainer, "_compiled", fakes | dict.fromkeys(("validation", "test"), programs.share))
    trained = trainer.train(np.array([[3, 1, 2, 0, 4, 1]]))
    assert trained is not None
    counts = np.array([len(data.validation.labels), len(data.test.labels)])
    right = np.array([[10, 20], [11, np.nan]])  # of the seeds, after one and after two epochs of one chunk
    np.testing.assert_allclose(trained.errors[0], 100 * (1 - right[:, :, None] / counts))
    assert trained.log_synflow == [0]
    assert programs.last["total"] == 4  # two epochs of two steps
    keys = [jax.random.fold_in(jax.random.key(SMALL["seed"] + 1), seed) for seed in range(2)]
    assert programs.last["keys"] == [jax.random.key_data(key).tolist() for key in keys]
    assert trainer.train(np.array([[3, 1, 2, 0, 4, 1]]), lambda: True) is None


def test_a_table_that_was_stopped_and_cut_goes_on_to_the_same(whole, tmp_path, monkeypatch):
    config = dataclasses.replace(whole[0], out=tmp_path / "table.csv")
    monkeypatch.setattr("jcenas.live.measure.run.make_trainers", lambda *arguments: whole[2])
    stopped = measure(config, say=ignore, stop=StopAfter(5))  # in the second cell
    assert (stopped.cells, stopped.finished, len(stopped.rows)) == (1, False, 2)
    config.path.write_bytes(config.path.read_bytes()[:-4])  # as a kill in the middle of the second row
    two = whole[2] * 2  # side by side
    monkeypatch.setattr("jcenas.live.measure.run.make_trainers", lambda *arguments: two)
    went_on = measure(dataclasses.replace(config, devices=2), say=ignore)
    assert went_on.finished
    assert without_times(went_on.rows) == without_times(whole[1].rows)
    assert went_on.rows[0] == stopped.rows[0]  # measured once


def test_what_is_there_is_not_trained_again(whole, monkeypatch):
    config, done, _ = whole
    monkeypatch.setattr("jcenas.live.measure.run.make_trainers", None)
    assert measure(config, say=ignore) == done
    fewer = measure(dataclasses.replace(config, cells=2), say=ignore)
    assert (fewer.cells, fewer.wanted, fewer.rows) == (2, 2, done.rows)
    with pytest.raises(InputError, match=r"--epochs 3: .*a table\.csv was begun with --epochs 2; give that"):
        measure(dataclasses.replace(config, epochs=3), say=ignore)


def test_the_command_that_comes_next_searches_the_table(whole, capsys):
    words = shlex.split(whole[1].next_command)
    assert words[0] == "jcenas"
    quick = ["--hours", "4", "--seeds", "1", "--optimizer", "random", "--stage", "none", "--policy", "evaluate-all"]
    assert command_of([*words[1:], *quick, "--quiet"]).run() == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "6 rows are of 3 architectures; the mean of those of one counts" in out
    assert "column genome writes 6 variables" in out
    assert "error: column validation_error" in out


def test_a_training_that_diverged_has_no_error(whole):
    config, done, _ = whole
    problem, _ = parts_of(config)
    errors = np.array([[[[90.0, 91.0], [np.nan, np.nan]], [[50.0, 60.0], [40.0, 45.5]]]])
    trained = Trained(errors, 2.0, np.array([-np.inf]))
    rows = rows_of(config, problem, genomes_of(done.rows[:1]), trained, config.power)
    names = ("validation_error_1", "test_error_1", "validation_error", "test_error", "log_synflow")
    assert [[row[name] for name in names] for row in rows] == [["90", "91", "", "", ""], ["50", "60", "40", "45.5", ""]]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 2000}, "--batch-size 2000 is larger than the 1151 training images"),
        ({"images": "odd.npz"}, r"--problem nasbench201, --images .*odd\.npz: .*; pad, crop or resize them"),
        ({"devices": 100}, "--devices 100: this machine has"),
    ],
)
def test_nothing_is_written_before_all_is_checked(settings, message, tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    np.savez("odd.npz", x=rng.integers(0, 256, (40, 7, 7), np.uint8), y=np.arange(40) % 4)
    with pytest.raises(InputError, match=message) as said:
        measure(MeasureConfig(**{**SMALL, "batch_size": 8, **settings}), say=ignore)
    assert "\n" not in str(said.value)
    assert [file.name for file in tmp_path.iterdir()] == ["odd.npz"]


@pytest.mark.study
def test_cells_in_every_operation_of_one_program_learn_as_one_alone(whole):
    config, done, _ = whole
    problem, data = parts_of(config)
    trainer = CellTrainer(config, problem, data, sharding.local_devices(1)[0], together=4)
    trained = trainer.train(genomes_of(done.rows[::2]))
    assert trained is not None
    assert trained.errors.shape == (3, 2, 2, 2)
    alone = np.array([[float(row[f"{part}_error"]) for part in ("validation", "test")] for row in done.rows])
    np.testing.assert_allclose(trained.errors[:, :, -1].reshape(6, 2), alone, atol=3.0)
    np.testing.assert_allclose(trained.log_synflow, [float(row["log_synflow"]) for row in done.rows[::2]], rtol=1e-3)

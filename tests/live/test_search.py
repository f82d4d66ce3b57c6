"""Whole searches, small enough for seconds: digits, networks of four channels, one epoch."""

import itertools
import json
import math
import threading

import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.live import SearchConfig, search
from jcenas.live.database import RunDatabase
from jcenas.live.programs import DevicePrograms
from jcenas.live.progress import Quiet

SMALL = {"channels": 4, "epochs": 1, "supernet_epochs": 1, "batch_size": 128, "queue": 4, "proposals": 4, "devices": 1}


def config(folder, **options):
    return SearchConfig(**({"name": "run", "runs": folder, "hours": 8, "hour_seconds": 0.25} | SMALL | options))


def read(folder):
    return RunDatabase(folder / "run.db")


def check_books(folder):
    """Intervals and hours tell the same story, and nothing was evaluated twice."""
    database = read(folder)
    for column in ("energy_kwh", "emissions_g"):
        by_interval = math.fsum(r[0] for r in database.rows(f"SELECT {column} FROM intervals"))
        by_hour = math.fsum(r[0] for r in database.rows(f"SELECT {column} FROM hours"))
        assert by_hour == pytest.approx(by_interval, rel=1e-9)
        assert by_interval > 0
    rows = database.rows("SELECT device, start_hour, end_hour FROM intervals ORDER BY device, id")
    for before, after in itertools.pairwise(rows):
        if before["device"] == after["device"]:
            assert after["start_hour"] == pytest.approx(before["end_hour"])
    proposals = [r["genome"] for r in database.rows("SELECT genome FROM proposals")]
    assert len(set(proposals)) == len(proposals)
    events = [r["reference"] for r in database.rows("SELECT reference FROM events WHERE kind = 'tell'")]
    assert len(set(events)) == len(events) == database.value("SELECT COUNT(*) FROM evaluations")
    database.close()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return search(config(tmp_path_factory.mktemp("runs")))


def test_a_finished_run_trained_scored_and_stopped_by_time(finished):
    summary = finished.summary
    assert (finished.status, summary["stopped_by"]) == ("finished", "time")
    assert summary["evaluations"] >= 1
    assert summary["scored"] >= summary["evaluations"]
    assert summary["device_s"] >= 8 * 0.25 - 1e-6
    assert 0.1 < summary["best_validation_accuracy"] <= 1
    check_books(finished.folder)


def test_emissions_at_the_mean_intensity_by_hand(finished):
    summary = finished.summary
    expected = summary["energy_kwh"] * summary["mean_intensity_g_per_kwh"]
    assert summary["emissions_at_mean_intensity_g"] == pytest.approx(expected)
    per_kwh = summary["emissions_g"] / summary["energy_kwh"]
    assert 100 < per_kwh < 400  # within the range of the zone


def test_the_front_is_what_no_evaluation_dominates(finished):
    points = np.stack([1 - finished.evaluations["accuracy"], finished.evaluations["params"]], axis=1)
    worse = [any((q <= p).all() and (q < p).any() for q in points) for p in points]
    expected = set(finished.evaluations["proposal"][~np.array(worse)])
    assert set(finished.pareto["proposal"]) == expected
    assert finished.pareto["test_accuracy"].between(0, 1).all()  # the front, and nothing but it, was tested
    database = read(finished.folder)
    assert {r["proposal"] for r in database.rows("SELECT proposal FROM test")} == expected
    database.close()
    kept = {p.name for p in (finished.folder / "checkpoints").iterdir()}
    assert {f"candidate-{p}" for p in expected} <= kept
    assert len(kept) <= len(expected) + 1 + finished.summary["unfinished"]


def test_the_folder_says_how_to_repeat_the_run(finished):
    record = json.loads((finished.folder / "config.json").read_text())
    assert SearchConfig.from_json(record["config"]).channels == 4
    assert record["versions"]["jax"]
    assert record["devices"]
    assert record["trace"]["zone"] == "US-CAL-CISO"


def test_a_finished_run_resumed_stays_as_it_is(finished):
    again = search(resume=finished.folder)
    assert again.summary["emissions_g"] == pytest.approx(finished.summary["emissions_g"])
    assert again.evaluations.equals(finished.evaluations)
    assert again.status == "finished"


class StopAfter(Quiet):
    """Stops a search at its n-th progress report."""

    def __init__(self, n):
        self.left, self.stop = n, threading.Event()

    def update(self, progress):
        self.left -= 1
        if self.left <= 0:
            self.stop.set()


def test_interrupted_again_and_again_nothing_is_lost_or_repeated(tmp_path):
    known, emissions, status, resume, moments = {}, 0.0, "", None, iter((1, 12, 9, 15, 11, 10**9))
    while status != "finished":
        watcher = StopAfter(next(moments))
        if resume is None:
            result = search(config(tmp_path, epochs=3), observer=watcher, stop=watcher.stop)
        else:
            result = search(resume=resume, observer=watcher, stop=watcher.stop)
        resume, status = result.folder, result.status
        now = dict(zip(result.evaluations["proposal"], result.evaluations["accuracy"], strict=True))
        assert known.items() <= now.items()
        assert result.summary["emissions_g"] >= emissions
        known, emissions = now, result.summary["emissions_g"]
    assert known
    check_books(resume)


def test_a_diverging_candidate_is_recorded_and_the_search_goes_on(tmp_path, monkeypatch):
    train, calls = DevicePrograms.train_candidate, []

    def sometimes(self, state, genome):
        calls.append(genome)
        state, loss = train(self, state, genome)
        return state, math.nan if [genome] == calls[2:3] else loss  # calls 0 and 1 only measure the speed

    monkeypatch.setattr(DevicePrograms, "train_candidate", sometimes)
    result = search(config(tmp_path, policy="evaluate-all"))
    assert result.summary["failed"] == 1
    assert result.summary["evaluations"] >= 1
    database = read(result.folder)
    row = database.rows("SELECT reason, validation_error FROM evaluations WHERE status = 'failed'")[0]
    assert row["reason"].startswith("loss nan after")
    assert row["validation_error"] is None
    database.close()


def test_a_number_of_evaluations_ends_the_search(tmp_path):
    result = search(config(tmp_path, evaluations=2, policy="evaluate-all", optimizer="random", cost="energy"))
    assert (result.summary["stopped_by"], result.summary["evaluations"]) == ("evaluations", 2)
    assert "energy" in result.pareto.columns


def test_a_carbon_budget_ends_the_search(tmp_path, finished):
    budget = 0.6 * finished.summary["emissions_g"]
    result = search(config(tmp_path, carbon_budget=budget))
    assert result.summary["stopped_by"] == "carbon budget"
    assert budget <= result.summary["emissions_g"] < 1.5 * budget


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["lamoo-ehvi", "nsga2"])
def test_other_optimisers_drive_the_search(tmp_path, optimizer):
    result = search(config(tmp_path, evaluations=2, policy="evaluate-all", optimizer=optimizer))
    assert result.summary["evaluations"] == 2


@pytest.mark.slow
def test_latency_is_measured(tmp_path):
    result = search(config(tmp_path, evaluations=2, policy="evaluate-all", cost="latency"))
    assert result.pareto["latency"].between(1e-6, 1.0).all()
    assert "latency" in result.summary["measured"]
    database = read(result.folder)
    rows = database.rows("SELECT proposal, batch, seconds FROM latencies ORDER BY proposal, batch")
    database.close()
    assert [row["batch"] for row in rows] == [1, 64, 1, 64]
    assert {row["seconds"] for row in rows if row["batch"] == 1} >= set(result.pareto["latency"])


@pytest.mark.slow
def test_several_devices_share_the_work(tmp_path):
    result = search(config(tmp_path, devices=2, hour_seconds=0.5, policy="static:0.5"))
    database = read(result.folder)
    used = {(r["device"], r["state"]) for r in database.rows("SELECT device, state FROM intervals")}
    database.close()
    assert {(0, "training"), (1, "training"), (1, "scoring")} <= used  # the supernet trains on both
    assert (0, "scoring") not in used or (0, "training") in used
    check_books(result.folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hours": 1, "hour_seconds": 1e-3}, r"--hours 1 of 0\.001 s cannot pay one evaluation.*raise --hours to"),
        ({"carbon_budget": 1e-9}, r"--carbon-budget 1e-09 g cannot pay one evaluation"),
        ({"zone": "NOWHERE"}, "unknown zone 'NOWHERE'"),
        ({"policy": "guess"}, "unknown policy 'guess'"),
        ({"batch_size": 2000}, "--batch-size 2000 is larger than the 1151 training images"),
        ({"devices": 64}, "--devices 64: this machine has"),
        ({"runs": "file"}, "cannot be written; choose another folder with --runs"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(tmp_path, options, message):
    (tmp_path / "file").write_text("in the way")
    if "runs" in options:
        options = {"runs": tmp_path / "file"}
    with pytest.raises(InputError, match=message):
        search(config(tmp_path, **options))
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_an_existing_folder_is_never_overwritten(finished):
    with pytest.raises(InputError, match=r"run exists; go on with it by --resume"):
        search(config(finished.folder.parent))


def test_resuming_what_is_no_run_is_refused(tmp_path, finished):
    with pytest.raises(InputError, match="is no run folder"):
        search(resume=tmp_path)
    (tmp_path / "config.json").write_text("{ half")
    with pytest.raises(InputError, match=r"config\.json is damaged"):
        search(resume=tmp_path)
    with pytest.raises(ValueError, match="either a config or a run folder"):
        search()


def test_a_full_disk_in_the_middle_names_the_file_and_the_way_on(tmp_path, monkeypatch):
    def full(folder, tree):
        raise OSError(28, "No space left on device", str(folder))

    monkeypatch.setattr("jcenas.runtime.checkpoint.save", full)
    with pytest.raises(InputError, match=r"supernet: No space left on device; free the disk.*--resume"):
        search(config(tmp_path))
    monkeypatch.undo()
    result = search(resume=tmp_path / "run")
    assert result.status == "finished"
    check_books(tmp_path / "run")

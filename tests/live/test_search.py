"""Whole searches, small enough for seconds: digits, networks of four channels, one epoch."""

import itertools
import json
import math
import shutil
import threading

import jax
import numpy as np
import pytest

from jcenas import registry
from jcenas.alloc.learned import DEFAULT
from jcenas.alloc.policies import policy_from_name
from jcenas.carbon.power import STATES
from jcenas.engine.observe import observe
from jcenas.engine.stages import stage_from_name
from jcenas.errors import InputError
from jcenas.live import SearchConfig, prepare, run_folder, search, trace_files
from jcenas.live.database import SCHEMA_VERSION, RunDatabase
from jcenas.live.ledger import Ledger
from jcenas.live.programs import DevicePrograms
from jcenas.live.progress import Quiet
from jcenas.live.steps import Steps
from jcenas.report import write_report
from jcenas.report.run import read_run
from jcenas.report.summary import headline
from jcenas.runtime import checkpoint

SMALL = {
    "channels": 4,
    "epochs": 1,
    "supernet_epochs": 1,
    "batch_size": 128,
    "proposals": 8,
    "devices": 1,
    "optimizer": "random",  # quickly compiled
    "stage": "zero-shot:synflow",
    "reference_error": 1.0,  # one epoch is of use too
}


def config(folder, **options):
    return SearchConfig(**({"name": "run", "runs": folder, "hours": 8, "hour_seconds": 0.25} | SMALL | options))


@pytest.fixture(scope="module", autouse=True)
def one_room():
    """Arrays for as many evaluations in every test, however fast the machine is: compiled once."""
    patch = pytest.MonkeyPatch()
    patch.setattr(prepare, "MOST_ROOM", 64)
    yield
    patch.undo()


def read(folder):
    return RunDatabase(folder / "run.db")


def check_books(folder):
    """Intervals and hours tell the same story, nothing was evaluated twice, and everything is charged."""
    database = read(folder)
    for column in ("energy_kwh", "emissions_g"):
        by_interval = math.fsum(r[0] for r in database.rows(f"SELECT {column} FROM intervals"))
        by_hour = math.fsum(r[0] for r in database.rows(f"SELECT {column} FROM hours"))
        assert by_hour == pytest.approx(by_interval, rel=1e-9)
        assert by_interval > 0
    for state in STATES:
        by_interval = math.fsum(r[0] for r in database.rows("SELECT seconds FROM intervals WHERE state = ?", state))
        by_hour = math.fsum(r[0] for r in database.rows(f"SELECT {state}_s FROM hours"))
        assert by_hour == pytest.approx(by_interval, rel=1e-9, abs=1e-9)
    rows = database.rows("SELECT device, start_hour, end_hour FROM intervals ORDER BY device, id")
    for before, after in itertools.pairwise(rows):
        if before["device"] == after["device"]:
            assert after["start_hour"] == pytest.approx(before["end_hour"])
    hours = [r["hour"] for r in database.rows("SELECT hour FROM hours ORDER BY hour")]
    assert hours == list(range(len(hours)))
    proposals = [r["genome"] for r in database.rows("SELECT genome FROM proposals")]
    assert len(set(proposals)) == len(proposals)
    told = database.value("SELECT COUNT(*) FROM evaluations WHERE told IS NOT NULL")
    assert told == database.value("SELECT COUNT(DISTINCT proposal) FROM evaluations")
    assert told == database.value("SELECT COUNT(*) FROM evaluations")
    purposes = {r["purpose"] for r in database.rows("SELECT DISTINCT purpose FROM intervals")}
    assert {"compiling", "timing", "candidate"} <= purposes
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
    assert 0 < summary["hypervolume"] < 1
    check_books(finished.folder)


def test_everything_that_the_devices_did_is_charged(finished):
    database = read(finished.folder)
    spent = finished.summary["device_s_by_purpose"]
    assert spent.keys() >= {"candidate", "compiling", "scoring", "test", "timing"}
    assert finished.summary["device_s"] == pytest.approx(sum(spent.values()))
    assert finished.summary["energy_kwh"] == pytest.approx(database.value("SELECT SUM(energy_kwh) FROM intervals"))
    states = {(r["purpose"], r["state"]) for r in database.rows("SELECT DISTINCT purpose, state FROM intervals")}
    assert {("compiling", "compiling"), ("timing", "training"), ("test", "scoring")} <= states
    # What is not part of the hours moved no clock: it stands at the begin of the run, or where it ended.
    query = "SELECT purpose, start_hour, end_hour FROM intervals WHERE purpose IN ('compiling', 'timing', 'test')"
    for row in database.rows(query):
        assert row["start_hour"] == row["end_hour"]
        assert row["start_hour"] >= 8 - 1e-6 if row["purpose"] == "test" else row["start_hour"] == 0
    database.close()
    told = " ".join(finished.summary["measured"])
    assert "compiling" in told
    assert "final test" in told
    assert not any("compil" in text for text in finished.summary["not_charged"])


def test_emissions_at_the_mean_intensity_by_hand(finished):
    summary = finished.summary
    expected = summary["energy_kwh"] * summary["mean_intensity_g_per_kwh"]
    assert summary["emissions_at_mean_intensity_g"] == pytest.approx(expected)
    per_kwh = summary["emissions_g"] / summary["energy_kwh"]
    assert 100 < per_kwh < 400  # within the range of the zone


def test_emissions_at_the_mean_of_the_hours_by_hand(finished):
    database = read(finished.folder)
    lasted = round(database.value("SELECT MAX(end_hour) FROM intervals"))  # the last training may cross the end
    hours = [r[0] for r in database.rows("SELECT intensity_g_per_kwh FROM hours WHERE hour < ?", lasted)]
    database.close()
    assert len(hours) == lasted >= 8
    assert finished.summary["mean_of_hours_g_per_kwh"] == pytest.approx(np.mean(hours))
    expected = finished.summary["energy_kwh"] * np.mean(hours)
    assert finished.summary["emissions_at_mean_of_hours_g"] == pytest.approx(expected)


def test_the_blind_search_does_the_same_work_at_once(finished):
    """No pause and no idle time on one device: the scores, then the trainings, charged hour by hour."""
    database, summary = read(finished.folder), finished.summary
    standing = database.value("SELECT SUM(emissions_g) FROM intervals WHERE end_hour = start_hour")
    seconds = sum(r["s"] for r in database.rows(
        "SELECT SUM(seconds) AS s FROM intervals WHERE end_hour > start_hour AND state != 'idle' GROUP BY proposal"
    ))  # fmt: skip
    database.close()
    hours = trace_files.recall(finished.folder, run_folder.read_record(finished.folder)["trace"]).trace.hourly()
    kw, hour_s = SearchConfig().power.power_kw("training"), 0.25  # scoring takes as much
    grams, left = standing, seconds
    for intensity in hours:
        grams += kw * min(left, hour_s) / 3600 * intensity
        left -= min(left, hour_s)
    assert left == pytest.approx(0, abs=1e-6)
    assert summary["emissions_blind_g"] == pytest.approx(grams)


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


def test_a_finished_run_resumed_stays_as_it_is(finished, monkeypatch):
    before = {p: p.stat().st_mtime_ns for p in finished.folder.rglob("*") if p.is_file() and p.name != ".lock"}
    monkeypatch.setattr(prepare, "prepare", lambda *arguments: pytest.fail("it compiles"))
    again = search(resume=finished.folder)
    assert again.summary == finished.summary
    assert again.evaluations.equals(finished.evaluations)
    assert again.pareto.equals(finished.pareto)
    assert (again.status, again.folder) == ("finished", finished.folder)
    after = {p: p.stat().st_mtime_ns for p in finished.folder.rglob("*") if p.is_file() and p.name != ".lock"}
    assert after.keys() == before.keys()


class Listener(Quiet):
    """Keeps what the user is told."""

    def __init__(self):
        self.said = []

    def update(self, progress):
        self.said += [progress.message] if progress.message else []

    def log(self, message, **fields):
        self.said.append(message)


def open_again(finished, folder):
    """A copy of a finished run that was killed before the final test."""
    shutil.copytree(finished.folder, folder)
    database = read(folder)
    database.set_meta("status", "running")
    database.execute("DELETE FROM test")
    database.close()
    return folder


def flipped(folder):
    file = max((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    data = bytearray(file.read_bytes())
    for place in range(0, len(data), len(data) // 64):
        data[place] ^= 255
    file.write_bytes(data)


@pytest.mark.parametrize("damage", [shutil.rmtree, flipped, "other"])
def test_weights_that_are_not_what_was_evaluated_are_left_out_of_the_test_with_a_line(finished, tmp_path, damage):
    folder, listener = open_again(finished, tmp_path / "run"), Listener()
    first, *others = finished.pareto["proposal"]
    weights = folder / "checkpoints" / f"candidate-{first}"
    if damage == "other":
        programs = prepare.prepare(*prepared_again(folder)).at_work[0].programs
        checkpoint.save(weights, programs.init(jax.random.key(9), 1))
    else:
        damage(weights)
    again = search(resume=folder, observer=listener)
    assert again.status == "finished"
    tested = dict(zip(again.pareto["proposal"], again.pareto["test_accuracy"], strict=True))
    assert math.isnan(tested.pop(first))
    before = dict(zip(finished.pareto["proposal"], finished.pareto["test_accuracy"], strict=True))
    assert tested == {proposal: before[proposal] for proposal in others}
    said = [line for line in listener.said if f"candidate {first} is not tested" in line]
    assert len(said) == 1
    assert "\n" not in said[0]
    check_books(folder)


def prepared_again(folder):
    """Arguments of `prepare.prepare` as a resumed run gives them: nothing is measured, nothing compiled anew."""
    opened, known = run_folder.reopen(folder)
    opened.close()
    database = read(folder)
    measured = {name: database.get_meta(name) for name in ("reference", "seconds_at", "latency_at", "supernet_s")}
    database.close()
    return known, prepare.load_images(known, print), print, measured


class StopAfter(Quiet):
    """Stops a search at its n-th progress report."""

    def __init__(self, n):
        self.left, self.stop = n, threading.Event()

    def update(self, progress):
        self.left -= 1
        if self.left <= 0:
            self.stop.set()


class StopInTraining(StopAfter):
    """Stops a search while a network trains."""

    def update(self, progress):
        if any(0 < one.fraction < 1 for one in progress.running):
            self.stop.set()


def test_a_cut_training_with_damaged_weights_is_trained_again(tmp_path):
    watcher, listener = StopInTraining(1), Listener()
    options = {"policy": "evaluate-all", "epochs": 4, "hour_seconds": 1000.0, "evaluations": 2}
    first = search(config(tmp_path, **options), observer=watcher, stop=watcher.stop)
    cut = [path for path in (first.folder / "checkpoints").iterdir() if path.name.startswith("candidate")]
    assert first.status == "interrupted"
    assert cut
    for weights in cut:
        flipped(weights)
    result = search(resume=first.folder, observer=listener)
    assert result.status == "finished"
    again = [line for line in listener.said if "is trained again from its begin: checkpoint" in line]
    assert len(again) >= 1
    assert result.evaluations["accuracy"].min() > 0.05
    check_books(result.folder)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["zero-shot:synflow", "one-shot"])
def test_interrupted_again_and_again_nothing_is_lost_or_repeated(tmp_path, stage):
    known, emissions, status, resume, moments = {}, 0.0, "", None, iter((1, 12, 9, 15, 11, 10**9))
    while status != "finished":
        watcher = StopAfter(next(moments))
        if resume is None:
            result = search(
                config(tmp_path, epochs=3, stage=stage, hour_seconds=0.6), observer=watcher, stop=watcher.stop
            )
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
        return state, math.nan if [genome] == calls[3:4] else loss  # the first three calls measure the speed

    monkeypatch.setattr(DevicePrograms, "train_candidate", sometimes)
    result = search(config(tmp_path, policy="evaluate-all", evaluations=3))
    assert result.summary["failed"] == 1
    assert result.summary["evaluations"] >= 1
    database = read(result.folder)
    row = database.rows("SELECT reason, validation_error FROM evaluations WHERE status = 'failed'")[0]
    assert row["reason"].startswith("loss nan after")
    assert row["validation_error"] is None
    database.close()
    check_books(result.folder)


def test_a_number_of_evaluations_ends_the_search(tmp_path):
    result = search(config(tmp_path, evaluations=2, policy="evaluate-all", cost="energy"))
    assert (result.summary["stopped_by"], result.summary["evaluations"]) == ("evaluations", 2)
    assert "energy" in result.pareto.columns
    check_books(result.folder)


def test_a_carbon_budget_ends_the_search(tmp_path, finished):
    """What was emitted before the hours counts too; the budget pays them and half of the hours' own emissions."""
    told = []

    class Log(Quiet):
        def update(self, progress):
            told.append(progress.emissions_g)

    database = read(finished.folder)
    in_hours = database.value("SELECT SUM(emissions_g) FROM intervals WHERE end_hour > start_hour")
    database.close()
    charged = {}
    standing = Ledger.standing

    def cheap(self, device, state, purpose, seconds):
        charged[purpose] = charged.get(purpose, 0.0) + seconds
        standing(self, device, state, purpose, min(seconds, 1e-3))  # compiling takes as long as the machine is busy

    patch = pytest.MonkeyPatch()
    patch.setattr(Ledger, "standing", cheap)
    try:
        result = search(config(tmp_path, carbon_budget=0.5 * in_hours), observer=Log())
    finally:
        patch.undo()
    budget = 0.5 * in_hours
    assert charged["compiling"] > 0
    assert result.summary["stopped_by"] == "carbon budget"
    assert budget <= result.summary["emissions_g"] < 1.5 * budget
    assert told[0] > 0
    check_books(result.folder)


# The stages.


def rows_of(folder, query):
    database = read(folder)
    rows = [tuple(row) for row in database.rows(query)]
    database.close()
    return rows


def run_stage(folder, stage, **options):
    """A run of a few hours whose devices do both."""
    result = search(config(folder, **{"stage": stage, "policy": "static:0.5", "hours": 6} | options))
    assert result.status == "finished"
    assert result.summary["evaluations"] >= 1
    check_books(result.folder)
    return result


@pytest.mark.slow
def test_stage_none_trains_what_is_proposed(tmp_path):
    result = run_stage(tmp_path, "none")
    assert result.summary["scored"] == 0
    assert "scoring" not in result.summary["device_s_by_purpose"]
    assert "supernet" not in result.summary["device_s_by_purpose"]


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "supernets", "hours"), [("one-shot", 1, 10), ("few-shot", 6, 40)])
def test_supernets_are_trained_first_and_score_in_the_sampling_time(tmp_path, stage, supernets, hours):
    result = run_stage(tmp_path, stage, hours=hours)
    assert result.summary["device_s_by_purpose"]["supernet"] > 0
    assert result.summary["scored"] >= 1
    kept = {path.name for path in (result.folder / "checkpoints").glob("supernet*")}
    assert len(kept) == supernets
    first = rows_of(result.folder, "SELECT purpose FROM intervals WHERE end_hour > start_hour ORDER BY id LIMIT 1")
    assert first == [("supernet",)]
    errors = rows_of(result.folder, "SELECT score, error FROM scores")
    assert all(score == error and 0 <= error <= 1 for score, error in errors)
    (supernet,) = rows_of(result.folder, "SELECT MAX(end_hour) FROM intervals WHERE purpose = 'supernet'")
    scoring = rows_of(result.folder, "SELECT MIN(start_hour) FROM intervals WHERE purpose = 'scoring'")
    assert scoring[0] >= supernet


@pytest.mark.slow
def test_stage_zero_shot_and_predictor_score_before_anything_is_trained(tmp_path):
    for stage in ("zero-shot:synflow", "predictor"):
        result = run_stage(tmp_path / stage.split(":")[0], stage)
        trained = rows_of(result.folder, "SELECT proposal FROM evaluations")
        scored = rows_of(result.folder, "SELECT proposal FROM scores")
        assert set(trained) <= set(scored)
        assert {error for (error,) in rows_of(result.folder, "SELECT error FROM scores")} == {None}
        first = rows_of(result.folder, "SELECT purpose FROM intervals WHERE end_hour > start_hour ORDER BY id LIMIT 1")
        assert first == [("scoring",)]


@pytest.mark.slow
def test_the_predictor_takes_over_after_its_first_evaluations(tmp_path, monkeypatch):
    """With its start lowered to two evaluations, it still drives a search to its end."""
    monkeypatch.setattr("jcenas.engine.predictor.START", 2)
    prepare._steps.cache_clear()
    result = run_stage(tmp_path, "predictor", hours=12, policy="evaluate-all")
    prepare._steps.cache_clear()
    assert result.summary["evaluations"] > 2


# Policies.


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["plan:0.5", "FILE.npz"])
def test_a_policy_that_plans_waits_for_clean_hours(tmp_path, monkeypatch, policy):
    """A day of clean and dirty hours after a week of such days: what is recorded is the policy's own answer."""
    day = [450.0] * 12 + [90.0] * 12
    rows = "".join(f"2023-06-{1 + i // 24:02d}T{i % 24:02d}:00Z,{value}\n" for i, value in enumerate(day * 9))
    (tmp_path / "grid.csv").write_text("time_utc,intensity_g_per_kwh\n" + rows)
    if policy == "FILE.npz":
        policy = str(tmp_path / "mine.npz")
        (tmp_path / "mine.npz").write_bytes(DEFAULT.read_bytes())
    told, named = [], policy_from_name(policy)
    act = Steps.act

    def listen(self, *arguments):
        told.append(arguments)
        return act(self, *arguments)

    monkeypatch.setattr(Steps, "act", listen)
    options = {"trace": tmp_path / "grid.csv", "start": "2023-06-08T00:00Z", "hours": 24, "hour_seconds": 0.15}
    result = search(config(tmp_path, policy=policy, stage="none", **options))
    shares = dict(rows_of(result.folder, "SELECT hour, evaluation_share FROM hours WHERE hour < 24"))
    hours = trace_files.recall(result.folder, run_folder.read_record(result.folder)["trace"])
    asked = {}
    for key, params, status, outlook, budget in told:
        observation = observe(status, outlook, budget)
        hour = 24 - round(float(observation.hours_left))
        assert float(observation.intensity_now) == day[hour]
        np.testing.assert_array_equal(outlook.forecast, hours.forecast("model", hour))
        np.testing.assert_array_equal(outlook.past, hours.past(hour)[0])
        asked[hour] = float(named.apply(key, params, observation))
    assert {hour: shares[hour] for hour in asked} == pytest.approx(asked, abs=1e-6)
    clean, dirty = (np.mean([shares[h] for h in range(24) if day[h] == level]) for level in (90.0, 450.0))
    assert clean - dirty > 0


# Other options.


@pytest.mark.slow
def test_another_optimiser_drives_the_search(tmp_path):
    """The one that computes most; the others are held by the parity test."""
    result = search(config(tmp_path, evaluations=2, policy="evaluate-all", optimizer="lamoo-ehvi"))
    assert result.summary["evaluations"] == 2


@pytest.mark.slow
def test_latency_is_measured_and_charged(tmp_path):
    result = search(config(tmp_path, evaluations=2, policy="evaluate-all", cost="latency", hours=40))
    assert result.pareto["latency"].between(1e-6, 1.0).all()
    assert "latency" in result.summary["measured"]
    assert result.summary["device_s_by_purpose"]["latency"] > 0
    database = read(result.folder)
    rows = database.rows("SELECT proposal, batch, seconds FROM latencies ORDER BY proposal, batch")
    states = database.rows("SELECT state, proposal FROM intervals WHERE purpose = 'latency'")
    database.close()
    assert [row["batch"] for row in rows] == [1, 64, 1, 64]
    assert {row["seconds"] for row in rows if row["batch"] == 1} >= set(result.pareto["latency"])
    assert {tuple(row) for row in states} == {("scoring", None)}  # not part of what the training cost
    check_books(result.folder)


@pytest.mark.slow
def test_several_devices_share_the_work(tmp_path):
    options = {"devices": 2, "hour_seconds": 0.5, "policy": "static:0.5", "stage": "one-shot"}
    result = search(config(tmp_path, **options))
    database = read(result.folder)
    used = {(r["device"], r["state"]) for r in database.rows("SELECT device, state FROM intervals")}
    alone = {(r["device"], r["purpose"]) for r in database.rows("SELECT device, purpose FROM intervals")}
    query = "SELECT COUNT(*) AS n FROM intervals WHERE purpose = 'compiling' GROUP BY device"
    compiled = [row["n"] for row in database.rows(query)]
    database.close()
    assert compiled == [2, 2]  # for each device, and for the supernet on both
    assert {(0, "training"), (1, "training"), (1, "scoring")} <= used  # the supernet trains on both
    assert (0, "candidate") in alone  # the first evaluates
    assert (1, "candidate") not in alone
    assert {(0, "compiling"), (1, "compiling")} <= used
    assert (0, "scoring") not in used or (0, "training") in used
    check_books(result.folder)


def test_a_budget_may_change_and_nothing_else_where_a_run_goes_on(finished, tmp_path):
    folder, listener = tmp_path / "run", Listener()
    shutil.copytree(finished.folder, folder)
    with pytest.raises(InputError, match="--channels cannot change in a run that has begun"):
        search(resume=folder, changes={"channels": 8})
    with pytest.raises(InputError, match=r"--hours 99: the trace of this run ends after \d+ h"):
        search(resume=folder, changes={"hours": 99})
    with pytest.raises(InputError, match="--hours -1"):
        search(resume=folder, changes={"hours": -1})
    assert search(resume=folder, changes={"hours": 8}).summary == finished.summary  # as it was
    result = search(resume=folder, changes={"hours": 10}, observer=listener)
    assert (result.status, result.summary["stopped_by"]) == ("finished", "time")
    assert "--hours 10 from now on; it was 8" in listener.said
    database = read(folder)
    assert database.value("SELECT MAX(end_hour) FROM intervals") >= 10 - 1e-6
    [noted] = database.get_meta("changes")
    assert (noted["field"], noted["before"], noted["after"]) == ("hours", 8, 10)
    database.close()
    check_books(folder)
    assert read_run(folder).config["config"]["hours"] == 10
    assert "--hours 10 from now on; it was 8" in write_report(folder).read_text()


@pytest.mark.parametrize("name", ["config.json", "trace.csv", "history.csv"])
def test_files_that_were_edited_meanwhile_are_refused(finished, tmp_path, name):
    folder = open_again(finished, tmp_path / "run")
    file = folder / name
    before, after = ('"epochs": 1', '"epochs": 2') if name == "config.json" else ("0", "1")
    file.write_text(file.read_text().replace(before, after, 1))
    with pytest.raises(InputError, match=rf"{name} is not what the run began with") as said:
        search(resume=folder)
    assert "\n" not in str(said.value)
    file.unlink()
    with pytest.raises(InputError, match=r"is not what the run began with|no run folder"):
        search(resume=folder)


@pytest.mark.slow
def test_a_run_of_two_devices_goes_on_with_one(tmp_path, monkeypatch):
    watcher = StopAfter(8)
    first = search(config(tmp_path, devices=2, policy="evaluate-all"), observer=watcher, stop=watcher.stop)
    assert first.status == "interrupted"
    database = RunDatabase(first.folder / "run.db")
    [began] = database.rows("SELECT MAX(id) AS last FROM intervals")
    database.close()
    result = search(resume=first.folder, changes={"devices": 1})
    assert result.status == "finished"
    assert set(first.evaluations["proposal"]) <= set(result.evaluations["proposal"])
    check_books(result.folder)
    # Two cores of a CPU share the usual power; one alone has it all.
    database = RunDatabase(first.folder / "run.db")
    query = "SELECT DISTINCT ROUND(modelled_j / seconds, 6) AS watts FROM intervals WHERE state = 'training' AND id"
    powers = [[row["watts"] for row in database.rows(f"{query} {side} ?", began["last"])] for side in ("<=", ">")]
    database.close()
    assert powers == [[83.5], [167.0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hours": 1, "hour_seconds": 1e-3}, r"--hours 1 of 0\.001 s cannot pay one evaluation.*raise --hours to"),
        ({"carbon_budget": 1e-9}, r"--carbon-budget 1e-09 g cannot pay one evaluation"),
        ({"zone": "NOWHERE"}, "unknown zone 'NOWHERE'"),
        ({"policy": "guess"}, "unknown policy 'guess'"),
        ({"policy": "oracle"}, "--policy oracle: jcenas search cannot tell it the true coming intensities.*use plan"),
        ({"policy": "mine.npz"}, r"mine\.npz: there is no such file"),
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


def test_resuming_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="is no run folder"):
        search(resume=tmp_path)
    (tmp_path / "config.json").write_text("{ half")
    with pytest.raises(InputError, match=r"config\.json is damaged"):
        search(resume=tmp_path)
    with pytest.raises(ValueError, match="either a config, or a run folder"):
        search()


def test_a_run_of_another_version_is_refused_in_one_line(tmp_path):
    path = tmp_path / "run"
    run_folder.create(path, config(tmp_path), devices=["cpu"], trace={}, about={}, fill=lambda part: None).close()
    database = RunDatabase(path / "run.db", create=True)
    database.execute("PRAGMA user_version = 1")
    database.close()
    with pytest.raises(InputError, match=rf"tables of version 1, here {SCHEMA_VERSION}\); go on with that version"):
        search(resume=path)
    record = json.loads((path / "config.json").read_text())
    record["config"]["oversample"] = 4
    (path / "config.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"fields that this version does not know \(oversample\)"):
        search(resume=path)


def test_a_full_disk_in_the_middle_names_the_file_and_the_way_on(tmp_path, monkeypatch):
    def full(folder, tree):
        raise OSError(28, "No space left on device", str(folder))

    monkeypatch.setattr("jcenas.runtime.checkpoint.save", full)
    with pytest.raises(InputError, match=r"candidate-\d+: No space left on device; free the disk.*--resume"):
        search(config(tmp_path, policy="evaluate-all"))
    monkeypatch.undo()
    facts = headline(read_run(tmp_path / "run"))
    assert facts.status == "failed"
    assert "No space left on device" in facts.failure
    result = search(resume=tmp_path / "run")
    assert result.status == "finished"
    facts = headline(read_run(tmp_path / "run"))
    assert (facts.status, facts.failure) == ("finished", None)
    check_books(tmp_path / "run")


def test_every_stage_of_the_registry_has_a_test_here():
    tested = ["none", "one-shot", "few-shot", "zero-shot:synflow", "predictor"]
    assert {registry.check("stage", stage_from_name(name).name).entry.name for name in tested} == set(
        registry.built_in("stage")
    )

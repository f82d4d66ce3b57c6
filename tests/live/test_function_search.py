"""Searches of a user's own function: a toy with a known optimum, interruptions, and what is refused."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

from jcenas import InputError, Problem, SearchConfig, search
from jcenas.cli.main import main
from jcenas.live import prepare
from jcenas.live.database import RunDatabase
from jcenas.live.progress import Quiet
from jcenas.live.summary_text import summary_lines
from jcenas.report import write_report

SETTINGS = {
    "name": "run",
    "optimizer": "random",
    "stage": "none",
    "policy": "evaluate-all",
    "hours": 400,
    "hour_seconds": 0.2,
    "proposals": 16,
    "evaluations": 16,
    "devices": 1,
}


@pytest.fixture(scope="module", autouse=True)
def toy():
    """The functions, where worker processes find them too; arrays of one size, compiled once."""
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(pathlib.Path(__file__).parent))
    patch.setattr(prepare, "MOST_ROOM", 64)
    import toy_functions

    yield toy_functions
    patch.undo()


def problem_of(toy, name, **options):
    return Problem.from_function(toy.SPACE, getattr(toy, name), costs={"cost": toy.cost}, **options)


class Stop(Quiet):
    """Stops the search once so many evaluations have ended, or one runs."""

    def __init__(self, *, evaluations):
        self.event, self._evaluations = threading.Event(), evaluations

    def update(self, progress):
        if progress.evaluations >= self._evaluations and progress.running:
            self.event.set()


@pytest.mark.slow  # the engine is compiled here
def test_the_known_optimum_is_found_and_reported(toy, tmp_path):
    result = search(problem=problem_of(toy, "evaluate"), runs=tmp_path, **SETTINGS)
    assert (result.status, result.summary["stopped_by"]) == ("finished", "evaluations")
    front = {(genome, round(accuracy, 6)) for genome, accuracy in result.pareto[["genome", "accuracy"]].to_numpy()}
    assert front == {((3, y), round(0.9 - 0.05 * (3 - y), 6)) for y in range(4)}
    assert result.pareto["cost"].tolist() == [4.0, 3.0, 2.0, 1.0]
    assert result.pareto["cell"][0] == "x=3 y=3"
    assert result.summary["device_s_by_purpose"]["candidate"] == pytest.approx(result.evaluations["seconds"].sum())
    assert result.summary["device_s_by_purpose"]["starting"] > 0
    text = "\n".join(summary_lines(result, None))
    assert "test_accuracy" not in text
    assert "what the function returned" in text
    page = write_report(result.folder).read_text()
    assert "toy_functions.evaluate" in page
    assert "test images" not in page


@pytest.mark.slow
def test_failures_are_in_the_database_and_in_the_report_and_the_search_goes_on(toy, tmp_path):
    result = search(problem=problem_of(toy, "odd"), runs=tmp_path, **{**SETTINGS, "evaluations": 4})
    assert len(result.evaluations) == 4  # those with x = 3
    database = RunDatabase(result.folder / "run.db")
    rows = database.rows("SELECT p.cell, e.reason FROM evaluations e JOIN proposals p ON p.id = e.proposal")
    reasons = {"0": "ValueError: no such layer", "1": "error is nan", "2": "the worker process died (exit code 3)"}
    assert len(rows) > 4
    for row in rows:
        assert row["reason"] == reasons.get(row["cell"][2])
    database.close()
    page = write_report(result.folder).read_text()
    assert "ValueError: no such layer" in page
    assert result.summary["failed"] == len(rows) - 4


@pytest.mark.slow
def test_an_interrupted_run_goes_on_with_its_evaluations_and_checkpoints(toy, tmp_path):
    problem, stop = problem_of(toy, "in_steps"), Stop(evaluations=1)
    settings = {**SETTINGS, "evaluations": 3}
    first = search(problem=problem, runs=tmp_path, observer=stop, stop=stop.event, **settings)
    assert first.status == "interrupted"
    known = first.evaluations["proposal"].tolist()
    steps = {path.parent.name: path.stat().st_size for path in first.folder.glob("checkpoints/*/steps.txt")}
    other = Problem.from_function({"x": [0, 1, 2], "y": [0]}, toy.evaluate, costs={"cost": toy.cost})
    with pytest.raises(InputError, match="was begun with another problem"):
        search(problem=other, resume=first.folder)
    again = search(problem=problem, resume=first.folder)
    assert again.status == "finished"
    assert again.evaluations["proposal"].tolist()[: len(known)] == known
    assert len(again.evaluations) == 3
    for folder in again.folder.glob("checkpoints/*/steps.txt"):
        assert folder.stat().st_size == 10 >= steps.get(folder.parent.name, 0)
    assert again.evaluations["seconds"].max() < 3  # half a second each: no step was done twice
    assert search(problem=problem, resume=first.folder).status == "finished"  # nothing is left to be done


@pytest.mark.slow
def test_the_command_line_refuses_a_function_with_the_remedy(toy, tmp_path, capsys, monkeypatch):
    stop = Stop(evaluations=0)
    run = search(problem=problem_of(toy, "in_steps"), runs=tmp_path, observer=stop, stop=stop.event, **SETTINGS)
    assert run.status == "interrupted"
    for arguments, message in (
        (["--resume", str(run.folder)], f"with jcenas.search(problem=Problem.from_function(...), resume='{run.folder}"),
        (["--problem", "function"], "--problem function searches a function of a Python program: run it from there"),
    ):
        monkeypatch.setattr(sys, "argv", ["jcenas", "search", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        said = capsys.readouterr().err
        assert caught.value.code == 2
        assert message in said
        assert len(said.splitlines()) == 1
    with pytest.raises(InputError, match=r"exists; go on with it by resume='.*run', or choose another"):
        search(problem=problem_of(toy, "in_steps"), runs=tmp_path, **SETTINGS)


def test_what_cannot_work_is_refused_before_anything_is_written(toy, tmp_path):
    problem = problem_of(toy, "evaluate")
    returned = Problem.from_function(toy.SPACE, toy.evaluate, costs={"ms": None}, reference=(1.0, 9.0))
    for chosen, options, message in (
        (problem, {"stage": "one-shot"}, "stage one-shot needs networks, and a function has none; use predictor or"),
        (problem, {"stage": "zero-shot:synflow"}, "needs networks"),
        (returned, {"stage": "predictor"}, "needs costs that are known beforehand, and ms is returned"),
        (problem_of(toy, "evaluate", seconds=100.0), {}, "cannot pay one evaluation"),
        ("darts", {}, r"problem is a str: make one with Problem.from_function"),
    ):
        with pytest.raises(InputError, match=message):
            search(problem=chosen, runs=tmp_path, **{**SETTINGS, **options})
    with pytest.raises(InputError, match="--problem function searches a function of a Python program"):
        search(SearchConfig(problem="function", runs=tmp_path))
    with pytest.raises(TypeError, match="unexpected keyword argument 'channels'"):
        search(problem=problem, channels=3)
    with pytest.raises(ValueError, match="hours is a setting of a new run with a problem"):
        search(problem=problem, resume=tmp_path, hours=3)
    with pytest.raises(ValueError, match="give either a config or"):
        search(SearchConfig(), problem=problem)
    assert not list(tmp_path.iterdir())


PROGRAM = """
import sys, time
from jcenas import Problem, search

def evaluate(genome, seed, budget, folder):
    open("child", "w").write(f"{__import__('os').getpid()} {'jax' in sys.modules}")
    time.sleep(600)

problem = Problem.from_function({"x": [0, 1]}, evaluate, costs={"c": len})
if GUARD:
    from jcenas.live.executors.worker import Task, Worker
    worker = Worker(0, evaluate)
    worker.wait_until_ready()
    worker.ask(Task({"x": 0}, 0, 1, ".", 1.0))
    time.sleep(600)
"""


def test_workers_end_with_the_process_that_searches(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM.replace("GUARD", "__name__ == '__main__'"))
    process = subprocess.Popen([sys.executable, "program.py"], cwd=tmp_path)
    child, end = tmp_path / "child", time.monotonic() + 60
    while time.monotonic() < end and not (child.exists() and child.read_text().endswith("e")):
        time.sleep(0.02)
    pid, jax = child.read_text().split()
    assert jax == "False"
    process.send_signal(signal.SIGKILL)
    process.wait()
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < end:
            os.kill(int(pid), 0)
            if "\nState:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text():  # dead, and nobody has asked yet
                break
            time.sleep(0.02)
    assert time.monotonic() < end


def test_a_program_without_its_guard_is_told(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM.replace("GUARD", "True"))
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "InputError: worker process 0 ended at once (exit code 1)" in done.stderr
    assert 'belongs under `if __name__ == "__main__":`' in done.stderr

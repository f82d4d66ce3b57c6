"""`jcenas run`: real commands in sped-up hours, the plan alone, and what is refused."""

import csv
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from jcenas.cli.main import command_of, main
from jcenas.errors import InputError

TOY = pathlib.Path(__file__).parents[1] / "live" / "greener" / "toy_command.sh"
START = "2024-01-02T00:00Z"
pytestmark = [
    pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system cannot stop processes"),
    pytest.mark.usefixtures("interruptible"),
]


@pytest.fixture
def trace(tmp_path):
    """Three days of which every third hour is green."""
    path = tmp_path / "trace.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["datetime_utc", "gCO2eq_per_kWh"])
        for hour in range(72):
            rows.writerow([f"2024-01-{1 + hour // 24:02}T{hour % 24:02}:00Z", 50 if hour % 3 == 2 else 400])
    return path


def jcenas(*arguments):
    return [sys.executable, "-m", "jcenas.cli", "run", *map(str, arguments)]


def flags(trace, **given):
    named = {"trace": trace, "start": START, "forecast": "actual", "margin": "0s", "pause-cost": "0s"} | given
    return [word for name, value in named.items() for word in (f"--{name}", str(value))]


def steps(folder):
    lines = (folder / "log").read_text().splitlines()
    return [int(line.split()[1]) for line in lines if line.startswith("step")]


def toy(folder, count=30, code=3):
    return ["--", "/bin/sh", TOY, folder, count, code]


def test_words_behind_the_dashes_are_the_command():
    command = command_of(
        ["run", "--work", "1h", "--deadline", "3h", "--", "x", "--work", "2", "--work", "3", "--", "y"]
    )
    assert command.command == ("x", "--work", "2", "--work", "3", "--", "y")
    assert command.config.work == "1h"
    with pytest.raises(InputError, match="Unrecognized options: python"):
        command_of(["run", "--work", "1h", "--deadline", "3h", "python", "train.py"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--work", "5h", "--deadline", "3h", "--", "true"], "--deadline 3h cannot be met by --work 5h"),
        (["--work", "1h", "--deadline", "3h"], "give your command after --"),
        (["--work", "1h", "--deadline", "3h", "--", "no-such-program"], "no-such-program: no such program"),
        (["--work", "1h", "--deadline", "3h", "--zone", "XX", "--", "true"], "unknown zone 'XX'"),
        (["--work", "1h", "--deadline", "3h", "--trace", "none.csv", "--", "true"], "none.csv"),
        (["--work", "1h", "--deadline", "3h", "--pause-signal", "KILL", "--", "true"], "--pause-signal KILL"),
        (["--work", "1h", "--deadline", "3h", "--pause-code", "0", "--", "true"], "--pause-code 0"),
        (["--work", "1h", "--deadline", "3h", "--pause-signal=USR1", "--uninterrupted", "--", "true"], "contradict"),
        (
            ["--work", "1h", "--deadline", "3h", "--plot", "plan.jpg", "--", "true"],
            "--plot plan.jpg: the file's name must",
        ),
        (["--work", "1h", "--deadline", "3h", "--column", "x", "--", "true"], "--column x: there is no trace file"),
        (["--deadline", "3h", "--", "true"], "--work"),
    ],
)
def test_what_is_refused(words, message, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["jcenas", "run", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("jcenas: ")
    assert error.count("\n") == 1
    assert message in error


def test_a_trace_that_does_not_reach_the_deadline_is_refused(trace, monkeypatch, capsys):
    for words, message in (
        (flags(trace, work="1h", deadline="60h"), "before the deadline in 60h; give a longer trace"),
        (["--work", "1h", "--deadline", "3h", "--trace", str(trace)], "give --start"),
    ):
        monkeypatch.setattr(sys, "argv", ["jcenas", "run", *words, "--", "true"])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 2
        assert message in capsys.readouterr().err


@pytest.fixture
def dry_run(monkeypatch, capsys):
    """What `jcenas run` prints of its plan."""

    def printed(words):
        monkeypatch.setattr(sys, "argv", ["jcenas", "run", *words, "--dry-run"])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 0
        return capsys.readouterr().out

    return printed


def test_the_plan_alone(trace, tmp_path, dry_run):
    plot = tmp_path / "plots" / "plan.png"
    words = flags(trace, work="2h", deadline="6h", power=1000, pue=1, plot=plot)
    out = dry_run(words)
    assert "Tue 02 Jan 02:00  Tue 03:00  50" in out
    assert "Tue 02 Jan 05:00  Tue 06:00  50" in out
    assert "100 gCO2eq spent, 700 g (88%) saved against starting at once (800 g)" in out
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_a_plan_is_charged_for_the_work_and_not_for_whole_steps(trace, dry_run):
    # Steps of two minutes until a deadline beyond ten hours: 61 min in green hours, of which 1 min needs a pause.
    words = flags(trace, **{"work": "61m", "deadline": "15h", "power": 1000, "pue": 1})
    out = dry_run(words)
    assert "Tue 02 Jan 02:00  Tue 03:00  50" in out
    assert "Tue 05:01  50" in out
    assert f"{50 * 61 / 60:.3g} gCO2eq spent" in out


def test_a_command_runs_in_green_hours_only(trace, tmp_path):
    # An hour lasts half a second, and every third is green.
    words = flags(trace, **{"hour-seconds": 0.5, "work": "2h", "deadline": "20h", "plot": tmp_path / "run.png"})
    done = subprocess.run(jcenas(*words, *toy(tmp_path)), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 3
    assert done.stdout == ""
    assert steps(tmp_path) == list(range(1, 31))
    assert "pauses, until Tue 05:0" in done.stderr
    assert "goes on" in done.stderr
    assert "ended with code 3" in done.stderr
    assert "saved against starting at once" in done.stderr
    assert (tmp_path / "run.png").exists()


def test_a_command_saves_and_is_started_again(trace, tmp_path):
    words = flags(trace, **{"hour-seconds": 0.5, "work": "2h", "deadline": "20h", "pause-signal": "SIGUSR1"})
    done = subprocess.run(jcenas(*words, *toy(tmp_path)), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 3
    assert steps(tmp_path) == list(range(1, 31))
    assert (tmp_path / "log").read_text().count("pid") >= 2


def test_quiet_says_nothing(trace, tmp_path):
    words = flags(trace, **{"hour-seconds": 0.1, "work": "1h", "deadline": "5h"})
    done = subprocess.run(
        jcenas(*words, "--quiet", "--", "echo", "hello"), capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 7), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_a_signal_ends_a_paused_command(trace, tmp_path, number, code):
    words = flags(trace, **{"hour-seconds": 3, "work": "2h", "deadline": "40h", "start": "2024-01-02T02:00Z"})
    command = jcenas(*words, *toy(tmp_path, count=100_000))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("pauses" in line for line in process.stderr)
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(timeout=120) == code
    assert f"ended with code {code}" in rest
    pid = int((tmp_path / "log").read_text().split()[1])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_signal_before_the_start_starts_nothing(trace, tmp_path):
    words = flags(trace, **{"hour-seconds": 60, "work": "1h", "deadline": "20h"})
    with subprocess.Popen(jcenas(*words, *toy(tmp_path)), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "waits" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert "before the command was started" in process.stderr.read()
        assert process.wait(timeout=120) == 130
    assert not (tmp_path / "log").exists()

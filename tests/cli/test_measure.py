"""`jcenas measure` as a user starts it."""

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jcenas.cli.main import command_of
from jcenas.cli.measure import Measure
from jcenas.live.measure.run import Measured

ROWS = tuple({"genome": f"0 {i}", "seed": "0", "validation_error": "5"} for i in range(8))


def test_flags_reach_the_settings():
    command = command_of(["measure", "--problem", "nasbench101", "--cells", "9", "--looks", "4", "6", "--depth", "2"])
    assert isinstance(command, Measure)
    assert (command.config.problem, command.config.cells, command.config.looks) == ("nasbench101", 9, (4, 6))
    assert (command.config.depth, command.config.path) == (2, Path("nasbench101-digits.csv"))


@pytest.mark.parametrize(("cells", "code"), [(20, 0), (4, 130)])
def test_what_is_printed(cells, code, monkeypatch, capsys):
    done = Measured(Path("my table.csv"), cells=cells, wanted=20, rows=ROWS, failed=1)
    monkeypatch.setattr("jcenas.live.measure.run.measure", lambda config, **named: done)
    assert command_of(["measure"]).run() == code
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == f"my table.csv: {cells} of 20 cells, 8 rows, 1 of them diverged"
    if code:
        assert said.err == "interrupted; the same command goes on\n"
        return
    assert said.out.splitlines()[1:] == [
        "my table.json says what each column is",
        "search it with: jcenas simulate --table 'my table.csv' --genome genome --error validation_error --cost params "
        "--seconds train_seconds",
    ]


@pytest.mark.study
def test_killed_and_given_again_it_prints_a_command_that_works(tmp_path):
    small = "--problem nasbench101 --cells 6 --channels 2 --epochs 2 --batch-size 256 --devices 1"
    command = [sys.executable, "-m", "jcenas.cli", "measure", *small.split()]
    table = tmp_path / "nasbench101-digits.csv"
    process = subprocess.Popen(command, cwd=tmp_path)
    end = time.monotonic() + 240
    while time.monotonic() < end and process.poll() is None and not (table.exists() and len(lines(table)) > 2):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = lines(table)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(lines(table)) == 7
    assert set(before) <= set(lines(table))
    following = done.stdout.splitlines()[-1].removeprefix("search it with: ")
    words = shlex.split(following)
    assert words[0] == "jcenas"
    found = subprocess.run(
        [sys.executable, "-m", "jcenas.cli", *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "6 architectures" in found.stdout


def lines(table):
    """The whole lines of a table."""
    text = table.read_text() if table.exists() else ""
    return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]

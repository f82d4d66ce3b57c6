import functools
import re
import subprocess
import sys
import time

import pytest

from jcenas import cli
from jcenas.errors import InputError
from jcenas.live.config import SearchConfig


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["jcenas", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code


def test_search_without_flags_is_the_default_configuration():
    command = cli.parse(["search"])
    assert isinstance(command, functools.partial)
    assert command.args[0] == SearchConfig()


def test_flags_reach_the_configuration():
    command = cli.parse(["search", "--hours", "7", "--policy", "static:0.5", "--power.pue", "1.2", "--quiet"])
    config, _, report, quiet, json = command.args
    assert (config.hours, config.policy, config.power.pue) == (7, "static:0.5", 1.2)
    assert (report, quiet, json) == (True, True, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "--hours", "0"], "--hours 0: must be at least 1"),
        (["search", "--dataset", "svhn"], "unknown data set 'svhn'; the data sets are digits"),
        (["search", "--power.pue", "0.5"], "pue is 0.5"),
        (["search", "--polcy", "x"], "Unrecognized options: --polcy, x Did you mean --policy"),
        (["search", "--hours", "many"], "invalid value|many"),
        (["serch"], "search"),
        ([], "Expected one of {search, report, trace"),
        (["search", "--policy", "guess"], "unknown policy 'guess'.*the policies are heuristic"),
        (["search", "--zone", "XX"], "unknown zone 'XX'"),
        (["search", "--trace", "none.csv"], r"none\.csv"),
        (["search", "--resume", "nowhere"], "nowhere is no run folder"),
        (["report", "nowhere"], "nowhere"),
        (["trace", "none.csv"], r"none\.csv"),
        (["data", "import", "x"], "needs a NAME and a PATH"),
        (["data", "fetch"], "jcenas data fetch needs a NAME"),
        (["data", "fetch", "hw_nb201", "--from", "ftp://x"], "is no mirror"),
        (["data", "import", "x", "y"], "no data file is called 'x'"),
    ],
)
def test_bad_input_is_one_line_and_code_2(arguments, message, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.search(message, said.err)
    assert said.err.startswith("jcenas: ")
    assert said.err.count("\n") == 1
    assert not any(character in said.err for character in "│╭╰─")
    assert not list(tmp_path.iterdir())


def test_a_missing_data_set_names_the_remedy(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JCENAS_DATA", str(tmp_path / "nothing"))
    assert run(monkeypatch, "search", "--dataset", "flowers") == 2
    assert "jcenas data import images/flowers17_16x16_uint8.npz PATH" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_trace_shows_a_file(monkeypatch, capsys, tmp_path):
    path = tmp_path / "grid.csv"
    path.write_text("time_utc,intensity_g_per_kwh\n2024-01-01T00:00Z,100\n2024-01-01T01:00Z,300\n")
    assert run(monkeypatch, "trace", str(path)) == 0
    out = capsys.readouterr().out
    assert "2024-01-01 00:00 .. 2024-01-01 02:00" in out
    assert "200.0 (from 100.0 to 300.0" in out


def test_data_list_and_zones(monkeypatch, capsys):
    assert run(monkeypatch, "data", "list") == 0
    assert "images/mnist_5k_uint8.npz" in capsys.readouterr().out
    assert run(monkeypatch, "trace", "--zones") == 0
    assert "US-CAL-CISO" in capsys.readouterr().out


def test_help_is_quick():
    def seconds():
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "jcenas.cli", "--help"], check=True, capture_output=True)
        return time.perf_counter() - began

    assert min(seconds() for _ in range(3)) < 2.0  # 0.2 s on a quiet machine; importing JAX alone takes longer than 1 s


def test_wrong_arguments_raise_before_any_command_runs():
    with pytest.raises(InputError):
        cli.parse(["search", "--hours", "0"])

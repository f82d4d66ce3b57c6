import os
import re
import subprocess
import sys
import time

import pytest

from jcenas.cli.main import COMMANDS, _one_line, command_of, main
from jcenas.cli.search import Search
from jcenas.errors import InputError
from jcenas.live.config import SearchConfig


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["jcenas", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code


def test_search_without_flags_is_the_default_configuration():
    assert command_of(["search"]) == Search(config=SearchConfig())


def test_flags_reach_the_configuration():
    command = command_of(["search", "--hours", "7", "--policy", "static:0.5", "--power.pue", "1.2", "--quiet"])
    assert command == Search(config=command.config, quiet=True)
    assert (command.config.hours, command.config.policy, command.config.power.pue) == (7, "static:0.5", 1.2)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, monkeypatch, capsys):
    assert run(monkeypatch, name, "--help") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: jcenas {name}")
    assert " ".join(COMMANDS[name].__doc__.splitlines()[0].split()[:3]) in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "--hours", "0"], "--hours 0: must be at least 1"),
        (
            ["search", "--images", "svhn"],
            "--images svhn: no such file or folder, and unknown data set 'svhn'; the data sets are digits",
        ),
        (["search", "--power.pue", "0.5"], "pue is 0.5"),
        (["search", "--polcy", "x"], "Unrecognized options: --polcy, x Did you mean --policy"),
        (["search", "--hours", "many"], "invalid value|many"),
        (["serch"], "search"),
        ([], "Expected one of {search, report, trace"),
        (["search", "--policy", "guess"], "unknown policy 'guess'.*the policies are heuristic"),
        (["search", "--zone", "XX"], "unknown zone 'XX'"),
        (["search", "--trace", "none.csv"], r"none\.csv"),
        (["search", "--resume", "nowhere"], "nowhere is no run folder"),
        (["search", "--resume", "nowhere", "--channels", "3"], "--channels cannot change in a run that has begun"),
        (["search", "--resume", "nowhere", "--power.pue=1.2"], "--power cannot change in a run that has begun"),
        (["search", "--resume", "nowhere", "--hours", "48"], "nowhere is no run folder"),
        (["search", "--resume", "nowhere", "--provider", "gb"], "--provider cannot change in a run that has begun"),
        (["search", "--resume=nowhere", "--cost", "measured-energy"], "--cost cannot change in a run that has begun"),
        (["report", "nowhere"], "nowhere"),
        (["trace", "none.csv"], r"none\.csv"),
        (["search", "--hours", "3", "--hours=4"], "--hours is given 2 times; give it once"),
        (["search", "--batch-size", "3", "--batch_size", "4"], "--batch-size is given 2 times"),
        (["simulate", "--quiet", "--quiet"], "--quiet is given 2 times"),
        (["report", "a", "b"], "b"),
        (["trace", "--zones", "grid.csv"], r"reads no file; leave grid\.csv out"),
        (["data", "list", "extra"], "takes nothing more; leave 'extra' out"),
        (["data", "list", "--from", "http://x"], "--from is for jcenas data fetch"),
        (["data", "fetch", "x", "y"], "no path; leave 'y' out"),
        (["ecnas", "front", "0100:input,output"], "takes no cell"),
        (["ecnas", "query"], "needs a CELL"),
        (["list", "optimiser"], "unknown kind 'optimiser'; did you mean 'optimizer'"),
        (["list", "optimizer", "lamoo"], "lamoo"),
        (["search", "--optimizer", "lammo"], "unknown optimizer 'lammo'; did you mean 'lamoo'"),
        (["search", "--cost", "prams"], "did you mean 'params'"),
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


@pytest.mark.parametrize("rule", ["─", "-"])  # the parser's own, and what it writes where there is only ASCII
def test_a_message_does_not_repeat_the_title_of_its_box(rule):
    line = f" {rule * 30} \n"
    box = f" Unrecognized options \n{line}  Unrecognized options: policy \n{line}  For full helptext, run x"
    assert _one_line(box) == "Unrecognized options: policy; see x"


def test_a_missing_data_set_names_the_remedy(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JCENAS_DATA", str(tmp_path / "nothing"))
    assert run(monkeypatch, "search", "--images", "flowers") == 2
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
        command_of(["search", "--hours", "0"])


SIMULATE = "simulate --table toy --seeds 1 --hours 2 --devices 2 --optimizer random --stage none --quiet"


@pytest.mark.parametrize("how", ["stdin", "file"])
def test_a_command_called_from_a_script_leaves_its_process_alone(how, compiled_soon, tmp_path):
    script = (
        f"print('before')\nfrom jcenas import cli\nprint('code', cli.parse({SIMULATE.split()!r})())\nprint('after')\n"
    )
    file = tmp_path / "script.py"
    file.write_text(script)
    environment = {name: value for name, value in compiled_soon.items() if name != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, *(["-"] if how == "stdin" else [str(file)])],
        input=script if how == "stdin" else None,
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert (lines[0], lines[-2], lines[-1]) == ("before", "code 0", "after"), done.stdout + done.stderr
    assert lines.count("before") == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's settings")
@pytest.mark.parametrize("arguments", [["-m", "jcenas.cli", "{}"], ["{script}", "{}"], ["other.py", "{}"]])
def test_only_the_console_entry_point_begins_anew(arguments, tmp_path):
    # Python's start-up file replaces `execve` by a print, so that nothing is replaced.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\ndef execve(path, words, settings):\n"
        "    print('anew', 'hugetlb' in settings['GLIBC_TUNABLES']); sys.stdout.flush(); os._exit(0)\n"
        "os.execve = execve\n"
    )
    body = "from jcenas.cli.main import main\nif __name__ == '__main__':\n    main()\n"
    for name in ("jcenas", "other.py"):
        (tmp_path / name).write_text(body)
    words = [tmp_path / "jcenas" if word == "{script}" else word for word in arguments[:-1]]
    environment = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    # A policy file that is missing ends `simulate` as soon as it is parsed; a damaged one later.
    (tmp_path / "bad.npz").write_text("no archive")
    command = [sys.executable, *words, *SIMULATE.split(), "--policy", "bad.npz"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    if words == ["other.py"]:
        assert (done.stdout, done.returncode) == ("", 2), done.stderr
        assert "bad.npz is no policy file" in done.stderr
    else:
        assert (done.stdout, done.returncode) == ("anew True\n", 0), done.stderr

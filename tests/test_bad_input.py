"""Bad input to every command: each case ends in one clear line, or is taken; never in a traceback, never stuck.

The cases are made from the commands' own dataclasses: every flag with values of the wrong kind, at the ends of its
range and beyond, absent, repeated, and, where it takes a file, with every wrong kind of file. What a command computes
once its input is checked is replaced by a stop.
"""

import contextlib
import dataclasses
import gzip
import io
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import typing
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from jcenas.carbon.trace_file import read_trace
from jcenas.cli import main
from jcenas.engine.grid import GridHours
from jcenas.errors import InputError
from jcenas.live import run_folder, trace_files
from jcenas.live.config import SearchConfig
from jcenas.live.database import RunDatabase

LIMIT_S = 60  # on the wall: other programs may take most of the machine
EVERY = bool(os.environ.get("JCENAS_EVERY_CASE"))  # all values of all flags, about 1500 cases, instead of a few of each
WORDS = ["", "x", "0", "-1", "1e999", "nan", "99999999999999999999", "☃", "a\nb", "\x1b[31m", "x" * 5000, "\udcff"]
NUMBERS = ["", "x", "0", "-1", "1.5", "nan", "-inf", "1e999", "99999999999999999999", "-99999999999999999999"]
TIMES = ["0001-01-01T00:00Z", "9999-12-31T23:00Z", "9999-12-31T23:59:59-23:59", "2023-06-01", "2023-13-01T00:00Z"]
BEGIN = {  # what a command must be told beside the flag in question
    "search": [],
    "report": ["run"],
    "trace": [],
    "forecast": ["--trace", "good.csv"],
    "data": ["list"],
    "measure": ["--cells", "2", "--quiet"],
    "simulate": ["--table", "toy", "--seeds", "1", "--quiet"],
    "train-policy": ["--quiet"],
    "ecnas": ["search"],
    "list": [],
    "run": ["--work", "3h", "--deadline", "24h", "--dry-run"],
}


class Reached(InputError):
    """All input was taken; what follows computes."""


class StuckError(BaseException):
    """A case did not end."""


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag or a positional word of a command."""

    name: str
    kind: Any
    positional: bool

    @property
    def is_path(self) -> bool:
        return pathlib.Path in (self.kind, *typing.get_args(self.kind)) or self.name in {"--policy", "--images"}


def flags_of(command: type, prefix: str = "--") -> Iterator[Flag]:
    """Every flag that the fields of a command make, those of the dataclasses in it included."""
    hints = typing.get_type_hints(command, include_extras=True)
    for field in dataclasses.fields(command):
        kind, name = hints[field.name], f"{prefix}{field.name.replace('_', '-')}"
        marks = typing.get_args(kind)[1:] if typing.get_origin(kind) is typing.Annotated else ()
        kind = typing.get_args(kind)[0] if marks else kind
        named = next((mark.name for mark in marks if getattr(mark, "name", None) is not None), None)
        if any("Suppress" in repr(mark) for mark in marks):
            continue
        if dataclasses.is_dataclass(kind):
            yield from flags_of(typing.cast(type, kind), "--" if named == "" else f"{name}.")
        else:
            yield Flag(f"--{named}" if named else name, kind, any("POSITIONAL" in repr(mark).upper() for mark in marks))


FLAGS = {name: list(flags_of(command)) for name, command in main.COMMANDS.items()}


def values_of(flag: Flag) -> list[str]:
    if flag.is_path:
        return ["", "none/there", "x" * 300, "/" + "x/" * 3000, "a\nb.csv", "\x1b[31m.npz", "☃", "\udcff"]
    if flag.name in {"--start", "--origin"}:
        return [*TIMES, *WORDS[:3], "99999999999999999999-01-01T00:00Z"]
    kinds = {flag.kind, *typing.get_args(flag.kind)}
    return NUMBERS if kinds & {int, float} else WORDS


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with one file of every kind, good ones too, and a run folder."""
    folder = tmp_path_factory.mktemp("files")
    good = "time_utc,intensity_g_per_kwh\n" + "".join(
        f"2024-01-{1 + hour // 24:02}T{hour % 24:02}:00Z,{100 + hour % 24}\n" for hour in range(240)
    )
    (folder / "good.csv").write_text(good)
    (folder / "empty").write_bytes(b"")
    (folder / "noise").write_bytes(np.random.default_rng(0).bytes(5000))
    (folder / "half.npz").write_bytes(b"PK\x03\x04" + b"\0" * 40)
    np.savez(folder / "other.npz", a=np.arange(3))
    whole = (folder / "other.npz").read_bytes()
    (folder / "cut.npz").write_bytes(whole[: len(whole) // 2])
    np.savez(folder / "pickled.npz", x=np.array([{}], object), discrete=np.array([None]))
    np.savez(folder / "policy.npz", discrete=True, mean=np.zeros(3), variance=np.ones(3))
    (folder / "text.npz").write_text("no archive")
    with (
        zipfile.ZipFile(folder / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("mean.npy", "w") as out,
    ):
        np.lib.format.write_array_header_1_0(out, {"descr": "<f4", "fortran_order": False, "shape": (1 << 38,)})
        out.write(b"\0" * (1 << 20))
    (folder / "bomb.csv").write_bytes(gzip.compress(b"\0" * (160 << 20), 1))
    (folder / "utf16.csv").write_text(good, encoding="utf-16")
    (folder / "latin.csv").write_bytes("zeit,intensität\n".encode("latin-1"))
    (folder / "wide.csv").write_text("a" * 3_000_000)
    (folder / "two.csv").write_text(good.replace("intensity_g_per_kwh", "intensity_g_per_kwh\n\n\0"))
    (folder / "list.json").write_text("[" * 100_000)
    sqlite3.connect(folder / "other.db").execute("CREATE TABLE a(b)").connection.close()
    (folder / "folder").mkdir()
    (folder / "folder.npz").mkdir()
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "pipe.npz")
    os.mkfifo(folder / "pipe.csv")
    (folder / "round").symlink_to("round")
    make_run(folder / "run", folder / "good.csv")
    return folder


FILES = [
    *("empty", "noise", "half.npz", "other.npz", "cut.npz", "pickled.npz", "policy.npz", "text.npz", "bomb.npz"),
    *("bomb.csv", "utf16.csv", "latin.csv", "wide.csv", "two.csv", "list.json", "other.db", "folder", "folder.npz"),
    *("pipe", "pipe.npz", "pipe.csv", "round", "good.csv", "run", "/dev/zero", "/dev/full"),
]


def make_run(path: pathlib.Path, trace: pathlib.Path) -> None:
    """The folder of a run that has just begun."""
    grid = GridHours(read_trace(trace), np.zeros(0), 111.5)
    config = SearchConfig(name=path.name, runs=path.parent, trace=trace)

    def fill(part):
        trace_files.keep(grid, part)
        database = RunDatabase(part / "run.db", create=True)
        known = {
            "reference": [0.1, 1e6],
            "seconds_at": [1.0, 0.0],
            "supernet_s": 0.0,
            "room": 64,
            "cost_name": "params",
        }
        for name, value in (known | {"cost_unit": ""}).items():
            database.set_meta(name, value)
        database.close()

    run_folder.create(
        path,
        config,
        devices=["cpu"],
        trace=trace_files.describe(grid),
        about={"images": {"source": "digits"}},
        fill=fill,
    ).close()


@pytest.fixture
def stopped(monkeypatch, place, tmp_path):
    """Commands end where they would begin to compute, in a folder of their own with the files."""

    def reached(*arguments, **named):
        raise Reached("all input was taken")

    for name in (
        "jcenas.live.prepare.prepare",
        "jcenas.live.measure.run.make_trainers",
        "jcenas.sim.run.make_search",
        "jcenas.sim.train_policy.measure_accountings",
        "jcenas.carbon.forecast.command.forecast_trace",
        "jcenas.carbon.forecast.command.train_on_trace",
        "jcenas.tables.ecnas.text.make_search",
        "jcenas.live.greener.terminal.ForecastProcess",
    ):
        monkeypatch.setattr(name, reached)
    monkeypatch.setattr("jcenas.report.page.save_png", lambda *arguments: None)  # drawing takes most of the time
    monkeypatch.setattr("jcenas.report.page.inline_svg", lambda *arguments: "")
    monkeypatch.chdir(place)
    monkeypatch.setenv("JCENAS_MIRROR", "")
    monkeypatch.setattr(socket.socket, "connect", reached)


def outcome(arguments: list[str]) -> str:
    """What is wrong with how a command ended; empty where nothing is."""

    def stuck(number, frame):
        raise StuckError

    out, err = io.StringIO(), io.StringIO()
    before = signal.signal(signal.SIGALRM, stuck)
    signal.alarm(LIMIT_S)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main._run(arguments, huge_pages=False)
    except StuckError:
        return f"stuck for {LIMIT_S} s"
    except BaseException as error:
        return f"{type(error).__name__}: {str(error)[:300]}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    said = err.getvalue()
    if code == 0:
        return ""
    if code != main.EXIT_BAD_INPUT:
        return f"exit code {code}"
    lines = said.splitlines()
    if not lines or len(lines) > 1 + said.count("compiling for"):
        return f"{len(lines)} lines: {said[:300]!r}"
    if len(said) > 1200:
        return f"{len(said)} characters: {said[:200]!r}"
    if any(ord(letter) < 32 for letter in said.rstrip("\n")):
        return f"control characters: {said[:300]!r}"
    return ""


def test_what_is_never_taken(stopped):
    """Words that could be taken for something else, and were."""
    refused = [
        ["search", "--policy", "oracle"],
        ["search", "--zone", "DE", "--trace", "good.csv"],
        ["simulate", "--table", "toy", "--zone", "DE", "--trace", "good.csv"],
        ["forecast", "--zone", "DE", "--trace", "good.csv"],
        ["trace", "good.csv", "--zone", "DE"],
        ["data", "list", "extra"],
        ["report", "run", "extra"],
        ["list", "optimizer", "extra"],
        ["search", "--hours", "3", "--hours", "3"],
        *([name, *BEGIN[name], "--seed=-1"] for name in BEGIN if any(flag.name == "--seed" for flag in FLAGS[name])),
        ["search", "--start", "9999-12-31T23:00Z"],
        ["search", "--start", "0001-01-01T00:00Z"],
        ["search", "--provider", "typical-year", "--start", "9999-12-31T23:00Z"],
        ["search", "--provider", "typical-year", "--start", "0001-01-01T00:00Z"],
        ["simulate", "--table", "toy", "--start", "9999-12-31T23:00Z"],
    ]
    for arguments in refused:
        with pytest.raises(InputError) as said:
            main.command_of(arguments).run()
        assert not isinstance(said.value, Reached), arguments


def config_with(**changes: Any):
    def change(folder: pathlib.Path) -> None:
        record = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(record | {"config": record["config"] | changes}))

    return change


def record_with(**changes: Any):
    def change(folder: pathlib.Path) -> None:
        record = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(record | changes))

    return change


def content_of(name: str, content: bytes):
    def change(folder: pathlib.Path) -> None:
        (folder / name).write_bytes(content)

    return change


def replaced_by(name: str, make):
    def change(folder: pathlib.Path) -> None:
        (folder / name).unlink(missing_ok=True)
        make(folder / name)

    return change


def meta_with(key: str, text: str | None):
    def change(folder: pathlib.Path) -> None:
        with contextlib.closing(sqlite3.connect(folder / "run.db")) as database, database:
            database.execute("INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)", (key, text))

    return change


DAMAGES = [
    *(meta_with(key, text) for key in ("status", "costs", "changes", "room") for text in ("{", "", None)),
    meta_with("costs", "7"),
    *(content_of("config.json", content) for content in (b"", b"{", b"[]", b"null", b"7", b"{}", b"\xff\xfe\x00")),
    content_of("config.json", b"[" * 100_000),
    content_of("config.json", b'{"config": {}, "versions": {"jcenas": "0.2.0"}}'),
    content_of("config.json", b" " * (8 << 20)),
    *(config_with(hours=value) for value in (-1, "x", None, 1.5, 10**30, [1])),
    *(config_with(**{name: 7}) for name in ("power", "trace", "images", "problem", "policy", "zone", "stage", "runs")),
    *(config_with(**{name: None}) for name in ("power", "runs", "images", "seed", "optimizer", "channels")),
    config_with(power={"pue": "x"}),
    config_with(start="9999-12-31T23:00Z", hour_seconds="long"),
    config_with(problem="x\ny\x1b"),
    *(record_with(versions=value) for value in (None, [], "1", {"jcenas": 7})),
    *(record_with(trace=value) for value in (None, [], {}, {"step_seconds": "x"})),
    record_with(images=7),
    record_with(devices=7, created_utc=7),
    *(content_of("run.db", content) for content in (b"", b"noise" * 1000, b"SQLite format 3\0" + b"\0" * 4000)),
    *(content_of("trace.csv", content) for content in (b"", b"noise", b"a,b\n1,2\n", b"\xff" * 100)),
    *(replaced_by(name, os.mkfifo) for name in ("config.json", "run.db", "trace.csv", "history.csv")),
    *(replaced_by(name, os.mkdir) for name in ("config.json", "run.db", "trace.csv", "history.csv", ".lock")),
    *(replaced_by(name, lambda path: path.symlink_to("/dev/zero")) for name in ("config.json", "run.db", "trace.csv")),
    *(replaced_by(name, lambda path: None) for name in ("config.json", "run.db", "trace.csv")),
]


def test_damaged_run_folders(stopped, place, tmp_path):
    cases = []
    for number, damage in enumerate(DAMAGES):
        folder = tmp_path / str(number)
        shutil.copytree(place / "run", folder)
        damage(folder)
        cases += [["search", "--resume", str(folder)], ["report", str(folder)]]
    check(cases)


def test_a_run_whose_write_ahead_log_is_lost_is_not_done_again(stopped, place, tmp_path):
    shutil.copytree(place / "run", tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "candidate-3").mkdir()
    with pytest.raises(InputError, match=r"candidate-3 is of a candidate that run\.db does not know"):
        main.command_of(["search", "--resume", str(tmp_path / "run")]).run()


def check(cases: list[list[str]]) -> None:
    """Run all cases, and show all that end badly."""
    bad = []
    for arguments in cases:
        if found := outcome(arguments):
            bad.append(f"{[word[:60] for word in arguments]}: {found}")
    assert not bad, f"{len(bad)} of {len(cases)}:\n" + "\n".join(bad)


@pytest.mark.parametrize("command", FLAGS)
def test_values_of_flags(command, stopped):
    cases = []
    for at, flag in enumerate(FLAGS[command]):
        begin = [word for word in BEGIN[command] if not flag.positional]
        if flag.name in begin:
            place = begin.index(flag.name)
            begin = begin[:place] + begin[place + 2 :]
        name = [] if flag.positional else [flag.name]
        if flag.kind is bool:
            cases.append([command, *begin, flag.name, flag.name])
            cases.append([command, *begin, f"{flag.name}=perhaps"])
            continue
        values = values_of(flag)
        few = [values[(at * 5 + number) % len(values)] for number in (0, 2, 3)]
        for value in values if EVERY else few:
            if flag.positional or not value.startswith("-"):
                cases.append([command, *begin, *name, value])
            else:
                cases.append([command, *begin, f"{flag.name}={value}"])
        if not flag.positional:
            cases.append([command, *begin, flag.name])
            if EVERY:
                cases.append([command, *begin, flag.name, "1", flag.name, "1"])
    cases += [[command, *BEGIN[command], "word left over", "\x1b"], [command, *BEGIN[command], "--no-such-flag", "1"]]
    check(cases)


@pytest.mark.parametrize("command", [name for name, flags in FLAGS.items() if any(flag.is_path for flag in flags)])
def test_files_of_every_wrong_kind(command, stopped, place):
    cases = []
    for flag in FLAGS[command]:
        if flag.is_path and flag.name not in {"--plot", "--out", "--runs"}:
            for file in FILES:
                begin = [] if flag.positional or flag.name in BEGIN[command] else BEGIN[command]
                begin = ["import", "tables/none"] if command == "data" else begin
                cases.append([command, *begin, *([] if flag.positional else [flag.name]), file])
    check(cases)

"""Searches in real time that ask a service on this machine for their grid, from the first request to the report."""

import datetime
import json
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.parse

import pytest

from jcenas import InputError, Problem, search
from jcenas.carbon.providers.electricity_maps import ElectricityMaps
from jcenas.carbon.providers.http_client import HttpClient
from jcenas.cli.main import command_of
from jcenas.live import prepare
from jcenas.live.progress import Quiet
from jcenas.live.summary_text import summary_lines
from jcenas.report import write_report

KEY = "s3cret-k3y-of-mine"
HOUR = datetime.timedelta(hours=1)
SETTINGS = {"name": "run", "optimizer": "random", "stage": "none", "policy": "evaluate-all", "hours": 3, "devices": 1}
SETTINGS |= {"hour_seconds": 3600.0, "proposals": 16, "provider": "electricity-maps", "zone": "DE"}


def level(when):
    """What the service says of an hour, g/kWh."""
    return 100.0 + when.hour


class Grid:
    """What the service answers now; may be changed while it runs."""

    def __init__(self, answer):
        self.answer, self.status, self.zones = answer, 200, ("DE",)

    def __call__(self, path):
        address = urllib.parse.urlsplit(path)
        query = dict(urllib.parse.parse_qsl(address.query))
        if self.status != 200:
            return self.answer({"error": "no"}, self.status)
        if query["zone"] not in self.zones:
            return self.answer({"error": "unknown zone"}, 404)
        now = datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0)
        if address.path.endswith("forecast"):
            field, start, end = "forecast", now, now + 24 * HOUR
        else:
            field, (start, end) = "data", (datetime.datetime.fromisoformat(query[name]) for name in ("start", "end"))
        hours = [start + i * HOUR for i in range((end - start) // HOUR)]
        rows = [{"datetime": t.isoformat(), "carbonIntensity": level(t), "isEstimated": t == now} for t in hours]
        return self.answer({"zone": query["zone"], field: rows})


@pytest.fixture
def grid(service, answer, monkeypatch, tmp_path):
    """The service behind the name electricity-maps; nothing is cached, and nobody waits long."""
    monkeypatch.setenv("ELECTRICITY_MAPS_TOKEN", KEY)
    monkeypatch.setitem(ElectricityMaps.__init__.__kwdefaults__, "base", service.url)
    monkeypatch.setitem(HttpClient.__init__.__kwdefaults__, "cache", None)  # a factory stood there
    for name, value in {"backoff_s": 0.01, "timeout_s": 2.0}.items():
        monkeypatch.setitem(HttpClient.__init__.__kwdefaults__, name, value)
    service.respond = Grid(answer)
    return service.respond


@pytest.fixture
def problem(monkeypatch):
    monkeypatch.syspath_prepend(str(pathlib.Path(__file__).parent))
    monkeypatch.setattr(prepare, "MOST_ROOM", 64)
    import toy_functions

    return Problem.from_function(toy_functions.SPACE, toy_functions.evaluate, costs={"cost": toy_functions.cost})


class Said(Quiet):
    def __init__(self):
        self.lines = []

    def log(self, message, **fields):
        self.lines.append(message)


def rows_of(folder, query):
    with sqlite3.connect(folder / "run.db") as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(query)]


@pytest.mark.slow  # worker processes start, and the engine is compiled
def test_a_search_in_real_time_asks_charges_reports_and_goes_on(grid, service, problem, tmp_path, capfd):
    said = Said()
    result = search(problem=problem, runs=tmp_path, evaluations=3, observer=said, forecast="persistence", **SETTINGS)
    folder = result.folder
    first, *_ = asked = rows_of(folder, "SELECT * FROM grid ORDER BY hour")
    when = datetime.datetime.fromisoformat(first["time_utc"])
    assert (first["source"], first["kind"], first["factors"]) == ("electricity-maps", "average", "life-cycle")
    assert (first["intensity_g_per_kwh"], first["estimated"]) == (level(when), 1)
    spent = rows_of(folder, "SELECT SUM(emissions_g) AS g, SUM(energy_kwh) AS kwh FROM intervals WHERE end_hour <= 1")[
        0
    ]
    assert spent["g"] / spent["kwh"] == pytest.approx(level(when))
    assert min(row["start_hour"] for row in rows_of(folder, "SELECT start_hour FROM intervals")) > 0  # it is not :00
    record = json.loads((folder / "config.json").read_text())
    assert record["trace"]["start_utc"].startswith(first["time_utc"][:13])
    assert (folder / "history.csv").read_text().count("\n") == 169
    assert not (folder / "trace.csv").exists()
    text = "\n".join(summary_lines(result, None))
    assert f"grid: {len(asked)} h by electricity-maps (average, life-cycle; {len(asked)} of them estimated)" in text
    assert "carbon intensity: " in text
    page = write_report(folder).read_text()
    assert "The grid, asked hour by hour" in page
    assert "grid: DE by electricity-maps, estimated: average intensity, life-cycle factors" in said.lines
    # It goes on while the service is down: this hour is known, and the user is told.
    grid.status, before = 503, len(asked)
    again = search(problem=problem, resume=folder, changes={"evaluations": 5}, observer=said)
    assert (again.status, again.summary["evaluations"]) == ("finished", 5)
    assert any("gives no past hours now" in line and "HTTP 503" in line for line in said.lines)
    kept = rows_of(folder, "SELECT * FROM grid ORDER BY hour")
    assert kept[:before] == asked
    assert {row["source"] for row in kept[before:]} <= {"held"}  # an hour that began meanwhile
    hours = rows_of(folder, "SELECT SUM(emissions_g) AS g FROM hours")[0]["g"]
    assert hours == pytest.approx(rows_of(folder, "SELECT SUM(emissions_g) AS g FROM intervals")[0]["g"])
    assert all(headers["Auth-Token"] == KEY for _, headers in service.requests)
    out = "".join(capfd.readouterr())
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in content for content in [*files, out.encode(), "".join(said.lines).encode()])


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import toy_functions
from jcenas import Problem, search
if __name__ == "__main__":
    problem = Problem.from_function(toy_functions.SPACE, toy_functions.in_steps, costs={"cost": toy_functions.cost})
    settings = {"optimizer": "random", "stage": "none", "policy": "evaluate-all", "hours": 60, "hour_seconds": 0.3}
    settings |= {"devices": 1, "proposals": 16, "provider": "typical-year", "forecast": "persistence", "name": "run"}
    search(problem=problem, evaluations=8, **settings)
"""


@pytest.mark.slow
def test_a_killed_run_reads_its_hours_back_and_goes_on_asking(tmp_path, problem, monkeypatch):
    toys = str(pathlib.Path(__file__).parent)
    (tmp_path / "program.py").write_text(PROGRAM)
    folder, known = tmp_path / "runs" / "run", "SELECT hour, intensity_g_per_kwh, source FROM grid ORDER BY hour"
    process = subprocess.Popen([sys.executable, "program.py", toys], cwd=tmp_path)
    end = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < end:
        if (folder / "run.db").exists() and len(rows_of(folder, known)) >= 4:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = rows_of(folder, known)
    assert len(before) >= 4
    charged = rows_of(folder, "SELECT * FROM intervals ORDER BY id")[:-1]  # the last may still have grown
    import toy_functions

    same = Problem.from_function(toy_functions.SPACE, toy_functions.in_steps, costs={"cost": toy_functions.cost})
    result = search(problem=same, resume=folder)
    assert (result.status, result.summary["stopped_by"]) == ("finished", "evaluations")
    after = rows_of(folder, known)
    assert after[: len(before)] == before
    assert [row["hour"] for row in after] == list(range(len(after)))
    assert len(after) > len(before)
    assert rows_of(folder, "SELECT * FROM intervals ORDER BY id")[: len(charged)] == charged
    by_hour = {row["hour"]: row["intensity_g_per_kwh"] for row in after}
    for row in rows_of(folder, "SELECT * FROM intervals WHERE energy_kwh > 0"):
        if int(row["start_hour"]) == int(row["end_hour"] - 1e-9) or row["start_hour"] == row["end_hour"]:
            hour = min(int(row["start_hour"]), len(after) - 1)
            assert row["emissions_g"] / row["energy_kwh"] == pytest.approx(by_hour[hour])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"status": 401},
            r"--provider electricity-maps: .*the key was refused \(HTTP 401 .*\); check it and its plan",
        ),
        ({"zones": ("FR",)}, "--provider electricity-maps: .*HTTP 404 .*; check zone and period; or leave"),
        (
            {"status": 500},
            "no carbon provider answered: electricity-maps: .*no answer after 4 tries .*; try again",
        ),
    ],
)
def test_what_is_wrong_at_the_start_is_one_line_and_nothing_is_written(grid, problem, tmp_path, change, message):
    vars(grid).update(change)
    with pytest.raises(InputError, match=message) as said:
        search(problem=problem, runs=tmp_path, evaluations=3, **SETTINGS)
    assert "\n" not in str(said.value)
    assert KEY not in str(said.value)
    assert list(tmp_path.iterdir()) == []


def test_without_a_key_the_variable_is_named(grid, problem, tmp_path, monkeypatch):
    monkeypatch.delenv("ELECTRICITY_MAPS_TOKEN")
    with pytest.raises(InputError, match="set the environment variable ELECTRICITY_MAPS_TOKEN; or leave electricity"):
        search(problem=problem, runs=tmp_path, **SETTINGS | {"provider": "electricity-maps,typical-year"})


def test_trace_records_what_a_service_has(grid, tmp_path, capsys):
    out = tmp_path / "de.csv"
    words = ["trace", "--provider", "electricity-maps", "--zone", "DE", "--days", "3", "--out", str(out)]
    assert command_of(words).run() == 0
    shown = capsys.readouterr().out
    assert str(out) in shown
    assert "72 of 3600 s, 3 days" in shown
    assert command_of(["trace", str(out)]).run() == 0
    assert "111.5" in capsys.readouterr().out  # mean of 100 to 123
    grid.status = 503
    words[2] = "electricity-maps,typical-year"
    assert command_of(words).run() == 0
    done = capsys.readouterr()
    assert done.err.startswith("jcenas: warning: carbon provider electricity-maps failed (")
    assert "typical year" in done.out
    with pytest.raises(InputError, match="--out needs --provider"):
        command_of(["trace", "--out", str(out)])
    with pytest.raises(InputError, match="jcenas trace --provider reads no file"):
        command_of(["trace", str(out), "--provider", "gb"])


def test_a_command_of_ones_own_follows_a_service(grid, service, capfd):
    words = ["run", "--provider", "electricity-maps", "--zone", "DE", "--forecast", "persistence"]
    command = command_of([*words, "--work", "3h", "--deadline", "3h", "--", "echo", "done"])
    now = datetime.datetime.now(datetime.UTC)
    assert command.run() == 0
    out, err = capfd.readouterr()
    assert out == "done\n"
    lines = [line.removeprefix("jcenas: ") for line in err.splitlines()]
    assert lines[0] == "grid: DE by electricity-maps, estimated: average intensity, life-cycle factors"
    assert lines[1].endswith(f"UTC, {level(now):.0f} g/kWh: needs the time that is left: it runs through")
    assert lines[-1] == "grid: 1 h by electricity-maps (average, life-cycle; 1 of them estimated)"
    asked = [urllib.parse.urlsplit(path).path for path, _ in service.requests]
    assert not any(path.endswith("forecast") for path in asked)
    # The plan alone: yesterday repeats, and its greenest hours are those after midnight.
    assert command_of([*words, "--work", "2h", "--deadline", "24h", "--dry-run"]).run() == 0
    out, err = capfd.readouterr()
    assert re.search(r" 00:\d\d", out)
    assert "by the day before repeated; the plan is made anew every hour" in out
    grid.status = 503
    for flags, message in (([], "no carbon provider answered: electricity-maps: "), (["--quiet"], "try again later")):
        with pytest.raises(InputError, match=message):
            command_of([*words, "--work", "2h", "--deadline", "24h", *flags, "--", "echo", "never"]).run()
    assert capfd.readouterr().out == ""
    assert KEY not in err + out


@pytest.mark.slow  # the forecaster is compiled
def test_forecast_shows_a_services_own_beside_ours(grid, capsys):
    assert command_of(["forecast", "--provider", "electricity-maps", "--zone", "DE"]).run() == 0
    lines = capsys.readouterr().out.splitlines()
    head = next(i for i, line in enumerate(lines) if line.startswith("UTC"))
    assert lines[head].split()[-1] == "electricity-maps"
    theirs = float(lines[head + 1].split()[-1])  # of the first six hours, each 100 and its hour of the day
    now = datetime.datetime.now(datetime.UTC).hour
    near = [sum(100 + (first + i) % 24 for i in range(6)) / 6 for first in (now, now - 1)]
    assert any(abs(theirs - value) <= 0.5 for value in near)
    assert len(lines[head + 16].split()) == len(lines[head + 1].split()) - 1  # it forecasts a day, we four
    with pytest.raises(InputError, match="--provider gb and --origin: leave one of them out"):
        command_of(["forecast", "--provider", "gb", "--origin", "2024-01-01T00:00Z"])

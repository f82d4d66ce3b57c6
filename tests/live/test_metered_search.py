"""Searches with a meter of the user's own that counts 100 W: charged, given up where it is gone, and as a cost."""

import pytest

from jcenas.carbon.power import PowerModel
from jcenas.errors import InputError
from jcenas.live import SearchConfig, prepare, programs, search
from jcenas.live.database import RunDatabase
from jcenas.live.metering import of_workers, open_metering
from jcenas.live.progress import Quiet
from jcenas.live.summary_text import summary_lines
from jcenas.problems.network import NetworkProblem
from jcenas.report import write_report

WATTS = 100.0
PLUG = f"""
import time

from jcenas.carbon.meters.meter import Counter


class Plug:
    name, measures = "plug", "whatever hangs on the plug"

    def open(self, devices):
        return [Counter("plug", tuple(range(len(devices))), updates_s=0.01)]

    def read(self, places):
        return [{WATTS} * time.monotonic()]

    def close(self):
        pass


make_meter = Plug
"""
SMALL = {"channels": 4, "epochs": 1, "batch_size": 128, "proposals": 8, "devices": 1, "optimizer": "random"}
SMALL |= {"stage": "none", "policy": "evaluate-all", "reference_error": 1.0, "hours": 40, "hour_seconds": 0.25}


class Listener(Quiet):
    def __init__(self):
        self.said = []

    def log(self, message, **fields):
        self.said.append(message)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(prepare, "MOST_ROOM", 64)
    monkeypatch.setattr(programs, "ENERGY_LEAST_S", 0.05)
    # Each network whose energy is measured is compiled, which takes most of the time.
    monkeypatch.setattr(NetworkProblem, "dearest", property(lambda self: (self.lightest,)))


@pytest.fixture
def plug(tmp_path):
    file = tmp_path / "plug.py"
    file.write_text(PLUG)
    return file


def config(folder, **options):
    return SearchConfig(**({"name": "run", "runs": folder / "runs"} | SMALL | options))


def intervals(folder):
    database = RunDatabase(folder / "run.db")
    rows = [dict(row) for row in database.rows("SELECT * FROM intervals ORDER BY id")]
    database.close()
    return rows


@pytest.mark.slow
def test_a_search_is_charged_what_its_meter_counts_and_goes_on_without_it(plug, tmp_path):
    listener, power = Listener(), PowerModel(training_w=300.0, pue=1.5)
    options = {"meter": str(plug), "cost": ("params", "measured-energy"), "power": power}
    result = search(config(tmp_path, evaluations=1, **options), observer=listener)
    assert "meter: plug, whatever hangs on the plug" in listener.said
    rows = intervals(result.folder)
    for row in rows:
        assert (row["measured_j"] is None) == (row["state"] == "idle")
        if row["measured_j"] is not None:
            assert row["energy_kwh"] == pytest.approx(1.5 * row["measured_j"] / 3.6e6)
            assert row["measured_j"] >= 0.9 * WATTS * row["seconds"]  # and what was drawn between two jobs
    purposes = {row["purpose"] for row in rows if row["measured_j"] is not None}
    assert purposes == {"compiling", "timing", "candidate", "inference-energy", "test"}
    joules = [sum(row[name] for row in rows if row["measured_j"]) for name in ("measured_j", "modelled_j", "seconds")]
    meter = result.summary["meter"]
    assert [meter[name] for name in ("measured_j", "modelled_j", "seconds")] == pytest.approx(joules)
    assert joules[0] < 10 * WATTS * joules[2]  # a machine with much else to do takes long between two jobs
    assert any("counted by plug" in line for line in summary_lines(result, None))
    assert "counted by plug" in write_report(result.folder).read_text()
    assert result.pareto["measured-energy"].between(WATTS * 1e-6, WATTS).all()  # of calls that take 1 µs to 1 s
    # the cost cannot be had without the meter
    plug.unlink()
    with pytest.raises(InputError, match=r"--cost measured-energy needs a meter: --meter .*plug\.py: no such file"):
        search(resume=result.folder, changes={"evaluations": 2})


@pytest.mark.slow
def test_a_run_whose_meter_is_gone_goes_on_with_the_model(plug, tmp_path):
    result = search(config(tmp_path, evaluations=1, meter=str(plug)))
    before, listener = intervals(result.folder), Listener()
    assert any(row["measured_j"] for row in before)
    plug.unlink()
    again = search(resume=result.folder, changes={"evaluations": 2}, observer=listener)
    assert [line for line in listener.said if "energy is modelled from here on" in line]
    after = intervals(result.folder)[len(before) :]
    assert after
    assert not any(row["measured_j"] for row in after)
    assert again.summary["meter"]["name"] == "plug"  # it counted what came before
    assert again.summary["energy_kwh"] == pytest.approx(sum(row["energy_kwh"] for row in before + after))


def test_what_cannot_be_measured_is_refused_or_said(plug):
    said = []
    devices = of_workers(["worker"] * 2)
    shared = SearchConfig(meter=str(plug), cost="measured-energy")
    with pytest.raises(InputError, match=r"needs a counter of its own for every device.*use --devices 1"):
        open_metering(shared, devices, said.append, goes_on=False)
    missing = SearchConfig(meter=str(plug.with_name("none.py")))
    with pytest.raises(InputError, match="no such file; name one of none, auto"):
        open_metering(missing, devices, said.append, goes_on=False)
    assert open_metering(missing, devices, said.append, goes_on=True).counters == ()
    assert open_metering(SearchConfig(), devices, said.append, goes_on=False).counters == ()
    assert said[0] == "meter: plug, whatever hangs on the plug"
    assert [line.endswith("energy is modelled from here on") for line in said[1:]] == [True]


def test_auto_falls_back_with_its_reasons(monkeypatch, tmp_path):
    monkeypatch.setattr("jcenas.carbon.meters.auto.NvmlMeter.open", refused("no GPU"))
    monkeypatch.setattr("jcenas.carbon.meters.auto.RaplMeter.open", refused("no RAPL"))
    said = []
    opened = open_metering(SearchConfig(meter="auto"), of_workers(["one"]), said.append, goes_on=False)
    assert (opened.counters, said) == ((), ["meter: no GPU; no RAPL; energy is modelled"])
    wanted = SearchConfig(meter="auto", cost="measured-energy")
    with pytest.raises(InputError, match="--cost measured-energy needs a meter: no GPU; no RAPL"):
        open_metering(wanted, of_workers(["one"]), said.append, goes_on=False)


def refused(reason):
    def open_(self, devices):
        raise InputError(reason)

    return open_

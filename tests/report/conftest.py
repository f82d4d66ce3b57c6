"""A run folder with hand-made numbers: six trace hours, two devices, five evaluations, of which one failed."""

import contextlib
import json
import sqlite3

import pytest

from jcenas.live.database import RunDatabase
from jcenas.report import write_report

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def cell(genome):
    a, b, c, d, e, f = (OPERATIONS[i] for i in genome)
    return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"


GENOMES = [
    [3, 3, 1, 3, 0, 3],
    [1, 2, 1, 0, 4, 1],
    [3, 2, 1, 1, 0, 4],
    [2, 2, 2, 2, 2, 2],
    [3, 3, 3, 3, 3, 3],
    [0, 1, 0, 1, 0, 0],
]
# Two devices, an hour of 10 device-seconds each; 0.1 kWh is 3.6e5 J: large numbers, easy sums. Compiling stands before
# the first hour, at 400 g/kWh, and the final test after the last, at its 100 g/kWh.
TABLES = {
    "hours": [
        (0, "2024-06-01T06:00:00Z", 400.0, 0.5, 1, 20.0, 0.0, 0.0, 0.0, 6.0, 0.22, 88.0, 0.0, 0, 0, 0),
        (1, "2024-06-01T07:00:00Z", 300.0, 0.25, 1, 5.0, 15.0, 0.0, 0.0, 0.0, 0.1, 30.0, 0.0, 0, 4, 1),
        (2, "2024-06-01T08:00:00Z", 200.0, 0.75, 1, 15.0, 5.0, 0.0, 0.0, 0.0, 0.2, 40.0, 300.0, 2, 3, 1),
        (3, "2024-06-01T09:00:00Z", 100.0, 1.0, 2, 18.0, 4.0, 2.0, 0.0, 0.0, 0.38, 38.0, 420.0, 5, 0, 0),
    ],
    "intervals": [
        (1, 0, "training", "supernet", None, 0.0, 1.0, 10.0, 0.1, 40.0),
        (2, 1, "training", "supernet", None, 0.0, 1.0, 10.0, 0.1, 40.0),
        (3, 0, "scoring", "scoring", None, 1.0, 2.0, 15.0, 0.05, 15.0),
        (4, 1, "training", "candidate", 1, 1.0, 2.0, 5.0, 0.05, 15.0),
        (5, 0, "scoring", "scoring", None, 2.0, 2.5, 5.0, 0.05, 10.0),
        (6, 1, "training", "candidate", 2, 2.0, 3.0, 15.0, 0.15, 30.0),
        (7, 0, "training", "candidate", 3, 3.0, 4.0, 18.0, 0.29, 29.0),
        (8, 1, "idle", "idle", None, 3.8, 4.0, 2.0, 0.01, 1.0),
        (9, 0, "compiling", "compiling", None, 0.0, 0.0, 6.0, 0.02, 8.0),
        (10, 0, "scoring", "test", None, 4.0, 4.0, 4.0, 0.08, 8.0),
    ],
    "proposals": [
        (1, json.dumps(GENOMES[0]), cell(GENOMES[0]), 1.0, "done", 0),
        (2, json.dumps(GENOMES[1]), cell(GENOMES[1]), 1.1, "done", 1),
        (3, json.dumps(GENOMES[2]), cell(GENOMES[2]), 1.2, "done", 2),
        (4, json.dumps(GENOMES[3]), cell(GENOMES[3]), 1.3, "done", 3),
        (5, json.dumps(GENOMES[4]), cell(GENOMES[4]), 2.1, "failed", 4),
        (6, json.dumps(GENOMES[5]), cell(GENOMES[5]), 2.2, "queued", 5),
    ],
    "scores": [
        (1, 0.92, 0.08, 20000.0, 1.0),
        (2, 0.7, 0.3, 5000.0, 1.0),
        (3, 0.89, 0.11, 12000.0, 1.0),
        (4, 0.8, 0.2, 15000.0, 1.0),
        (5, 0.91, 0.09, 30000.0, 2.0),
        (6, 0.1, 0.9, 3000.0, 2.0),
    ],
    # Front: 2 (5,000; 90 %), 3 (12,000; 95 %), 1 (20,000; 97.5 %). 4 is dominated by 3, 5 failed.
    "evaluations": [
        (1, 1, 2.2, "done", 0.025, 20000.0, 6.0, 0.06, 12.0, 100, 0.11, 200.0, None, 1),
        (2, 2, 2.9, "done", 0.10, 5000.0, 4.0, 0.04, 8.5, 100, 0.31, 300.0, None, 1),
        (3, 3, 3.2, "done", 0.05, 12000.0, 5.0, 0.05, 5.0, 100, 0.21, 400.0, None, 1),
        (4, 4, 3.5, "done", 0.06, 15000.0, 5.5, 0.05, 5.25, 100, 0.22, 420.0, None, 1),
        (5, 5, 3.9, "failed", None, 30000.0, 1.0, 0.01, 1.0, 12, None, 420.0, "loss <nan> at step 12", 1),
    ],
    "test": [(1, 0.03), (2, 0.12), (3, 0.06)],
}
COSTS = [{"name": "params", "unit": "parameters"}]
META = {
    "status": "finished",
    "costs": COSTS,
    "reference": [1.0, 50000.0],
    "summary": {
        "emissions_g": 196.0,
        "emissions_at_mean_intensity_g": 270.0,
        "emissions_at_mean_of_hours_g": 225.0,
        "emissions_blind_g": 245.0,
        "energy_kwh": 0.9,
        "mean_intensity_g_per_kwh": 300.0,
        "mean_of_hours_g_per_kwh": 250.0,
        "evaluations": 5,
        "failed": 1,
        "best_validation_accuracy": 0.975,
        "wall_s": 161.0,
        "device_s": 90.0,
        "modelled": ["energy: power by device state × time × PUE"],
        "measured": ["device seconds", "accuracies & losses"],
        "not_charged": ["the host & its fans"],
    },
}
CONFIG = {
    "config": {
        "dataset": "digits",
        "optimizer": "lamoo",
        "stage": "one-shot",
        "policy": "heuristic",
        "seed": 0,
        "note": "<script>alert(1)</script>",
    },
    "versions": {"jcenas": "0.1.0", "jax": "0.10.2"},
    "devices": ["cpu: cpu", "cpu: cpu"],
    "trace": {"zone": "US-CAL-CISO", "source": "typical year"},
    "created_utc": "2026-11-21T10:00:00+00:00",
}


# The power model has 0.1 kWh for 0.1 kWh: nothing was measured.
TABLES["intervals"] = [(*row, row[8] * 3.6e6, None) for row in TABLES["intervals"]]
COST_AT = {"scores": 3, "evaluations": 5}  # which column holds the costs; above, the one of them is a plain number


def written(cost):
    """A cost, or several, as the database holds them."""
    return json.dumps(cost if isinstance(cost, dict) else {"params": cost})


def build(folder, tables, meta, config):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    RunDatabase(folder / "run.db", create=True).close()
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection:
        for name, rows in tables.items():
            at = COST_AT.get(name)
            for row in rows:
                if at is not None:
                    row = (*row[:at], written(row[at]), *row[at + 1 :])
                connection.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)
        connection.executemany(
            "INSERT INTO meta VALUES (?, ?)", [(key, json.dumps(value)) for key, value in meta.items()]
        )
        connection.commit()
    return folder


@pytest.fixture
def finished(tmp_path):
    """A finished run."""
    return build(tmp_path / "runs" / "first & last", TABLES, META, CONFIG)


@pytest.fixture(scope="session")
def reported(tmp_path_factory):
    """The same finished run, with its report; not to be changed."""
    folder = build(tmp_path_factory.mktemp("reported") / "first & last", TABLES, META, CONFIG)
    write_report(folder)
    return folder


LATENCIES = {1: 4e-3, 2: 1e-3, 3: 3e-3, 4: 2e-3, 5: 9e-3, 6: 9e-3}  # s; 4 is quicker than 3
MORE_COSTS = [*COSTS, {"name": "latency", "unit": "s"}, {"name": "energy", "unit": "J"}]


def several(costs):
    """The same tables with a second cost by proposal, and perhaps a third."""
    tables = dict(TABLES)
    for name, at in COST_AT.items():
        rows = []
        for row in TABLES[name]:
            values = {"params": row[at], "latency": LATENCIES[row[0]], "energy": 1e-6 * row[0]}
            rows.append((*row[:at], {cost["name"]: values[cost["name"]] for cost in costs}, *row[at + 1 :]))
        tables[name] = rows
    return tables


@pytest.fixture(params=[2, 3])
def with_costs(request, tmp_path):
    """A finished run with two or three costs."""
    costs = MORE_COSTS[: request.param]
    meta = META | {"costs": costs, "reference": [1.0, 5e4, 0.01, 1e-5][: 1 + len(costs)]}
    return build(tmp_path / "runs" / "costs", several(costs), meta, CONFIG)


@pytest.fixture
def metered(tmp_path):
    """The finished run, whose trainings a meter counted: nine tenths of what the model says."""
    rows = [(*row[:11], 0.9 * row[10] if row[2] == "training" else None) for row in TABLES["intervals"]]
    meta = META | {"meter": {"name": "rapl", "measures": "CPU <packages>"}}
    return build(tmp_path / "runs" / "metered", TABLES | {"intervals": rows}, meta, CONFIG)


@pytest.fixture
def started(tmp_path):
    """A run of which nothing is known yet but its configuration."""
    return build(tmp_path / "runs" / "new", {}, {"status": "running", "costs": COSTS}, CONFIG)


@pytest.fixture
def halfway(tmp_path):
    """A run after two hours: supernet trained, proposals scored, no evaluation finished."""
    tables = {name: TABLES[name][:2] for name in ("hours",)} | {
        "intervals": TABLES["intervals"][:4],
        "proposals": [(*row[:4], "queued", row[5]) for row in TABLES["proposals"][:4]],
        "scores": TABLES["scores"][:4],
    }
    return build(
        tmp_path / "runs" / "half",
        tables,
        {key: META[key] for key in META if key != "summary"} | {"status": "running"},
        CONFIG,
    )

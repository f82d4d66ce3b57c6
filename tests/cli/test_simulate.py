"""`jcenas simulate` as a user starts it."""

import pathlib
import subprocess
import sys

import pytest

from jcenas.cli.main import command_of
from jcenas.errors import InputError
from jcenas.sim import SimulateConfig, simulate
from jcenas.sim.run import summary_rows
from jcenas.tables import from_csv

SMALL = ["simulate", "--hours", "4", "--seeds", "2", "--devices", "2", "--optimizer", "random", "--stage", "none"]


def test_simulate_prints_a_summary_and_writes_plots(tmp_path):
    picture = tmp_path / "plot.png"
    command = [sys.executable, "-m", "jcenas.cli", *SMALL, "--quiet", "--plot", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for line in (
        "digits, optimizer random, stage none, policy heuristic",
        "full",
        "2 (median [quartiles])",
        str(picture.name),
    ):
        assert line in done.stdout.replace("\n", " "), done.stdout
    assert picture.read_bytes()[:4] == b"\x89PNG"


def test_flags_reach_the_configuration():
    command = command_of([*SMALL, "--forecast", "model", "--power.idle-w", "20"])
    config = command.config
    assert (config.hours, config.forecast, config.power.idle_w, command.quiet) == (4, "model", 20.0, False)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--carbon-budget", "-1"], "--carbon-budget -1.0: must be a positive number of grams"),
        (["--policy", "plann"], "did you mean 'plan'"),
        (["--forecast", "tarot"], "invalid choice 'tarot'"),
    ],
)
def test_wrong_flags_are_one_line(flags, message):
    with pytest.raises(InputError, match=message) as said:
        command_of([*SMALL, *flags])
    assert "\n" not in str(said.value)


OWN = ["--genome", "op", "width", "--error", "acc", "--cost", "ms", "--maximise", "acc"]


@pytest.fixture
def own(tmp_path):
    """A table of twelve architectures, one of which is there twice and one lacks its cost."""
    rows = [
        f"{op},{width},{0.5 + 0.01 * width + 0.1 * i},{width * (i + 1)},10800"
        for i, op in enumerate("xyz")
        for width in range(4)
    ]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(["op,width,acc,ms,wait_s", *rows, rows[0], "y,9,0.5,,"]) + "\n")
    return str(path)


def test_a_table_of_ones_own(own, capsys):
    small = ["12" if word == "4" else word for word in SMALL]
    assert command_of([*small, "--policy", "evaluate-all", "--table", own, *OWN, "--quiet"]).run() == 0
    out = " ".join(capsys.readouterr().out.split())
    for line in (
        "12 architectures of 3 x 4 choices (all combinations)",
        "error: 1 - acc, since acc is maximised",
        "1 of 14 rows are left out",
        "13 rows are of 12 architectures; the mean of those of one counts",
        "every training takes 3600 s",
        "the reference point is error",
        "hypervolume, share of the largest 1 [1, 1]",  # two devices train all twelve in twelve hours
        "evaluations 12 [12, 12]",
    ):
        assert line in out, out


@pytest.mark.parametrize(
    ("table", "flags", "message"),
    [
        (None, [*OWN, "--stage=one-shot"], "no column of one-shot scores.*complete column oneshot_error"),
        (None, [*OWN, "--stage=zero-shot:synflow"], "no column of synflow scores.*column log_synflow or synflow"),
        (None, OWN[:5], "--cost is missing"),
        (None, [], "--genome is missing"),
        (
            None,
            [*OWN, "--seconds", "wait_s", "--hours", "2"],
            "--hours 2: the shortest training of the table takes",
        ),
        (None, [*OWN, "--devices", "20"], "--devices 20: an hour brings 12 proposals"),
        ("toy", ["--genome", "a"], "--genome: only for a table of your own; toy is one of the registry"),
        ("toy", ["--error", "a"], "--error: only for a table of your own"),
        ("gone.csv", OWN, "--table gone.csv: no such file"),
        ("./folder/mine.xlsx", OWN, "must end in .csv"),
        ("mine", OWN, "unknown table 'mine'"),
    ],
)
def test_a_table_of_ones_own_that_cannot_be_used(own, table, flags, message):
    base = ["simulate", "--optimizer", "random", "--seeds", "1", "--quiet"]
    with pytest.raises(InputError, match=message) as said:
        command_of([*base, "--table", table or own, *flags]).run()
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(("scale", "unit"), [(3e37, "larger"), (1e-36, "smaller")])
def test_units_beyond_32_bits_are_refused(own, scale, unit):
    table = from_csv(own, genome=["op", "width"], error="acc", costs=["ms"], maximise=["acc"])
    scaled = {"error": table.columns["error"] * 100, "ms": table.columns["ms"] * scale}
    table = table.replace(columns=table.columns | scaled)
    with pytest.raises(InputError, match=rf"mine\.csv: error, ms: hypervolumes of up to .* in a {unit} unit"):
        simulate(SimulateConfig(table=table, cost="ms", hours=2, seeds=1, devices=2))


def test_a_table_object_is_a_configuration(own):
    table = from_csv(own, genome=["op", "width"], error="acc", costs=["ms"], maximise=["acc"])
    config = SimulateConfig(table=table, cost="ms", hours=2, seeds=1, devices=2, optimizer="random", stage="none")
    assert {config: "kept"}[config] == "kept"
    done = simulate(config)
    assert done.benchmark.genomes.shape == (12, 2)
    assert summary_rows(done)[0][1].startswith("mine.csv, optimizer random")
    with pytest.raises(
        InputError, match=r"--cost: name the second objective; the columns of mine\.csv are error, ms, tr"
    ):
        simulate(SimulateConfig(table=table))
    with pytest.raises(InputError, match=r"table mine\.csv has no column 'train_secs'; did you mean 'train_sec"):
        simulate(SimulateConfig(table=table, cost="train_secs"))
    with pytest.raises(InputError, match="not a list"):
        simulate(SimulateConfig(table=[table], cost="ms"))
    with pytest.raises(InputError, match=r"mine\.csv: say which of its columns are which"):
        SimulateConfig(table=pathlib.Path(own))
    with pytest.raises(InputError, match="--seconds: a table that is handed over has its columns"):
        SimulateConfig(table=table, cost="ms", seconds="ms")

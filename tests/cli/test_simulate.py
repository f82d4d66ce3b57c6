"""`jcenas simulate` as a user starts it."""

import subprocess
import sys

import pytest

from jcenas.cli.main import command_of
from jcenas.errors import InputError

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

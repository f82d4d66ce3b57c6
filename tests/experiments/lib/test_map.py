"""experiments/README.md names every script that is run, and every record."""

import pathlib
import re

from experiments.accelerator.parts import PARTS
from experiments.lib.write_benchmarks import EXPECTED, load

ROOT = pathlib.Path(__file__).parents[3] / "experiments"
NAMED = set(re.findall(r"`([a-z0-9_.]+)`", (ROOT / "README.md").read_text(encoding="utf-8")))


def test_every_record_is_on_the_map():
    assert {*EXPECTED, *load()} <= NAMED


def test_every_script_is_on_the_map_and_nothing_else():
    runs = {
        f"{path.parent.name}.{path.stem}"
        for path in ROOT.glob("*/*.py")
        if path.parent.name != "accelerator"
        and "peer" not in path.stem
        and "__main__" in path.read_text(encoding="utf-8")
    }
    assert runs <= NAMED
    assert {name for name in NAMED if "." in name} - runs <= {"lib.recording", "torch.compile"}


def test_every_part_of_the_accelerator_is_on_the_map():
    assert set(PARTS) <= NAMED

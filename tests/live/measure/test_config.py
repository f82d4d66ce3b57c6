"""The settings of a measured table: what is refused before anything is read, and what a table is made with."""

import json
import pathlib

import pytest

from jcenas.errors import InputError
from jcenas.live.measure.config import MeasureConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cells": 1}, "--cells 1: must be at least 2"),
        ({"seeds": 0}, "--seeds 0: must be at least 1"),
        ({"depth": 0}, "--depth 0: must be at least 1"),
        ({"channels": 0}, "--channels 0: must be at least 1"),
        ({"epochs": 0}, "--epochs 0: must be at least 1"),
        ({"epochs": 4, "looks": (4,)}, "--looks 4: must be at most 3"),
        ({"looks": (3, 2)}, "--looks 3 2: give each epoch once, in their order"),
        ({"hour_seconds": 0.0}, "--hour-seconds 0.0: must be a positive number"),
        ({"problem": "function"}, "unknown problem 'function'"),
        ({"problem": "nasbench102"}, "did you mean 'nasbench101'"),
        ({"images": "digit"}, "--images digit: no such file or folder.*did you mean 'digits'"),
        ({"out": pathlib.Path("table.txt")}, r"--out table.txt: the file's name must end in \.csv"),
        ({"seed": -1}, "--seed -1: must be at least 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(settings, message):
    with pytest.raises(InputError, match=message) as said:
        MeasureConfig(**settings)
    assert "\n" not in str(said.value)


def test_what_is_left_out_is_the_problems_usual(tmp_path):
    config = MeasureConfig(problem="darts")
    assert (config.channels, config.depth, config.path) == (4, 3, pathlib.Path("darts-digits.csv"))
    assert (config.search.channels, config.search.cells, config.search.problem) == (4, 3, "darts")
    folder = tmp_path / "my pictures"
    folder.mkdir()
    assert MeasureConfig(images=str(folder)).path == pathlib.Path("nasbench201-my pictures.csv")


def test_settings_are_json_by_flag_without_what_may_change():
    config = MeasureConfig(cells=7, devices=1, out=pathlib.Path("t.csv"), looks=(2, 3))
    settings = config.settings()
    assert json.loads(json.dumps(settings)) == settings
    assert settings["--looks"] == [2, 3]
    assert settings["--power.pue"] == 1.59
    assert settings["--depth"] == 1
    assert not {"--cells", "--devices", "--out"} & set(settings)
    assert config.budgets == (2, 3, 12)
    assert config.acceleration == 3600

"""The end of a search in the terminal, line by line."""

import math
from pathlib import Path

import pandas as pd
import pytest

from jcenas.live.finish import SearchResult
from jcenas.live.kinds import change, comparisons, saving
from jcenas.live.summary_text import summary_lines

SUMMARY = {
    "emissions_g": 90.0,
    "energy_kwh": 0.5,
    "emissions_blind_g": 75.0,
    "mean_of_hours_g_per_kwh": 200.0,
    "mean_intensity_g_per_kwh": 240.0,
    "evaluations": 3,
    "failed": 1,
    "scored": 40,
    "device_s": 60.0,
    "wall_s": 70.0,
    "device_s_by_purpose": {"candidate": 40.0, "compiling": 15.0, "idle": 5.0},
    "emissions_g_by_purpose": {"candidate": 60.0, "compiling": 29.5, "idle": 0.5},
    "measured": ["time"],
    "modelled": ["power"],
    "not_charged": ["the host", "the cooling"],
}
FRONT = {
    "proposal": [2],
    "cell": ["|none~0|"],
    "genome": [(0,)],
    "accuracy": [0.9],
    "test_accuracy": [0.88],
    "params": [10.0],
    "seconds": [2.0],
    "energy_kwh": [0.1],
    "emissions_g": [20.0],
}


def lines(**changes):
    front = pd.DataFrame(FRONT)
    result = SearchResult(Path("runs/a"), front, front, SUMMARY | changes, "finished")
    return [line.strip() for line in summary_lines(result, None)]


def test_everything_charged_is_listed_by_kind_in_the_order_of_a_run():
    said = lines()
    begin = said.index("emissions 90 gCO2eq for 0.5 kWh; of these:")
    assert [" ".join(line.split()) for line in said[begin + 1 : begin + 4]] == [
        "compiling 15.0 s 29.5 g",
        "candidate training 40.0 s 60 g",
        "idle 5.0 s 0.5 g",
    ]
    assert "not charged: the host; the cooling" in said


def test_the_number_at_once_is_said_where_it_is_not_one_or_was_chosen():
    assert not [line for line in lines() + lines(side_by_side=1, at_once_s={"1": 0.1}) if "at once" in line]
    said = "candidates at once on a device: 4 (an epoch of one: 0.1 s with 1, 0.025 s with 4)"
    assert said in lines(side_by_side=4, at_once_s={"1": 0.1, "4": 0.025})


def test_the_run_is_held_against_three_things_each_named():
    said = lines()
    assert "the same energy at the mean of the run's hours, 200 g/kWh: 100 g (this run: 10.0 % less)" in said
    assert "the same search blind to the grid: 75 g (this run: 20.0 % more)" in said
    assert "the same energy at the trace's mean, 240 g/kWh: 120 g (this run: 25.0 % less)" in said


def test_a_long_architecture_is_shortened_and_said_to_be():
    genotype = "Genotype(normal=[('sep_conv_3x3', 0), " + 20 * "('skip_connect', 1), " + "])"
    front = pd.DataFrame(FRONT | {"cell": [genotype]})
    page = Path("runs/a/report.html")
    said = summary_lines(SearchResult(Path("runs/a"), front, front, SUMMARY, "finished"), page)
    begin = said.index("Pareto front (1 cells):")
    assert genotype[:59] + "…" in said[begin + 1]
    assert max(len(line) for line in "\n".join(said[begin:]).splitlines() if "…" in line) < 130
    assert f"cells in full: {page}" in said
    assert front["cell"][0] == genotype
    assert "cells in full" not in "\n".join(lines())


def test_a_stage_without_scores_does_not_speak_of_them():
    assert "finished: 3 trained from scratch, 1 failed" in lines(scored=0)
    assert "finished: 3 trained from scratch, 1 failed, 40 scored" in lines()


def test_what_a_meter_counted_stands_beside_what_is_modelled():
    assert not any("counted" in line for line in lines())
    found = {"name": "rapl", "measures": "packages", "seconds": 55.0, "measured_j": 1200.0, "modelled_j": 1500.0}
    said = "energy: 1200 J counted by rapl in 55.0 of 60.0 s of device time; the power model says 1500 J for the same"
    assert f"{said}, so -20%" in lines(meter=found)
    unpowered = [line for line in lines(meter=found | {"modelled_j": 0.0}) if "counted by rapl" in line]
    assert [line.endswith("0 J for the same") for line in unpowered] == [True]


def test_an_intensity_of_zero_is_no_lack_of_energy():
    grid = {"emissions_g": 0.0, "emissions_blind_g": 0.0, "mean_of_hours_g_per_kwh": 0.0, "mean_intensity_g_per_kwh": 0}
    text = "\n".join(lines(**grid))
    assert text.count("(this run: nothing to save at an intensity of 0)") == 3
    assert "no energy spent" not in text
    assert "nan" not in text
    assert "\n".join(lines(**grid, energy_kwh=0.0)).count("(this run: no energy spent)") == 3


@pytest.mark.parametrize(("emitted", "words"), [(50.0, "50.0 % less"), (100.0, "0.0 % less"), (103.0, "3.0 % more")])
def test_differences_in_words(emitted, words):
    of_hours, blind, of_trace = comparisons(2.0, mean_of_hours=50.0, mean_of_trace=None, blind_g=math.pi)
    assert change(emitted, of_hours, 2.0) == words
    assert saving(emitted, of_hours) == pytest.approx(1 - emitted / 100)
    assert blind.emissions_g == math.pi
    assert change(emitted, of_trace, 2.0) == "not known yet"
    assert of_trace.against == "the same energy at the trace's mean"

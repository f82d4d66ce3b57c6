"""The family of allocation scenarios: its parts, its cells by hand, and the policies where none was tuned."""

import numpy as np
import pytest

from experiments.forecast.zones import group_of
from experiments.generalise import allocation
from experiments.generalise.allocation import Outcome, above_static, cells_of, outcome, rows_of, verdicts
from experiments.generalise.allocation_cases import ACCOUNTINGS, DRAWN, cases_of, curves_of
from experiments.generalise.allocation_grids import KINDS, PARTS, WINDOW_H, grids_of, typical, zones_of
from jcenas.carbon import zone_names
from jcenas.engine.grid import LEAD_H, WEEK_H, GridHours
from jcenas.sim.curves import MOST_LEVEL
from jcenas.sim.train_policy import TEST_ZONES


def test_parts_share_no_country():
    parts = {part: zones_of(part) for part in PARTS}
    assert sorted(zone for zones in parts.values() for zone in zones) == sorted(zone_names())
    groups = [{group_of(zone) for zone in zones} for zones in parts.values()]
    assert sum(len(group) for group in groups) == len(set().union(*groups))
    assert set(TEST_ZONES) <= set(parts["test"])
    assert min(len(zones) for zones in parts.values()) >= 20


def test_parts_share_no_drawn_curve():
    curves = {part: curves_of(part, DRAWN, "full", None) for part in PARTS}
    seconds = [float(curve.train_s) for some in curves.values() for curve in some]
    assert len(set(seconds)) == len(seconds)
    for curve in curves["fitting"]:
        levels = np.asarray(curve.levels)
        assert (np.diff(levels, axis=1) > 0).all()  # each level has one place
        assert (np.diff(levels, axis=0) <= 0).all()  # wider is never better
        assert levels.max() < MOST_LEVEL + 0.1


def outcomes(**regret):
    """Policies by their regrets; all else the same."""
    some = np.zeros(len(next(iter(regret.values()))))
    return {name: Outcome(np.asarray(values, float), some, some + 1, some + 0.5) for name, values in regret.items()}


def labels_of(n):
    """Two values of one dimension, by turns; of the others one."""
    others = {name: np.array(["x"] * n) for name in allocation.DIMENSIONS if name not in ("budget", "devices")}
    return others | {"budget": np.full(n, 0.4), "devices": np.arange(n) % 2}


def test_cells_by_hand():
    cells = cells_of(labels_of(40))
    assert len(cells[("devices", "0", "source", "x")]) == 20
    assert len(cells[("accounting", "x", "table", "x")]) == 40
    assert not [cell for cell in cells_of(labels_of(38)) if "devices" in cell]  # 19 are too few


def test_above_the_best_static_share_of_a_cell_by_hand(monkeypatch):
    monkeypatch.setattr(allocation, "STATIC", ("low", "high"))
    noise = np.resize([0.01, 0.01, -0.01, -0.01], 40)
    mine = np.where(np.arange(40) % 2, 0.1, 0.5) + noise  # devices 1 and 0
    found = outcomes(mine=mine, low=[0.2] * 40, high=[0.9] * 40, heuristic=[1.0] * 40)
    cells = {name: rows for name, rows in cells_of(labels_of(40)).items() if name[0] == "devices" or "devices" in name}
    above = above_static(found, "mine", cells)
    assert (above.cells, above.significant) == (len(cells) // 2, len(cells) // 2)  # those of devices 0
    assert "devices 0" in above.worst
    assert "+0.300" in above.worst
    assert above_static(found, "low", cells) == (0, 0, "none")


def test_verdicts_say_met_or_missed_by(monkeypatch):
    monkeypatch.setattr(allocation, "STATIC", ("static",))
    labels = labels_of(40)
    good = rows_of(outcomes(price=[0.1] * 40, heuristic=[0.4] * 40, static=[0.2] * 40), labels)
    assert [line.split(": ")[2].split(" (")[0].rstrip(".") for line in verdicts(good)] == ["met", "met"]
    worse = np.resize([0.31, 0.29], 40)
    bad = verdicts(rows_of(outcomes(price=worse, heuristic=[0.4] * 40, static=[0.2] * 40), labels))
    assert "missed by 0.25" in bad[0]
    assert "missed in" in bad[1]


@pytest.mark.slow
def test_forecasts_of_many_hours_are_those_of_one():
    grids = grids_of("fitting", 1)
    said = grids.forecast[KINDS.index("model"), 0]
    assert said.shape[0] == WINDOW_H - WEEK_H - LEAD_H
    rng = np.random.default_rng(100)
    trace = typical(str(rng.permutation(zones_of("fitting"))[0]), rng)
    grid = GridHours(trace.slice(WEEK_H), trace.hourly()[:WEEK_H], trace.mean())
    np.testing.assert_allclose(said[7], grid.forecast("model", 7), rtol=1e-4)


@pytest.mark.slow
def test_the_price_holds_where_nothing_was_fitted():
    curves = {(DRAWN, accounting): curves_of("test", DRAWN, accounting, None) for accounting in ACCOUNTINGS}
    grids = grids_of("test", 4)
    cases = cases_of("test", repeats=4, grids=grids, curves=curves, shapes=((24, 8),), tables=(DRAWN,))
    regret = {name: outcome(cases, name).regret.mean() for name in ("price", "heuristic", *allocation.STATIC)}
    assert min(regret.values()) > -0.02  # the bound is one
    assert regret["price"] < 0.5 * regret["heuristic"]
    assert regret["price"] < min(regret[name] for name in allocation.STATIC)

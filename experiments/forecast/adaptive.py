"""The adaptive forecast in zones and months never trained on, beside its experts, persistence and the 7-day mean.

Command:  JCENAS_DATA=FOLDER python -m experiments.forecast.adaptive [--folds] [--cache FOLDER [--part I/N]]
          [--choose] [--smoke]
Expected: zero-shot and adapted ahead of persistence and of the 7-day mean on days 1 to 3 in every zone of the table;
          adapted ahead of the zone's own ridge on days 1 to 3 in nine of ten zones; 90 % intervals that cover 88 to
          92 % in every quarter.
Cost:     about six minutes on 2 CPU cores, half of it the training; with `--folds` about 20. `--cache`
          keeps networks and finished zones, `--part 0/2` does every second one only. `--smoke` records nothing.

The network is the stand-in of `experiments/search/greener_grids.py`: of every five countries (or areas of the United
States) it has not seen two, nor anything from July 2022 on; the zones of those two are tested. With `--folds` all zones
are, by the four networks of `experiments/forecast/zero_shot.py` (seed 0). Tested at 00:00 UTC of every day: July to
December 2022, by when a zone has half a year of history, and 2023 to 2024 in the zones that have years of it. How fast
weights and intervals follow the errors was chosen on hours before July 2022 of eleven series, some of which the network
had seen, and on made-up grids; `--choose` compares such settings in zones that it had not seen.
"""

import argparse
import dataclasses
import datetime
import math
import pathlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.forecast.error import Cache
from experiments.forecast.zero_shot import BEGIN, NETWORK, RECIPE, SHOWN, fold_of
from experiments.forecast.zones import further_traces, group_of, until, zone_traces
from experiments.lib import recording
from experiments.search import greener_grids
from jcenas.carbon.forecast import losses, windows
from jcenas.carbon.forecast.adaptive import EXPERTS, Adaptive
from jcenas.carbon.forecast.blend import Blending
from jcenas.carbon.forecast.features import HORIZON_H, WINDOW_H
from jcenas.carbon.forecast.fit import train
from jcenas.carbon.forecast.forecaster import Forecaster, point, uncalibrated
from jcenas.carbon.forecast.network import FLOOR_G_PER_KWH, ForecastNetwork
from jcenas.carbon.forecast.training import ForecastTraining
from jcenas.carbon.trace import CarbonTrace

NAME = "forecast_adaptive"
FOLDS = 4
END = datetime.datetime(2023, 1, 1, tzinfo=datetime.UTC)
LAST = datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC)
FORECASTS = ("persistence", "7-day mean", "ridge", "zero-shot", "adapted")
COLUMNS = ["period", "zone", "forecast", *(f"day {day}, MAPE %" for day in (1, 2, 3, 4)), "90 % covers by quarter, %"]
CHOICES = [
    Blending(),
    *(Blending(half_life_days=days) for days in (20, 160)),
    *(Blending(prior_days=days) for days in (0.1, 4)),
    *(Blending(rate=rate) for rate in (0.3, 1.2)),
    *(Blending(inner_rate=rate) for rate in (0.03, 0.3)),
]


class Result(NamedTuple):
    """Of one zone and period."""

    mape: dict[str, np.ndarray]  # by day ahead, (4,), of each of `FORECASTS`
    covers: np.ndarray  # of each quarter, (q,)


def networks(
    zones: dict[str, CarbonTrace],
    further: list[CarbonTrace],
    cache: Cache,
    recipe: ForecastTraining = RECIPE,
    network: ForecastNetwork = NETWORK,
    count: int = FOLDS,
) -> dict[str, Forecaster]:
    """For each group of zones the forecaster that knows none of it, nor anything from July 2022 on."""
    folds, made = fold_of(list(zones), count), {}
    for fold in range(count):
        held = {group_of(zone) for zone, its in folds.items() if its == fold}
        known = until([trace for trace in [*zones.values(), *further] if group_of(trace.zone) not in held], BEGIN)

        def fitted(known=known):
            table, spans = windows.make_table(known, [0] * len(known))
            rows = np.concatenate([windows.origins(span, None, None) for span in spans])
            leaves = jax.tree.leaves(train(jax.random.key(0), network, recipe, table, rows))
            return {f"{number:03d}": leaf for number, leaf in enumerate(leaves)}

        window = jnp.ones((WINDOW_H, 16)), jnp.ones((HORIZON_H, 12))
        tree = jax.tree.structure(jax.eval_shape(network.init, jax.random.key(0), *window)["params"])
        stored = cache(f"fold_{fold}", fitted)
        params = jax.tree.unflatten(tree, [jnp.asarray(stored[name]) for name in sorted(stored)])
        made |= dict.fromkeys(held, uncalibrated(params, network))
    return made


def measure(
    trace: CarbonTrace, forecaster: Forecaster, begin: datetime.datetime, end: datetime.datetime, config=None
) -> Result:
    """Forecast a period at 00:00 UTC of every day, with all the hours before."""
    hour = datetime.timedelta(hours=1)
    rows = np.arange((begin - trace.start) // hour, min(len(trace), (end - trace.start) // hour) - HORIZON_H + 1, 24)
    values = trace.intensity_g_per_kwh
    made = Adaptive(trace.start, values, forecaster, config).at(rows)
    target = np.maximum(values[rows[:, None] + np.arange(HORIZON_H)], FLOOR_G_PER_KWH)
    by_expert = dict(zip(EXPERTS, np.exp(made.experts).swapaxes(0, 1), strict=True))
    forecasts = (
        by_expert["yesterday"],
        by_expert["7-day mean"],
        by_expert["ridge"],
        np.asarray(point(jnp.asarray(made.network))),
        np.asarray(point(jnp.asarray(made.log_quantiles))),
    )
    mape = {
        name: np.asarray(losses.mape_by_day(jnp.asarray(values, jnp.float32), jnp.asarray(target, jnp.float32)))
        for name, values in zip(FORECASTS, forecasts, strict=True)
    }
    low, high = np.exp(made.log_quantiles[..., 0]) * (1 - 1e-6), np.exp(made.log_quantiles[..., -1]) * (1 + 1e-6)
    inside = ((low <= target) & (target <= high)).mean(axis=1)
    months = [
        (trace.start + int(row) * hour).year * 4 + ((trace.start + int(row) * hour).month - 1) // 3 for row in rows
    ]
    covers = [100 * inside[np.array(months) == quarter].mean() for quarter in sorted(set(months))]
    return Result(mape, np.array(covers))


def rows_of(period: str, results: dict[str, Result], shown: Sequence[str]) -> list[list]:
    """Rows of one period: the mean of all zones, then some by themselves."""
    rows: list[list] = []
    if not results:
        return rows
    for label, chosen in [(f"mean of {len(results)}", list(results)), *((zone, [zone]) for zone in shown)]:
        for name in FORECASTS:
            errors = np.mean([results[zone].mape[name] for zone in chosen], axis=0)
            covers = np.mean([results[zone].covers for zone in chosen], axis=0) if name == "adapted" else []
            said = " / ".join(f"{value:.1f}" for value in covers) or "-"
            rows.append([period, label, name, *(f"{value:.2f}" for value in errors), said])
    return rows


def behind(results: dict[str, Result], name: str) -> list[tuple[float, str]]:
    """By how much, in % of the better naive forecast's error, a forecast is behind it on days 1 to 3, and where."""
    found = []
    for zone, one in results.items():
        naive = np.minimum(one.mape["persistence"], one.mape["7-day mean"])
        found += [
            (100 * (one.mape[name][day] / naive[day] - 1), f"{zone} day {day + 1}")
            for day in range(3)
            if one.mape[name][day] > naive[day]
        ]
    return sorted(found, reverse=True)


def verdict_naive(results: dict[str, Result], name: str, where: str) -> str:
    """Whether a forecast is ahead of both naive ones on days 1 to 3 in every zone."""
    worse = behind(results, name)
    zones = {place.split(" ")[0] for _, place in worse}
    head = f"{name} ahead of persistence and 7-day mean on days 1 to 3 in {where}"
    if not worse:
        return f"{head}: met."
    most = ", ".join(f"{place} {over:.1f} %" for over, place in worse[:3])
    return f"{head}: missed in {len(zones)} of {len(results)} zones, most by {most}."


def verdict_ridge(results: dict[str, Result], where: str) -> str:
    """Whether the adapted forecast is ahead of the zone's own ridge in nine of ten zones, days 1 to 3 together."""
    ahead = [zone for zone, one in results.items() if one.mape["adapted"][:3].sum() < one.mape["ridge"][:3].sum()]
    least = math.ceil(0.9 * len(results))
    head = f"adapted ahead of per-zone ridge (mean of days 1 to 3) in nine of ten zones {where}"
    said = "met" if len(ahead) >= least else f"missed by {least - len(ahead)}"
    return f"{head}: {said} ({len(ahead)} of {len(results)})."


def verdict_covers(results: dict[str, Result], where: str) -> str:
    """Whether the 90 % intervals cover 88 to 92 % in every quarter."""
    covers = np.concatenate([one.covers for one in results.values()]) if results else np.full(1, 90.0)
    inside = int(((covers >= 88) & (covers <= 92)).sum())
    over = max(float((88 - covers).max()), float((covers - 92).max()))
    head = f"90 % intervals cover 88 to 92 % in every quarter {where}"
    if over <= 0:
        return f"{head}: met ({covers.min():.1f} to {covers.max():.1f} %)."
    return f"{head}: missed by {over:.1f} points at most; {inside} of {len(covers)} zones and quarters are inside."


def choose(zones: dict[str, CarbonTrace], made: dict[str, Forecaster]) -> None:
    """Print errors and coverage of every setting of `CHOICES` on hours before July 2022."""
    early = [until([trace], BEGIN)[0] for trace in zones.values() if trace.start.year == 2021]
    for config in CHOICES:
        results = [
            measure(trace, made[group_of(trace.zone)], trace.start + datetime.timedelta(days=181), BEGIN, config)
            for trace in early
        ]
        naive = [np.minimum(one.mape["persistence"], one.mape["7-day mean"]) for one in results]
        relative = np.mean([one.mape["adapted"] / best for one, best in zip(results, naive, strict=True)], axis=0)
        covers = np.concatenate([one.covers for one in results])
        inside = np.mean((covers >= 88) & (covers <= 92))
        sys.stdout.write(
            f"{config}\n  error over the better naive one's {np.round(relative, 3)}; covers {covers.min():.1f} to "
            f"{covers.max():.1f} %, {inside:.0%} of zones and quarters within 88 to 92\n"
        )
        sys.stdout.flush()


def tested(zones: dict[str, CarbonTrace], made: dict[str, Forecaster], cache: Cache) -> tuple[dict, dict]:
    """Results by zone in July to December 2022, and in 2023 to 2024 of the zones that have them."""

    def one(zone: str, begin: datetime.datetime, end: datetime.datetime) -> Result:
        def compute():
            found = measure(zones[zone], made[group_of(zone)], begin, end)
            return {**found.mape, "covers": found.covers}

        stored = cache(f"zone_{zone}_{begin.year}", compute)
        return Result({name: stored[name] for name in FORECASTS}, stored["covers"])

    long = [zone for zone, trace in zones.items() if trace.start.year == 2021]
    return {zone: one(zone, BEGIN, END) for zone in zones}, {zone: one(zone, END, LAST) for zone in long}


def verdicts(first: dict[str, Result], second: dict[str, Result]) -> list[str]:
    """What the goals say of the results."""
    shown = {zone: first[zone] for zone in SHOWN if zone in first}
    early, late = "July to December 2022", "2023 to 2024"
    return [
        *(verdict_naive(shown, name, f"every zone of the table, {early}") for name in FORECASTS[3:]),
        *(verdict_naive(first, name, f"all {len(first)} zones, {early}") for name in FORECASTS[3:]),
        *(verdict_naive(second, name, f"every zone, {late}") for name in FORECASTS[3:]),
        verdict_ridge(shown, f"of the table, {early}"),
        verdict_ridge(first, f"of {early}"),
        verdict_ridge(second, f"of {late}"),
        verdict_covers(shown, f"in the zones of the table, {early}"),
        verdict_covers(first, f"in all zones, {early}"),
        verdict_covers(second, f"of {late}"),
    ]


def prepared(given: argparse.Namespace) -> tuple[dict[str, CarbonTrace], dict[str, Forecaster]]:
    """The zones, and for each group of them the forecaster that knows none of it."""
    zones = zone_traces()
    if given.smoke:
        chosen = {zone: zones[zone].slice(0, 24 * 230) for zone in ("DE", "FR")}
        small = ForecastNetwork(width=16, layers=1)
        recipe = ForecastTraining(steps=4, chunk_steps=2, batch_size=8)
        return chosen, networks(chosen, [], Cache(None), recipe, small, 2)
    if given.folds:
        return zones, networks(zones, further_traces(), Cache(given.cache))
    made = greener_grids.forecaster(None if given.cache is None else given.cache / "stand_in.npz")
    held = {*greener_grids.zones_of(greener_grids.TEST), *greener_grids.zones_of(greener_grids.CHOOSE)}
    return {zone: trace for zone, trace in zones.items() if group_of(zone) in held}, dict.fromkeys(held, made)


def main(arguments: Sequence[str] | None = None) -> list[list]:
    """Measure, record unless `--smoke`, and return the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="two zones, a few steps; records nothing")
    parser.add_argument("--choose", action="store_true", help="compare settings on other hours; records nothing")
    parser.add_argument("--folds", action="store_true", help="all zones, by four networks")
    parser.add_argument("--cache", type=pathlib.Path, help="folder that keeps networks and finished zones")
    parser.add_argument("--part", default="", help="I/N: every N-th zone from number I on only; records nothing")
    given = parser.parse_args(arguments)
    zones, made = prepared(given)
    if given.choose:
        choose(zones, made)
        return []
    if given.part:
        number, count = map(int, given.part.split("/"))
        zones = dict(list(zones.items())[number::count])
    first, second = tested(zones, made, Cache(given.cache))
    shown = [zone for zone in SHOWN if zone in first]
    rows = [*rows_of("July to December 2022", first, shown), *rows_of("2023 to 2024", second, list(second))]
    notes = verdicts(first, second)
    for line in [*("  ".join(map(str, row)) for row in rows), *notes]:
        sys.stdout.write(line + "\n")
    if not given.smoke and not given.part:
        recording.record(
            NAME,
            title="Adaptive forecasts: blended by the zone's own errors, zones and months never trained on",
            command=f"JCENAS_DATA=FOLDER python -m experiments.forecast.adaptive{' --folds' if given.folds else ''}",
            columns=COLUMNS,
            rows=rows,
            expected="ahead of persistence and 7-day mean on days 1 to 3 in every zone, of ridge in nine of ten zones; "
            "intervals that cover 88 to 92 % in every quarter",
            notes=[
                *notes,
                "Origins 00:00 UTC; everything before the origin may be learnt from, nothing after it. The network has "
                "seen neither the zone's country nor anything from July 2022 on.",
                "Chosen on hours before July 2022 of eleven series and on made-up grids: "
                f"{dataclasses.asdict(Blending())}.",
                "The ridge is the blend's own expert: 168 log lags and the hour of the week, refitted every Monday.",
                "Coverage by quarter is of all four days ahead together.",
                "Data: Electricity Maps, ODbL 1.0; CarbonCast.",
            ],
        )
    return rows


if __name__ == "__main__":
    main()

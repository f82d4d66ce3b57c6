"""Forecasts of zones that the network never saw, from their intensity history alone, against the two naive forecasts.

Command:  JCENAS_DATA=FOLDER python -m experiments.forecast.zero_shot [--smoke]
Expected: ahead of persistence and of the 7-day profile on days 1 to 3 in the mean over zones; the anchor is 15.8 %
          mean MAPE, which foundation models report for 214 grids (arXiv 2510.01521; other grids, other years).
Cost:     about ten minutes on 2 CPU cores (3 seeds, 4 folds); `--smoke` some seconds, and records nothing.

Zones are divided into four folds by country (or area of the United States). A fold's zones are forecast in July to
December 2022, at 00:00 UTC every day, by a network trained on the other folds' zones before July 2022: neither the
zone, nor a zone of its country, nor the period has been seen. Quantiles are calibrated on held-out zones too: on the
fold's own zones in March to June 2022, hours that were never trained on.
"""

import argparse
import datetime
import sys
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from experiments.forecast import baselines as forecast_baselines
from experiments.forecast.protocol import cut
from experiments.forecast.zones import further_traces, group_of, until, zone_traces
from experiments.lib import recording
from jcenas.carbon.forecast import losses, windows
from jcenas.carbon.forecast.conformal import apply_scale, fit_scale
from jcenas.carbon.forecast.fit import train
from jcenas.carbon.forecast.forecaster import point
from jcenas.carbon.forecast.network import MEDIAN, ForecastNetwork, log_intensity
from jcenas.carbon.forecast.training import ForecastTraining
from jcenas.carbon.trace import CarbonTrace

NAME = "forecast_zero_shot"
FOLDS = 4
BEGIN = datetime.datetime(2022, 7, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2023, 1, 1, tzinfo=datetime.UTC)
CALIBRATE = datetime.datetime(2022, 3, 1, tzinfo=datetime.UTC)
SHOWN = ("US-CAL-CISO", "US-MIDA-PJM", "US-TEX-ERCO", "US-NE-ISNE", "DE", "GB", "FR", "PL", "AU-NSW", "IN-WE")
COLUMNS = ["zone", "forecast", "day 1, MAPE %", "day 2, MAPE %", "day 3, MAPE %", "day 4, MAPE %", "90 % covers, %"]
NETWORK = ForecastNetwork()
RECIPE = ForecastTraining(steps=1000, drop_mix=0.0, drop_weather=0.0, drop_zone=0.0)


def fold_of(zones: Sequence[str], count: int = FOLDS) -> dict[str, int]:
    """Fold of every zone: groups by falling size onto the smallest fold, so the folds are of one size."""
    groups: dict[str, list[str]] = {}
    for zone in sorted(zones):
        groups.setdefault(group_of(zone), []).append(zone)
    sizes, result = [0] * count, {}
    for members in sorted(groups.values(), key=len, reverse=True):
        fold = int(np.argmin(sizes))
        sizes[fold] += len(members)
        result |= dict.fromkeys(members, fold)
    return result


def evaluate(
    zones: dict[str, CarbonTrace],
    further: list[CarbonTrace],
    seeds: Sequence[int],
    recipe: ForecastTraining,
    count: int = FOLDS,
    network: ForecastNetwork = NETWORK,
) -> dict[str, dict[str, np.ndarray]]:
    """MAPE by day of each forecast in each zone, (4,), ours with a row a seed (s, 4), and our coverage (s,)."""
    folds = fold_of(list(zones), count)
    forecast = jax.jit(lambda p, w: jax.vmap(lambda h, k: network.apply({"params": p}, h, k))(w.history, w.known))
    results: dict[str, dict[str, np.ndarray]] = {zone: {} for zone in zones}
    for fold in range(count):
        held = {group_of(zone) for zone, its in folds.items() if its == fold}
        known = [trace for trace in [*zones.values(), *further] if group_of(trace.zone) not in held]
        table, spans = windows.make_table(until(known, BEGIN), [0] * len(until(known, BEGIN)))
        rows = np.concatenate([windows.origins(span, None, None) for span in spans])
        trained = [train(jax.random.key(seed), network, recipe, table, rows) for seed in seeds]
        for zone in (zone for zone in zones if folds[zone] == fold):
            own, (span,) = windows.make_table([zones[zone]], [0])
            test = cut(own, jnp.asarray(windows.origins(span, BEGIN, END, every_h=24)))
            before = cut(own, jnp.asarray(windows.origins(span, CALIBRATE, BEGIN, every_h=24)))
            errors, covers = [], []
            for params in trained:
                scale = fit_scale(forecast(params, before), log_intensity(before.target))
                quantiles = jax.vmap(apply_scale, in_axes=(0, None))(forecast(params, test), scale)
                errors.append(losses.mape_by_day(point(quantiles), test.target))
                bounds = jnp.exp(quantiles[..., 0]), jnp.exp(quantiles[..., -1])
                covers.append(losses.coverage(*bounds, test.target))
                assert quantiles.shape[-1] == 2 * MEDIAN + 1
            results[zone] = {"jcenas": np.array(errors), "coverage": np.array(covers)}
            for name in ("persistence", "weekly_profile"):
                naive = getattr(forecast_baselines, name)(test)
                results[zone][name] = np.asarray(losses.mape_by_day(jnp.asarray(naive), test.target))
        sys.stdout.write(f"fold {fold + 1} of {count} done\n")
        sys.stdout.flush()
    return results


def rows_of(results: dict[str, dict[str, np.ndarray]]) -> list[list]:
    """Rows of the table: means over all zones, then some zones by themselves."""
    rows = []
    for label, chosen in [(f"mean of {len(results)}", list(results)), *((z, [z]) for z in SHOWN if z in results)]:
        for name in ("persistence", "weekly_profile"):
            mean = np.mean([results[zone][name] for zone in chosen], axis=0)
            rows.append([label, name.replace("_", " "), *(f"{value:.2f}" for value in mean), "-"])
        seeds = np.mean([results[zone]["jcenas"] for zone in chosen], axis=0)  # (s, 4)
        cover = 100 * np.mean([results[zone]["coverage"] for zone in chosen])
        cells = [f"{mean:.2f} ± {spread:.2f}" for mean, spread in zip(seeds.mean(0), seeds.std(0), strict=True)]
        rows.append([label, "jcenas, zero-shot", *cells, f"{cover:.1f}"])
    return rows


def ahead(results: dict[str, dict[str, np.ndarray]]) -> list[int]:
    """Number of zones where the mean of the seeds is ahead of both naive forecasts, for days 1 to 4."""
    wins = [r["jcenas"].mean(0) < np.minimum(r["persistence"], r["weekly_profile"]) for r in results.values()]
    return np.sum(wins, axis=0).tolist()


def main(arguments: Sequence[str] | None = None) -> list[list]:
    """Measure, record unless `--smoke`, and return the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="four zones, two folds, a few steps; records nothing")
    smoke = parser.parse_args(arguments).smoke
    zones = zone_traces()
    if smoke:
        chosen = ("DE", "FR", "US-CAL-CISO", "KR")
        recipe = ForecastTraining(steps=4, chunk_steps=2, batch_size=8)
        small = ForecastNetwork(width=16, layers=1)
        results = evaluate({zone: zones[zone] for zone in chosen}, [], (0,), recipe, 2, small)
    else:
        results = evaluate(zones, further_traces(), (0, 1, 2), RECIPE)
    rows = rows_of(results)
    if not smoke:
        recording.record(
            NAME,
            title="Zero-shot forecasts: zones, countries and months never trained on",
            command="JCENAS_DATA=FOLDER python -m experiments.forecast.zero_shot",
            columns=COLUMNS,
            rows=rows,
            expected="ahead of persistence and the 7-day profile on days 1 to 3",
            notes=[
                "MAPE of July to December 2022 by day ahead, origins 00:00 UTC; mean ± standard deviation of 3 seeds.",
                f"Ahead of both naive forecasts on days 1 to 4 in {ahead(results)} of {len(results)} zones.",
                "Four folds by country (area in the United States); trained on the other folds before July 2022 only, "
                "intensities only. Quantiles calibrated on the zone's own March to June 2022.",
                "Anchor: 15.8 % mean MAPE reported for foundation models on 214 grids (arXiv 2510.01521), not the same "
                "grids and months.",
                "Data: Electricity Maps, ODbL 1.0; CarbonCast.",
            ],
        )
    for row in rows:
        sys.stdout.write("  ".join(str(cell) for cell in row) + "\n")
    return rows


if __name__ == "__main__":
    main()

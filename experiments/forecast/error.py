"""Errors of carbon-intensity forecasts in July to December 2021: ours, the usual baselines, and CarbonCast's own.

Command:  JCENAS_DATA=FOLDER python -m experiments.forecast.error [--cache FOLDER] [--smoke]
Expected: the goals in `GOALS`; 90 % intervals that cover 88 to 92 %; ahead of CarbonCast's issued first tier.
Cost:     about 20 minutes on 2 CPU cores; `--smoke` some seconds on made-up grids, and records nothing.

The protocol is in `experiments/forecast/protocol.py`. `--cache` keeps the forecasts of finished methods, so that an
interrupted run goes on; the table is computed once, from all of them.
"""

import argparse
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from experiments.forecast import baselines as forecast_baselines
from experiments.forecast import protocol
from experiments.forecast import source_tiers as tiers
from experiments.forecast.toy import toy_regions
from experiments.lib import recording
from jcenas.carbon.forecast import losses, windows
from jcenas.carbon.forecast.forecaster import point
from jcenas.carbon.forecast.losses import mape_by_day
from jcenas.carbon.forecast.network import ForecastNetwork, log_intensity
from jcenas.carbon.forecast.training import ForecastTraining
from jcenas.tables.store import locate

SEEDS = (0, 1, 2)
GOALS = {
    "CISO direct": (7.4, 9.2, 9.8),
    "PJM direct": (3.3, 4.2, 4.8),
    "ERCO direct": (10.0, 12.0, 12.5),
    "ISNE direct": (4.8, 6.0, 6.7),
    "DE life-cycle": (13.5, 17.0, 18.5),
}
ISSUED = ("CISO", "PJM", "ERCO", "ISNE", "DE", "SE")
DAYS = [f"day {day}, MAPE %" for day in (1, 2, 3, 4)]
Errors = dict[str, dict[str, np.ndarray]]  # method -> series -> (seeds, 4)


class Cache:
    """Arrays of finished methods in a folder; without a folder everything is computed."""

    def __init__(self, folder: pathlib.Path | None):
        """Keep arrays in `folder`."""
        self.folder = folder

    def __call__(self, name: str, compute: Callable[[], dict[str, Any]]) -> dict[str, np.ndarray]:
        """The arrays stored under `name`, or computed and stored."""
        path = None if self.folder is None else self.folder / f"{name}.npz"
        if path is None or not path.is_file():
            arrays = {key: np.asarray(value) for key, value in compute().items()}
            if path is None:
                return arrays
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(path, **arrays)
        with np.load(path) as stored:
            return dict(stored)


def ours(seed: int, table: windows.Table, spans: list[windows.Span], **options: Any) -> dict[str, Any]:
    """Our forecasts of one seed as flat arrays: `SERIES|validation`, `SERIES|test`, `SERIES|share`."""
    fitted = protocol.fit_ours(seed, table, spans, **options)
    return {f"{name}|{field}": value for name, one in fitted.items() for field, value in one._asdict().items()}


def by_source(seed: int, table: windows.Table, span: windows.Span, steps: int) -> dict[str, Any]:
    """DACF-style and CarbonCast-style forecasts of one series, trained on everything before the test period."""
    past = protocol.daily(table, span, None, protocol.TEST)
    ahead = protocol.generation_ahead(table, span, None, protocol.TEST)
    params, region = _fit_by_source(jax.random.key(seed), past, ahead, steps)
    test = protocol.daily(table, span, protocol.TEST, protocol.END)
    return {
        "DACF-style network": tiers.dacf(params, test, region),
        "CarbonCast-style CNN-LSTM": tiers.carboncast(params, test, region),
    }


_fit_by_source = jax.jit(lambda key, past, ahead, steps: tiers.fit(key, past, ahead, steps=steps), static_argnums=3)


def without_network(table: windows.Table, span: windows.Span, seeds: Sequence[int], iterations: int) -> dict[str, Any]:
    """Forecasts of one series by the methods of `forecast_baselines`; the boosted trees with weather once a seed."""
    past = protocol.daily(table, span, None, protocol.TEST)
    test = protocol.daily(table, span, protocol.TEST, protocol.END)
    found = {
        "persistence": forecast_baselines.persistence(test),
        "7-day profile": forecast_baselines.weekly_profile(test),
        "ridge": forecast_baselines.fit_ridge(past)(test),
    }
    for weather, name, some in ((False, "boosting", seeds[:1]), (True, "boosting + weather", seeds)):
        for seed in some:
            fitted = forecast_baselines.fit_boosting(past, weather=weather, seed=seed, iterations=iterations)
            found[f"{name}|{seed}"] = fitted(test)
    return found


def mape(forecast: Any, target: Any) -> np.ndarray:
    """MAPE by day, float64 (4,), in per cent."""
    return np.asarray(mape_by_day(jnp.asarray(forecast), jnp.asarray(target)), np.float64)


def issued(region: str, factors: str) -> tuple[np.ndarray, np.ndarray]:
    """CarbonCast's issued first-tier forecasts and their actual values, both (181, 96), g/kWh."""
    frame = pd.read_csv(locate(f"carbon/carboncast_forecasts_2021H2/{region}.csv.gz"))
    column = factors.replace("-", "")
    pairs = [frame.pivot(index="block", columns="lead_h", values=f"{what}_{column}") for what in ("forecast", "actual")]
    return pairs[0].to_numpy(), pairs[1].to_numpy()


class Sizes(NamedTuple):
    """How large the study is."""

    network: ForecastNetwork = protocol.NETWORK
    recipe: ForecastTraining = protocol.RECIPE
    seeds: Sequence[int] = SEEDS
    steps: int = 2000  # of the published networks
    iterations: int = 400  # of the boosted trees


def measure(
    table: windows.Table, spans: list[windows.Span], cache: Cache, sizes: Sizes | None = None
) -> tuple[list[list[Any]], list[list[Any]], list[list[Any]]]:
    """Rows of the three tables: errors, intervals, and our errors against CarbonCast's issued forecasts."""
    sizes = sizes or Sizes()
    seeds, steps, iterations = sizes.seeds, sizes.steps, sizes.iterations
    options = {"network": sizes.network, "recipe": sizes.recipe}
    ours_by_seed = [cache(f"ours_{s}", lambda s=s: ours(s, table, spans, **options)) for s in seeds]
    error_rows, interval_rows, issued_rows = [], [], []
    for span in spans:
        name = span.name
        validation = protocol.daily(table, span, protocol.SELECT, protocol.TEST).target
        target = protocol.daily(table, span, protocol.TEST, protocol.END).target
        calibrated = [_calibrated(run, name, validation, target) for run in ours_by_seed]
        points = [np.asarray(point(daily)) for _, daily in calibrated]
        errors = {"jcenas": [mape(one, target) for one in points]}
        errors[f"jcenas, mean of {len(seeds)} seeds"] = [mape(np.mean(points, axis=0), target)]
        if name in GOALS:
            stored = cache(f"trees_{name}", lambda span=span: without_network(table, span, seeds, iterations))
            for method in ("persistence", "7-day profile", "ridge"):
                errors[method] = [mape(stored[method], target)]
            errors["boosting"] = [mape(stored[f"boosting|{seeds[0]}"], target)]
            errors["boosting + weather"] = [mape(stored[f"boosting + weather|{seed}"], target) for seed in seeds]
            runs = [cache(f"tiers_{name}_{s}", lambda span=span, s=s: by_source(s, table, span, steps)) for s in seeds]
            for method in runs[0]:
                errors[method] = [mape(run[method], target) for run in runs]
            goal = GOALS[name]
            error_rows.append([name, "goal", *(f"≤ {value:.1f}" for value in goal), "-"])
            for method, values in errors.items():
                error_rows.append([name, method, *_cells(values)])
            over = np.mean(errors["jcenas"], axis=0)[:3] - goal
            error_rows.append([name, "jcenas above the goal", *(f"{value:+.2f}" for value in over), "-"])
        interval_rows.append(_interval_row(name, calibrated, ours_by_seed, target))
        region, factors = name.split(" ")
        if region in ISSUED and target.shape[0] == 181:
            theirs, actual = issued(region, factors)
            both = np.mean([mape(one, actual) for one in points], axis=0), mape(theirs, actual)
            issued_rows.append([name, "CarbonCast, issued", *(f"{value:.2f}" for value in both[1])])
            issued_rows.append([name, "jcenas, same actual values", *(f"{value:.2f}" for value in both[0])])
            issued_rows.append([name, "jcenas, its own series", *_cells(errors["jcenas"])])
    return error_rows, interval_rows, issued_rows


def _calibrated(run: dict[str, np.ndarray], name: str, validation: jax.Array, target: jax.Array) -> tuple[Any, Any]:
    """Test quantiles of one run, calibrated once and calibrated daily."""
    parts = (jnp.asarray(run[f"{name}|{field}"]) for field in ("validation", "test"))
    fitted = protocol.Fitted(*parts, share=float(run[f"{name}|share"]))
    once = protocol.calibrate_once(fitted, validation)
    return once, protocol.calibrate_daily(fitted, validation, target)


def _interval_row(
    name: str, calibrated: list[tuple[Any, Any]], runs: list[dict[str, np.ndarray]], target: Any
) -> list[Any]:
    log_target = log_intensity(target)
    covers = [
        100 * np.mean([losses.coverage(q[i][..., 0], q[i][..., -1], log_target) for q in calibrated]) for i in (0, 1)
    ]
    pinball = np.mean([losses.pinball(jnp.exp(q[1]), target).mean() for q in calibrated])
    share = np.mean([float(run[f"{name}|share"]) for run in runs])
    return [name, f"{covers[0]:.1f}", f"{covers[1]:.1f}", f"{pinball:.2f}", f"{share:.2f}"]


def _cells(values: list[np.ndarray]) -> list[str]:
    """Mean, and with several seeds their standard deviation, of MAPE by day."""
    mean, spread = np.mean(values, axis=0), np.std(values, axis=0)
    return [f"{m:.2f} ± {s:.2f}" if len(values) > 1 else f"{m:.2f}" for m, s in zip(mean, spread, strict=True)]


PROTOCOL = (
    "Origins 00:00 UTC, July to December 2021, 96 h ahead; fitted to data before July 2021, choices made on January to "
    "June 2021; mean ± standard deviation of 3 seeds where a method has a seed."
)
WEATHER = (
    "Weather columns hold one value an hour, apparently the shortest-lead GFS forecast: days 2 to 4 see fresher "
    "weather than a real 96-hour forecast. All methods with weather see the same."
)


def main(arguments: Sequence[str] | None = None) -> tuple[list[list[Any]], ...]:
    """Measure, record unless `--smoke`, and return the rows of the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a made-up grid, a few steps; records nothing")
    parser.add_argument("--cache", type=pathlib.Path, default=None, help="folder for the forecasts of finished methods")
    given = parser.parse_args(arguments)
    if given.smoke:
        table, spans = toy_regions()
        network = ForecastNetwork(zones=1, width=16, layers=1, own_scale=False)
        recipe = ForecastTraining(steps=4, chunk_steps=2, batch_size=8)
        sizes = Sizes(network=network, recipe=recipe, seeds=(0,), steps=4, iterations=4)
        tables = measure(table, spans, Cache(given.cache), sizes)
    else:
        tables = measure(*protocol.read_regions(), Cache(given.cache))
        _record(*tables)
    for rows in tables:
        for row in rows:
            sys.stdout.write("  ".join(str(cell) for cell in row) + "\n")
    return tables


def _record(errors: list[list[Any]], intervals: list[list[Any]], against: list[list[Any]]) -> None:
    command = "JCENAS_DATA=FOLDER python -m experiments.forecast.error"
    recording.record(
        "forecast_error",
        title="Carbon-intensity forecasts, July to December 2021",
        command=command,
        columns=["series", "forecast", *DAYS],
        rows=errors,
        expected="the rows called goal",
        notes=[
            PROTOCOL,
            "jcenas: transformer over all regions, blended in log intensity with a ridge regression of each series. "
            "DACF-style and CarbonCast-style: our networks of the published shapes.",
            "ridge: a plain one (lags, weather differences); the one inside jcenas has more inputs.",
            WEATHER,
        ],
    )
    recording.record(
        "forecast_intervals",
        title="Calibration of the 90 % intervals, July to December 2021",
        command=command,
        columns=[
            "series",
            "calibrated once, covers %",
            "calibrated daily, covers %",
            "pinball, g/kWh",
            "network's share",
        ],
        rows=intervals,
        expected="88 to 92 %",
        notes=[
            PROTOCOL,
            "Once: on January to June 2021. Daily: on the last 180 origins whose four days were over, as in use. "
            "Pinball: mean over the 7 levels and all hours, calibrated daily.",
        ],
    )
    recording.record(
        "forecast_issued",
        title="Against the forecasts that CarbonCast issued (first tier), identical windows",
        command=command,
        columns=["series", "forecast", *DAYS],
        rows=against,
        expected="ahead on every series and day",
        notes=[
            "Actual values are those of CarbonCast's file; they differ from our series where the sources were revised "
            "(CISO by 5 g/kWh on average), so our errors on our own series are given too.",
            "CarbonCast's German and Swedish forecasts had the operators' own day-ahead forecasts of wind and sun, "
            "which are not in the data.",
            WEATHER,
        ],
    )


if __name__ == "__main__":
    main()

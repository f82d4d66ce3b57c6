"""Fit the typical-year model of every zone and write jcenas/carbon/data/typical_year.npz (statistics only, <= 300 kB).

Command: JCENAS_DATA=FOLDER python -m experiments.forecast.fit_typical_year
Data: hourly life-cycle carbon intensity by Electricity Maps (ODbL 1.0): 2022 of 123 zones, 2021-2024 of nine. Zones
whose intensity is constant are left out. Expected: 121 zones. Cost: some seconds on one core.
"""

import datetime

import jax
import numpy as np
import pandas as pd
from scipy.optimize import nnls
from scipy.stats import norm

from jcenas.carbon import generator, process, zones
from jcenas.carbon.year_statistics import MEAN_STEP_G_PER_KWH, calendar
from jcenas.tables.store import locate

WIDE = "carbon/emaps_2022_hourly_123zones_wide.csv.gz"
LONG = ["AU-NSW", "CA-ON", "DE-LU", "KR", "SG", "US-CAL-CISO", "US-MIDA-PJM", "US-NY-NYIS", "US-TEX-ERCO"]
MAX_LAG = 336
LEVELS = norm.cdf(np.linspace(-3.5, 3.5, 29))  # probabilities at which the distribution is kept
VOLATILITIES = np.arange(0.0, 1.51, 0.15)
YEARS = 4  # simulated for each trial
MIN_STD = 0.5  # gCO2eq/kWh over the whole period; below, the zone has a constant factor and no dynamics


def read_all() -> dict[str, tuple[datetime.datetime, np.ndarray, str]]:
    """Begin, hourly intensities and period of every zone."""
    wide = pd.read_csv(locate(WIDE), index_col="datetime_utc", parse_dates=True)
    series = {str(zone): (wide.index, wide[zone], "2022") for zone in wide.columns}
    for zone in LONG:
        frame = pd.read_csv(locate(f"carbon/emaps_2021-2024/{zone}.csv.gz"), index_col="datetime_utc", parse_dates=True)
        series[zone] = (frame.index, frame["ci_lca_gCO2_per_kWh"], "2021-2024")
    traces = {}
    for zone, (index, values, years) in series.items():
        assert (np.diff(index) == np.timedelta64(1, "h")).all(), zone
        if values.std() >= MIN_STD:
            traces[zone] = (index[0].to_pydatetime().replace(tzinfo=datetime.UTC), values.to_numpy(float), years)
    return traces


def cell_means(values: np.ndarray, cells: tuple[np.ndarray, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Mean of the values (T,) in each cell of the calendar; `shape` is that of the table."""
    flat = np.ravel_multi_index(cells, shape)
    counts = np.bincount(flat, minlength=np.prod(shape))
    return (np.bincount(flat, values, np.prod(shape)) / counts).reshape(shape)


def autocorrelation(x: np.ndarray, max_lag: int) -> np.ndarray:
    """Sample autocorrelation of x (T,) at lags 0..max_lag."""
    x = x - x.mean()
    spectrum = np.abs(np.fft.rfft(x, 2 * x.size)) ** 2
    covariance = np.fft.irfft(spectrum)[: max_lag + 1]
    return covariance / covariance[0]


def part_weights(target: np.ndarray, volatility: float) -> np.ndarray:
    """Non-negative weights (K,), sum 1, whose autocorrelation is nearest to the target at lags 0..MAX_LAG."""
    basis = process.autocovariance(np.arange(target.size), volatility)
    importance = np.ones(target.size)
    importance[1:7] = 10.0  # how rough a day is
    importance[[24, 168]] = 6.0
    importance[0] = 100.0  # unit variance
    weights, _ = nnls(basis * importance[:, None], target * importance)
    return weights / weights.sum()


def daily_range(x: np.ndarray) -> float:
    """Mean over days of (largest - smallest) of hourly values (..., T)."""
    days = x[..., : x.shape[-1] // 24 * 24].reshape(-1, 24)
    return float(np.ptp(days, axis=1).mean())


simulate = jax.jit(jax.vmap(generator.residual, in_axes=(0, None, None, None)), static_argnums=3)


def fit(start: datetime.datetime, values: np.ndarray) -> dict[str, np.ndarray]:
    """Statistics of one zone; the volatility is the one whose simulated years have the real mean daily range."""
    cells = calendar(start, values.size)
    mean = cell_means(values, cells, (12, 24, 2))
    residual = values - mean[cells]
    # No correction for the degrees of freedom: variance of the means + variance of the residual = variance of the data.
    scale = np.sqrt(cell_means(residual**2, cells[:2], (12, 24)))
    standard = np.clip(residual / np.maximum(scale[cells[:2]], 1e-6), -8, 8)
    target, quantiles = autocorrelation(standard, MAX_LAG), np.quantile(standard, LEVELS)
    year = tuple(part[: 365 * 24] for part in cells)
    keys = jax.random.split(jax.random.key(0), YEARS)  # the same draws for every volatility

    def trial(volatility: float) -> tuple[float, dict[str, np.ndarray]]:
        weights = part_weights(target, volatility)
        g = np.asarray(simulate(keys, weights.astype(np.float32), np.float32(volatility), 365 * 24))
        knots = np.quantile(np.concatenate((g, -g)), LEVELS)  # the process is symmetric; a few years of it are not
        years = mean[year] + scale[year[:2]] * np.interp(g, knots, quantiles)
        found = {"knots": knots, "weights": weights, "volatility": np.array(volatility)}
        return abs(daily_range(years) / daily_range(values) - 1), found

    _, best = min((trial(volatility) for volatility in VOLATILITIES), key=lambda one: one[0])
    return {"mean": mean, "scale": scale, "quantiles": quantiles, **best}


def main() -> None:
    traces = read_all()
    names = sorted(traces)
    fits = [fit(*traces[name][:2]) for name in names]
    stack = {field: np.stack([one[field] for one in fits]) for field in fits[0]}
    zones.FILE.parent.mkdir(exist_ok=True)
    np.savez_compressed(
        zones.FILE,
        zones=np.array(names),
        years=np.array([traces[name][2] for name in names]),
        attribution=np.array(f"Statistics of hourly life-cycle carbon intensity by {zones.ATTRIBUTION}"),
        mean=np.round(stack["mean"] / MEAN_STEP_G_PER_KWH).astype(np.uint16),
        scale=np.round(stack["scale"] / MEAN_STEP_G_PER_KWH).astype(np.uint16),
        knots=stack["knots"].astype(np.float32),
        quantiles=stack["quantiles"].astype(np.float16),
        weights=stack["weights"].astype(np.float32),
        volatility=stack["volatility"].astype(np.float32),
    )
    print(f"{len(names)} zones, {zones.FILE.stat().st_size} bytes -> {zones.FILE.name}")


if __name__ == "__main__":
    main()

"""Fit the typical-year model of every zone and write jcenas/carbon/data/typical_year.npz (statistics only, <= 300 kB).

Command: JCENAS_DATA=FOLDER python experiments/fit_typical_year.py
Data: hourly life-cycle carbon intensity by Electricity Maps (ODbL 1.0): 2022 of 123 zones, 2021-2024 of nine. Zones
whose intensity is constant are left out. Expected: 121 zones. Cost: some seconds on one core.
"""

import datetime

import numpy as np
import pandas as pd
from scipy.optimize import nnls
from scipy.stats import norm

from jcenas.carbon import zones
from jcenas.carbon.typical_year import MEAN_STEP_G_PER_KWH, SCORES, calendar, oscillators
from jcenas.tables.store import locate

WIDE = "carbon/emaps_2022_hourly_123zones_wide.csv.gz"
LONG = ["AU-NSW", "CA-ON", "DE-LU", "KR", "SG", "US-CAL-CISO", "US-MIDA-PJM", "US-NY-NYIS", "US-TEX-ERCO"]
MAX_LAG = 336
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


def oscillator_weights(target: np.ndarray) -> np.ndarray:
    """Non-negative weights, sum 1, whose autocorrelation is nearest to the target at lags 0..MAX_LAG."""
    damping, rotation = oscillators()
    lags = np.arange(target.size)[:, None]
    basis = damping**lags * np.cos(rotation * lags)
    importance = np.ones(target.size)
    importance[[1, 2, 24, 168]] = 6.0  # the lags that the model is judged by
    importance[0] = 100.0  # unit variance
    weights, _ = nnls(basis * importance[:, None], target * importance)
    return weights / weights.sum()


def fit(start: datetime.datetime, values: np.ndarray) -> dict[str, np.ndarray]:
    """Statistics of one zone."""
    month, hour, weekend = calendar(start, values.size)
    mean = cell_means(values, (month, hour, weekend), (12, 24, 2))
    residual = values - mean[month, hour, weekend]
    # 12 * 24 * 2 means were taken out: the residual's variance is corrected for the degrees of freedom.
    lost = values.size / (values.size - mean.size)
    scale = np.sqrt(cell_means(residual**2, (month, hour), (12, 24)) * lost)
    standard = residual * np.sqrt(lost) / np.maximum(scale[month, hour], 1e-6)
    ranks = standard.argsort().argsort()
    scores = norm.ppf((ranks + 0.5) / values.size)
    return {
        "mean": mean,
        "scale": scale,
        "quantiles": np.quantile(standard, norm.cdf(SCORES)),
        "weights": oscillator_weights(autocorrelation(scores, MAX_LAG)),
    }


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
        quantiles=stack["quantiles"].astype(np.float16),
        weights=stack["weights"].astype(np.float32),
    )
    print(f"{len(names)} zones, {zones.FILE.stat().st_size} bytes -> {zones.FILE.name}")


if __name__ == "__main__":
    main()

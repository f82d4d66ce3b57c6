"""The forecasts to beat that need no network: persistence, 7-day profile, ridge, gradient boosting (scikit-learn).

All see the same windows as the networks (`jcenas.carbon.forecast.windows`) and answer g/kWh, float64 (n, 96).
"""

from collections.abc import Callable

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from jcenas.carbon.forecast import features
from jcenas.carbon.forecast.windows import Windows

HOURS = 24
Forecast = Callable[[Windows], np.ndarray]


def persistence(windows: Windows) -> np.ndarray:
    """Yesterday, repeated."""
    return np.tile(_past(windows)[:, -HOURS:], (1, features.HORIZON_H // HOURS))


def weekly_profile(windows: Windows) -> np.ndarray:
    """Mean of the past seven days at each hour of the day, repeated."""
    days = _past(windows).reshape(len(windows.target), -1, HOURS)
    return np.tile(days.mean(axis=1), (1, features.HORIZON_H // HOURS))


def fit_ridge(windows: Windows, penalty: float = 30.0) -> Forecast:
    """Ridge regression of the 96 log intensities on the past week, the calendar and the weather, all standardised."""
    x, level = _flat(windows)
    y = np.log(np.asarray(windows.target, np.float64)) - level
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    z, centre = (x - mean) / scale, y.mean(axis=0)
    weights = np.linalg.solve(z.T @ z + penalty * len(z) ** 0.5 * np.eye(z.shape[1]), z.T @ (y - centre))

    def forecast(windows: Windows) -> np.ndarray:
        x, level = _flat(windows)
        return np.exp((x - mean) / scale @ weights + centre + level)

    return forecast


def fit_boosting(windows: Windows, *, weather: bool, seed: int = 0, iterations: int = 400) -> Forecast:
    """One histogram gradient booster over all hours ahead, squared error of g/kWh, on lags, calendar and weather."""
    model = HistGradientBoostingRegressor(
        max_iter=iterations, learning_rate=0.05, max_leaf_nodes=31, min_samples_leaf=40, l2_regularization=1.0,
        max_features=0.5, early_stopping=False, random_state=seed,
    )  # fmt: skip
    model.fit(_rows(windows, weather), np.asarray(windows.target, np.float64).ravel())
    return lambda windows: model.predict(_rows(windows, weather)).reshape(windows.target.shape)


def _past(windows: Windows) -> np.ndarray:
    return np.asarray(windows.history[..., features.INTENSITY], np.float64)


def _flat(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, p) for the ridge, and the log level (n, 1) of each window; unknown weather becomes 0."""
    log_past = np.log(np.maximum(_past(windows), 1.0))
    level = log_past.mean(axis=1, keepdims=True)
    past_weather = np.asarray(windows.history[..., features.PAST_WEATHER], np.float64)
    weather = np.asarray(windows.known[..., features.FUTURE_WEATHER], np.float64)
    profile = past_weather.reshape(len(level), -1, HOURS, weather.shape[-1]).mean(axis=1)
    weather = weather - np.tile(profile, (1, features.HORIZON_H // HOURS, 1))
    weather = weather.reshape(len(level), -1, 3, weather.shape[-1]).mean(axis=2)  # means of three hours
    days = log_past.reshape(len(level), -1, HOURS) - level[..., None]
    parts = [days[:, -2:].reshape(len(level), -1), days.mean(axis=1), days.mean(axis=2)]
    parts += [np.asarray(windows.known[:, ::HOURS, 4:7]).reshape(len(level), -1)]
    return np.concatenate([*parts, np.nan_to_num(weather).reshape(len(level), -1)], axis=1), level


def _rows(windows: Windows, weather: bool) -> np.ndarray:
    """One row for every hour ahead, (n * 96, p)."""
    past = _past(windows)
    n, horizon = windows.target.shape
    days = past.reshape(n, -1, HOURS)
    lead = np.arange(horizon)
    same_hour = days[:, :, lead % HOURS]  # (n, 7, 96)
    known = np.asarray(windows.known, np.float64)
    constant = np.stack([past[:, -1], past[:, -3:].mean(axis=1), past[:, -HOURS:].mean(axis=1), past.mean(axis=1)], 1)
    columns = [
        np.moveaxis(same_hour, 1, 2),
        same_hour.mean(axis=1)[..., None],
        np.repeat(constant[:, None], horizon, axis=1),
        known[..., : features.FUTURE_WEATHER.start],
        np.broadcast_to(lead[None, :, None], (n, horizon, 1)),
    ]
    if weather:
        future = known[..., features.FUTURE_WEATHER]
        before = np.asarray(windows.history[..., features.PAST_WEATHER], np.float64).reshape(n, -1, HOURS, 5)
        day = future.reshape(n, -1, HOURS, 5).mean(axis=2).repeat(HOURS, axis=1)
        yesterday, week = before[:, -1][:, lead % HOURS], before.mean(axis=1)[:, lead % HOURS]
        columns += [future, day, future - yesterday, future - week]
    return np.concatenate(columns, axis=2).reshape(n * horizon, -1)

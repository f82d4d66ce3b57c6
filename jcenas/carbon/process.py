"""The random part of the typical year: a Gaussian process with stochastic volatility. Its definition, in NumPy.

The process is a sum of K independent parts with unit variance each, weighted to unit variance together:

- Matérn-3/2 parts, autocovariance (1 + l/T) exp(-l/T) at lag l: smooth from hour to hour (demand, sun, ramps);
- Ornstein-Uhlenbeck parts, exp(-l/T): rough, and slow (weather systems, plants out of service, the season);
- rotating parts, exp(-l/T) cos(2 pi l / P) with P = 24 h and 12 h: patterns of the day that come and go.

All but the slow parts are multiplied by a volatility exp(s V - s^2), V an Ornstein-Uhlenbeck process of 24 h: some
days are calm and some are wild. Its second moment is 1, so it leaves the variance alone, and it multiplies the
autocovariance of the parts by exp(-s^2 (1 - exp(-l/24))). Without it, daily ranges are about 15 % too wide.

Every part is a two-dimensional linear state z' = A z + L e whose stationary covariance is the identity (the state-space
form of Gaussian processes: Hartikainen & Särkkä 2010).
"""

import numpy as np

MATERN_H = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
SLOW_H = (96.0, 192.0, 384.0, 768.0)
ROUGH_H = (3.0, 12.0, 24.0, 48.0)
ROTATING_H = ((24.0, 24.0), (96.0, 24.0), (384.0, 24.0), (24.0, 12.0), (96.0, 12.0), (384.0, 12.0))  # decay, period
VOLATILITY_H = 24.0

N_PARTS = len(MATERN_H) + len(ROUGH_H) + len(ROTATING_H) + len(SLOW_H)
IS_VOLATILE = np.arange(N_PARTS) < N_PARTS - len(SLOW_H)  # (K,) bool, True where the volatility acts


def autocovariance(lags: np.ndarray, volatility: float) -> np.ndarray:
    """Autocovariance of each part at lags (L,) in hours, float64 (L, K), volatility included."""
    lags = np.asarray(lags, np.float64)
    columns = [(1 + lags / t) * np.exp(-lags / t) for t in MATERN_H]
    columns += [np.exp(-lags / t) for t in ROUGH_H]
    columns += [np.exp(-lags / t) * np.cos(2 * np.pi * lags / period) for t, period in ROTATING_H]
    columns += [np.exp(-lags / t) for t in SLOW_H]
    damped = np.exp(-(volatility**2) * (1 - np.exp(-lags / VOLATILITY_H)))
    return np.stack(columns, axis=1) * np.where(IS_VOLATILE, damped[:, None], 1.0)


def transitions() -> tuple[np.ndarray, np.ndarray]:
    """A and L of every part for a step of one hour, float64 (K, 2, 2) each; A A' + L L' is the identity."""
    eye = np.eye(2)
    steps = [np.exp(-1 / t) * (eye + np.array([[1, 1], [-1, -1]]) / t) for t in MATERN_H]
    steps += [np.exp(-1 / t) * eye for t in ROUGH_H]
    for t, period in ROTATING_H:
        c, s = np.cos(2 * np.pi / period), np.sin(2 * np.pi / period)
        steps.append(np.exp(-1 / t) * np.array([[c, -s], [s, c]]))
    steps += [np.exp(-1 / t) * eye for t in SLOW_H]
    a = np.stack(steps)
    return a, np.linalg.cholesky(eye - a @ a.transpose(0, 2, 1))

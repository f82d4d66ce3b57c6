"""Forecasts of carbon intensity, 96 hours ahead, with calibrated quantiles. Names are loaded on first use."""

import importlib
from typing import Any

_HOME = {
    "ForecastNetwork": "network",
    "ForecastTraining": "training",
    "Forecaster": "forecaster",
    "TraceForecast": "predict",
    "backtest": "predict",
    "default_forecaster": "weights",
    "forecast": "forecaster",
    "forecast_trace": "predict",
    "train_on_trace": "adapt",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module (PEP 562)."""
    if name in _HOME:
        return getattr(importlib.import_module(f"jcenas.carbon.forecast.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

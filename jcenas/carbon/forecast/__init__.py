"""Forecasts of carbon intensity, 96 hours ahead, with calibrated quantiles. Names are loaded on first use."""

from typing import TYPE_CHECKING

from jcenas.runtime.exports import lazy_exports

if TYPE_CHECKING:
    from jcenas.carbon.forecast.adapt import train_on_trace as train_on_trace
    from jcenas.carbon.forecast.forecaster import Forecaster as Forecaster
    from jcenas.carbon.forecast.forecaster import forecast as forecast
    from jcenas.carbon.forecast.network import ForecastNetwork as ForecastNetwork
    from jcenas.carbon.forecast.predict import TraceForecast as TraceForecast
    from jcenas.carbon.forecast.predict import backtest as backtest
    from jcenas.carbon.forecast.predict import forecast_trace as forecast_trace
    from jcenas.carbon.forecast.training import ForecastTraining as ForecastTraining
    from jcenas.carbon.forecast.weights import default_forecaster as default_forecaster
else:
    __all__, __getattr__, __dir__ = lazy_exports(__name__)

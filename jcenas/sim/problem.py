"""What a simulated search is about: the benchmark (shared by all searches) and the scenario (one search's numbers).

Every number here is an array, so another budget, trace, table or accounting of the same shapes compiles nothing.

Letters: N architectures, d variables, m objectives, H intervals, W past hours, L hours of forecast, q quantiles.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jcenas.carbon.power import PowerModel
from jcenas.engine.predictor import Inputs
from jcenas.errors import InputError
from jcenas.moo import hypervolume
from jcenas.sim.cluster import Power
from jcenas.sim.inputs import inputs_of
from jcenas.tables.table import Table

RELEASED_KW = 1.0  # of an evaluating device in CE-NAS's released simulator; scoring and idling are free there


class Benchmark(struct.PyTreeNode):
    """A table with the columns that a search uses."""

    genomes: jax.Array  # (N, d) int32
    objectives: jax.Array  # (N, m) float32, minimised; the first is the error in %
    estimate: jax.Array  # (N,) float32, cheap estimate of the first objective, %
    inputs: Inputs  # what the predictor sees of each architecture
    noise: jax.Array  # (N,) float32, standard deviation of the first objective over seeds, %
    train_seconds: jax.Array  # (N,) float32
    reference: jax.Array  # (m,) float32
    largest: jax.Array  # () float32, hypervolume of the whole table


class Scenario(struct.PyTreeNode):
    """Grid, budgets and costs of one search."""

    intensity: jax.Array  # (H,) float32, gCO2eq/kWh of every interval
    past: jax.Array  # (W,) float32, of the hours before the search, the latest last
    forecast: jax.Array  # (H, L, q) float32, issued in each interval for it and the following ones; ascending in q
    use_past: jax.Array  # () bool, whether the heuristics' window holds the past W hours
    use_forecast: jax.Array  # () bool, whether it holds the L hours of the forecast's median
    interval_s: jax.Array  # () float32
    duration_s: jax.Array  # () float32, time budget; at most H intervals
    carbon_budget_g: jax.Array  # () float32, inf for none
    power: Power
    switch_s: jax.Array  # () float32, seconds that a device loses when it changes stage
    score_s: jax.Array  # () float32, device-seconds to score one proposal
    supernet_s: jax.Array  # () float32, device-seconds of supernet training before the search
    train_unscored: jax.Array  # () bool, whether devices without a scored proposal train unscored ones
    noise_scale: jax.Array  # () float32, 0: evaluations give the mean over seeds


def released_power() -> Power:
    """The accounting of CE-NAS's released simulator: 1 kW for each device that trains, everything else free."""
    one, zero = jnp.float32(RELEASED_KW), jnp.float32(0.0)
    return Power(training_kw=one, scoring_kw=zero, idle_kw=zero, switching_kw=zero)


def full_power(model: PowerModel | None = None) -> Power:
    """The accounting of everything: training, scoring, idling and switching (as training), with PUE."""
    model = model or PowerModel()
    kw = lambda watts: jnp.float32(watts * model.pue / 1000)
    return Power(
        training_kw=kw(model.training_w),
        scoring_kw=kw(model.scoring_w),
        idle_kw=kw(model.idle_w),
        switching_kw=kw(model.training_w),
    )


def make_benchmark(
    table: Table, *, error: str = "error", cost: str, reference, estimate: str | None = None, seconds_scale: float = 1.0
) -> Benchmark:
    """Choose a table's columns.

    Args:
      table: the benchmark.
      error: column of the first objective.
      cost: column of the second objective.
      reference: (2,) of the hypervolume.
      estimate: column of cheap estimates of the error; None: there is none, so every estimate is 50 %.
      seconds_scale: factor on the training times.

    Raises:
      InputError: a column is missing or incomplete, or no architecture lies within the reference.
    """
    objectives = table.objectives((error, cost))
    target = jnp.asarray(reference, jnp.float32)
    largest = hypervolume(objectives, target)
    if float(largest) <= 0:
        raise InputError(f"table {table.name}: no architecture has {error} and {cost} below {tuple(reference)}")
    guess = jnp.full(table.size, 50.0, jnp.float32) if estimate is None else table.column(estimate)
    noise = table.column("noise") if "noise" in table.columns else jnp.zeros(table.size, jnp.float32)
    seconds = table.column("train_seconds") * seconds_scale
    if not float(jnp.min(seconds)) > 0:
        raise InputError(f"table {table.name}: a training takes {float(jnp.min(seconds)):g} s; it must take some time")
    return Benchmark(table.genomes, objectives, guess, inputs_of(table), noise, seconds, target, largest)


def most_evaluations(benchmark: Benchmark, device_seconds: float) -> int:
    """How many distinct trainings fit into so many device-seconds if the shortest come first: never exceeded."""
    seconds = np.sort(np.asarray(benchmark.train_seconds, np.float64))
    return int(np.searchsorted(np.cumsum(seconds), device_seconds, side="right"))


def make_scenario(
    intensity,
    *,
    past=None,
    forecast=None,
    hours: float | None = None,
    interval_s: float = 3600.0,
    carbon_budget_g: float = float("inf"),
    power: Power | None = None,
    switch_s: float = 0.0,
    score_s: float = 5.0,
    supernet_s: float = 0.0,
    train_unscored: bool = True,
    noise_scale: float = 0.0,
    use_past: bool = True,
    use_forecast: bool = False,
    lead: int = 24,
) -> Scenario:
    """Build one scenario from plain numbers; see `Scenario` for the fields.

    Args:
      intensity: gCO2eq/kWh of every interval, (H,).
      past: of the hours before, (W,); default: 24 times the first.
      forecast: quantiles (H, L, q); default: persistence, each hour as 24 hours before (three equal quantiles).
      hours: time budget in hours; default: all H intervals.
      interval_s: length of an interval.
      carbon_budget_g: gCO2eq; inf for none.
      power: accounting; default: `full_power()`.
      switch_s: seconds that a change of stage costs a device.
      score_s: device-seconds to score one proposal.
      supernet_s: device-seconds of supernet training up front.
      train_unscored: whether devices without a scored proposal train unscored ones.
      noise_scale: 1: evaluations scatter as over seeds; 0: they give the mean.
      use_past: whether the heuristics' window holds the past.
      use_forecast: whether it holds the forecast.
      lead: L of the default forecast.

    Raises:
      InputError: a budget is not positive, the trace is shorter than the time budget, or the forecast's shape is off.
    """
    intensity = np.asarray(intensity, np.float32)
    past = np.full(24, intensity[0], np.float32) if past is None else np.asarray(past, np.float32)
    limit = len(intensity) * interval_s
    duration = limit if hours is None else hours * 3600.0
    if not 0 < duration <= limit + 1e-3:
        raise InputError(
            f"a search of {duration / 3600:g} h needs a trace of that length, this one has {limit / 3600:g} h"
        )
    if not carbon_budget_g > 0:
        raise InputError(f"a carbon budget of {carbon_budget_g:g} g pays nothing; give a positive one")
    if forecast is None:
        forecast = persistence(intensity, past, lead)
    forecast = np.asarray(forecast, np.float32)
    if forecast.ndim != 3 or len(forecast) != len(intensity):
        raise InputError(
            f"forecasts of shape {forecast.shape} do not fit {len(intensity)} intervals; (H, L, q) is wanted"
        )
    real, flag = (lambda x: jnp.asarray(x, jnp.float32)), (lambda x: jnp.asarray(x, bool))
    return Scenario(
        intensity=real(intensity),
        past=real(past),
        forecast=real(forecast),
        use_past=flag(use_past),
        use_forecast=flag(use_forecast),
        interval_s=real(interval_s),
        duration_s=real(min(duration, limit)),
        carbon_budget_g=real(carbon_budget_g),
        power=power or full_power(),
        switch_s=real(switch_s),
        score_s=real(score_s),
        supernet_s=real(supernet_s),
        train_unscored=flag(train_unscored),
        noise_scale=real(noise_scale),
    )


def persistence(intensity: np.ndarray, past: np.ndarray, lead: int) -> np.ndarray:
    """Forecast (H, lead, 3) that every coming hour is as the same hour of the day before; the hour itself is known."""
    series = np.concatenate([past, intensity])
    first = len(past)
    rows = []
    for h in range(len(intensity)):
        lags = np.arange(lead)
        back = first + h + lags - 24 * (1 + (lags - 1) // 24)
        values = series[np.clip(back, 0, first + h)]
        values[0] = intensity[h]
        rows.append(values)
    return np.repeat(np.stack(rows)[:, :, None], 3, axis=2).astype(np.float32)

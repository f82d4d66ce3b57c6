"""The problem of a simulated search: the benchmark (shared by all searches) and the scenario (one search's numbers).

Every number here is an array, so another budget, trace, table or accounting of the same shapes compiles nothing.

Letters: N architectures, d variables, m objectives, H hours, W past hours, L hours of forecast, q quantiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jcenas.carbon.power import PowerModel
from jcenas.engine.candidates import Inputs
from jcenas.engine.grid import LEAD_H, PAST_H
from jcenas.engine.state import Catalog
from jcenas.errors import InputError
from jcenas.moo import hypervolume, non_dominated
from jcenas.sim.cluster import Power
from jcenas.sim.inputs import inputs_of
from jcenas.tables.table import Table

RELEASED_KW = 1.0  # of an evaluating device in CE-NAS's released simulator; scoring and idling are free there


class Benchmark(struct.PyTreeNode):
    """A table with the columns that a search uses."""

    genomes: jax.Array  # (N, d) int32
    objectives: jax.Array  # (N, m) float32, minimised; the first is the error in %
    estimate: jax.Array  # (N,) float32, cheap estimate of the first objective; smaller is better
    inputs: Inputs  # what the predictor sees of each architecture
    noise: jax.Array  # (N,) float32, standard deviation of the first objective over seeds, %
    train_seconds: jax.Array  # (N,) float32
    reference: jax.Array  # (m,) float32
    largest: jax.Array  # () float32, hypervolume of the whole table

    @property
    def catalog(self) -> Catalog:
        """What is known of the architectures before they are trained."""
        return Catalog(self.genomes, self.objectives[:, 1:], self.estimate, self.inputs, self.train_seconds)


class Scenario(struct.PyTreeNode):
    """The numbers of one search: hourly intensities and forecasts, budgets, powers and costs."""

    intensity: jax.Array  # (H,) float32, gCO2eq/kWh of every hour
    past: jax.Array  # (W,) float32, of the hours before the search, the latest last
    past_known: jax.Array  # (W,) bool, False before all records
    forecast: jax.Array  # (H, L, q) float32, issued in each hour for it and the following ones; ascending in q
    hour_s: jax.Array  # () float32, device-seconds that an hour of the trace lasts
    duration_s: jax.Array  # () float32, time budget; at most H hours
    carbon_budget_g: jax.Array  # () float32, inf for none
    power: Power
    switch_s: jax.Array  # () float32, seconds that a device loses when it changes stage
    score_s: jax.Array  # () float32, device-seconds to score one proposal
    prepare_s: jax.Array  # () float32, device-seconds of supernet training before the search
    train_unscored: jax.Array  # () bool, whether devices without a scored proposal train unscored ones
    noise_scale: jax.Array  # () float32, 0: evaluations give the mean over seeds


def released_power() -> Power:
    """Powers in CE-NAS's released simulator: 1 kW for each device that trains, everything else free."""
    one, zero = jnp.float32(RELEASED_KW), jnp.float32(0.0)
    return Power(training_kw=one, scoring_kw=zero, idle_kw=zero, switching_kw=zero)


def full_power(model: PowerModel | None = None) -> Power:
    """Powers of the full accounting: training, scoring, idling and switching (as training), with PUE."""
    model = model or PowerModel()
    states = ("training", "scoring", "idle", "switching")
    return Power(**{f"{state}_kw": jnp.float32(model.power_kw(state)) for state in states})


def make_benchmark(
    table: Table,
    *,
    error: str = "error",
    cost: str | Sequence[str],
    reference,
    estimate=None,
    seconds_scale: float = 1.0,
) -> Benchmark:
    """Make the benchmark of a search from a table's columns.

    Args:
      table: the benchmark.
      error: column of the first objective.
      cost: column of the second objective, or columns of all but the first.
      reference: (m,) of the hypervolume.
      estimate: cheap estimates of the error, (N,), or the name of their column; None: there are none.
      seconds_scale: factor on the training times.

    Raises:
      InputError: a column is missing or incomplete, or no architecture lies within the reference.
    """
    costs = (cost,) if isinstance(cost, str) else tuple(cost)
    objectives = table.objectives((error, *costs))
    target = jnp.asarray(reference, jnp.float32)
    largest = _largest(objectives, target)
    if float(largest) <= 0:
        named = " and ".join((error, *costs))
        raise InputError(f"table {table.name}: no architecture has {named} below {tuple(reference)}")
    guess = jnp.zeros(table.size, jnp.float32) if estimate is None else estimate
    guess = table.column(guess) if isinstance(guess, str) else jnp.asarray(guess, jnp.float32)
    noise = table.column("noise") if "noise" in table.columns else jnp.zeros(table.size, jnp.float32)
    seconds = table.column("train_seconds") * seconds_scale
    if not float(jnp.min(seconds)) > 0:
        raise InputError(f"table {table.name}: a training takes {float(jnp.min(seconds)):g} s; it must take some time")
    return Benchmark(table.genomes, objectives, guess, inputs_of(table), noise, seconds, target, largest)


def _largest(objectives: jax.Array, reference: jax.Array) -> jax.Array:
    """Hypervolume of all rows (N, m), scalar; of more than two objectives by the front alone: its time is N^(m-1)."""
    if objectives.shape[1] == 2:
        return hypervolume(objectives, reference)
    best = np.asarray(non_dominated(objectives))
    return hypervolume(objectives[np.flatnonzero(best)], reference)


def most_evaluations(benchmark: Benchmark, device_seconds: float) -> int:
    """How many distinct trainings fit into so many device-seconds if the shortest come first: never exceeded."""
    seconds = np.sort(np.asarray(benchmark.train_seconds, np.float64))
    return int(np.searchsorted(np.cumsum(seconds), device_seconds, side="right"))


@dataclass(frozen=True, kw_only=True)
class ScenarioConfig:
    """Budgets and costs of one simulated search.

    Attributes:
      hours: time budget in hours of the trace; None: all of them.
      hour_s: device-seconds that one lasts.
      carbon_budget_g: gCO2eq; inf for none.
      switch_s: seconds that a change of stage costs a device.
      score_s: device-seconds to score one proposal.
      prepare_s: device-seconds of supernet training up front.
      train_unscored: whether devices without a scored proposal train unscored ones.
      noise_scale: 1: evaluations scatter as over seeds; 0: they give the mean.

    Raises:
      InputError: a carbon budget that is not positive.
    """

    hours: float | None = None
    hour_s: float = 3600.0
    carbon_budget_g: float = float("inf")
    switch_s: float = 0.0
    score_s: float = 5.0
    prepare_s: float = 0.0
    train_unscored: bool = True
    noise_scale: float = 0.0

    def __post_init__(self):
        if not self.carbon_budget_g > 0:
            raise InputError(f"a carbon budget of {self.carbon_budget_g:g} g pays nothing; give a positive one")

    def duration_s(self, hours: int) -> float:
        """The time budget on a trace of so many hours, s.

        Raises:
          InputError: the trace is shorter than the time budget.
        """
        limit = hours * self.hour_s
        duration = limit if self.hours is None else self.hours * self.hour_s
        if not 0 < duration <= limit + 1e-3:
            raise InputError(
                f"a search of {duration / self.hour_s:g} h needs a trace of that length, this one has {hours:g} h"
            )
        return min(duration, limit)


def make_scenario(
    intensity,
    config: ScenarioConfig | None = None,
    *,
    past=None,
    past_known=None,
    forecast=None,
    power: Power | None = None,
) -> Scenario:
    """Build one scenario from plain numbers; see `Scenario` for the fields.

    Args:
      intensity: gCO2eq/kWh of every hour, (H,).
      config: budgets and costs; default: those of `ScenarioConfig`.
      past: of the hours before, (W,); default: 24 unknown ones.
      past_known: bool (W,); default: all that were given.
      forecast: quantiles (H, L, q); default: that every coming hour is as the present one.
      power: accounting; default: `full_power()`.

    Raises:
      InputError: the trace is shorter than the time budget, or a shape is off.
    """
    config = config or ScenarioConfig()
    intensity = np.asarray(intensity, np.float32)
    duration_s = config.duration_s(len(intensity))
    past, known = _past(past, past_known)
    if forecast is None:
        forecast = np.tile(intensity[:, None, None], (1, LEAD_H, 3))
    forecast = np.asarray(forecast, np.float32)
    if forecast.ndim != 3 or len(forecast) != len(intensity):
        raise InputError(f"forecasts of shape {forecast.shape} do not fit {len(intensity)} hours; (H, L, q) is wanted")
    return Scenario(
        intensity=jnp.asarray(intensity),
        past=jnp.asarray(past),
        past_known=jnp.asarray(known),
        forecast=jnp.asarray(forecast),
        hour_s=jnp.float32(config.hour_s),
        duration_s=jnp.float32(duration_s),
        carbon_budget_g=jnp.float32(config.carbon_budget_g),
        power=power or full_power(),
        switch_s=jnp.float32(config.switch_s),
        score_s=jnp.float32(config.score_s),
        prepare_s=jnp.float32(config.prepare_s),
        train_unscored=jnp.asarray(config.train_unscored, bool),
        noise_scale=jnp.float32(config.noise_scale),
    )


def _past(past, past_known) -> tuple[np.ndarray, np.ndarray]:
    """The hours before a search, float32 (W,), and which are known, bool (W,); none without `past`."""
    if past is None:
        return np.zeros(PAST_H, np.float32), np.zeros(PAST_H, bool)
    past = np.asarray(past, np.float32)
    known = np.ones(past.shape, bool) if past_known is None else np.asarray(past_known, bool)
    if past.shape != known.shape:
        raise InputError(f"past of shape {past.shape} and past_known of shape {known.shape} are not alike")
    return past, known

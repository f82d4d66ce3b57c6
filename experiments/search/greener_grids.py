"""Held-out grids for the study of greener hours: zones, months, and a forecaster that has seen neither.

The forecaster that ships was trained on all hours of all zones that there are data of, so none is left to test it on.
Its stand-in is trained here by the same recipe on other zones, before July 2022 only. Countries (or areas of the United
States) are taken by their names: of every five the first is tested, the second serves to choose how to plan and to
calibrate, and the other three to train.
"""

import datetime
import pathlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.forecast.protocol import cut
from experiments.forecast.zero_shot import BEGIN, CALIBRATE, END, NETWORK, RECIPE
from experiments.forecast.zones import further_traces, group_of, until, zone_traces
from jcenas.carbon.forecast import weights, windows
from jcenas.carbon.forecast.conformal import fit_scale
from jcenas.carbon.forecast.fit import train
from jcenas.carbon.forecast.forecaster import Forecaster, uncalibrated
from jcenas.carbon.forecast.network import log_intensity
from jcenas.carbon.trace import CarbonTrace

FOLDS = 5
TEST, CHOOSE = 0, 1
HOUR = datetime.timedelta(hours=1)


class Day(NamedTuple):
    """A moment at which somebody starts a job."""

    trace: CarbonTrace  # hourly, the whole series of its zone
    start: datetime.datetime


def zones_of(fold: int) -> dict[str, list[CarbonTrace]]:
    """Hourly life-cycle intensities of the zones of a fold, by country or area."""
    zones = zone_traces()
    chosen = sorted({group_of(zone) for zone in zones})[fold::FOLDS]
    return {group: [zones[zone] for zone in sorted(zones) if group_of(zone) == group] for group in chosen}


def days(zones: Mapping[str, Sequence[CarbonTrace]], count: int, *, hours: int, seed: int) -> list[Day]:
    """Days drawn in July to December 2022: countries in turn, a random zone of each, a random second of the half year.

    Args:
      zones: to draw from, by country.
      count: of the days.
      hours: of the trace that must follow the start.
      seed: of the draw.
    """
    draw = np.random.default_rng(seed)
    names = sorted(zones)
    most = (END - BEGIN) // HOUR - hours
    chosen = []
    for number in range(count):
        start = BEGIN + datetime.timedelta(seconds=int(draw.integers(most * 3600)))
        its = zones[names[number % len(names)]]
        chosen.append(Day(its[int(draw.integers(len(its)))], start))
    return chosen


def forecaster(file: pathlib.Path | None = None, *, seed: int = 0) -> Forecaster:
    """The stand-in, trained now, or read from a file that an earlier call wrote.

    Args:
      file: where it is kept; None keeps it nowhere.
      seed: of its training.
    """
    if file is not None and file.is_file():
        return weights.load(file)
    held = {*zones_of(TEST), *zones_of(CHOOSE)}
    others = [one for one in [*zone_traces().values(), *further_traces()] if group_of(one.zone) not in held]
    known = until(others, BEGIN)
    table, spans = windows.make_table(known, [0] * len(known))
    rows = np.concatenate([windows.origins(span, None, None) for span in spans])
    params = train(jax.random.key(seed), NETWORK, RECIPE, table, rows)
    choose = [trace for its in zones_of(CHOOSE).values() for trace in its]
    table, spans = windows.make_table(choose, [0] * len(choose))
    later = np.concatenate([windows.origins(span, CALIBRATE, BEGIN, every_h=24) for span in spans])
    batch = cut(table, jnp.asarray(later))
    quantiles = jax.jit(jax.vmap(lambda h, k: NETWORK.apply({"params": params}, h, k)))(batch.history, batch.known)
    made = uncalibrated(params, NETWORK).replace(scale=fit_scale(quantiles, log_intensity(batch.target)))
    if file is not None:
        weights.save(file, made, about="for experiments.search.greener_hours; has not seen its zones and months")
    return made

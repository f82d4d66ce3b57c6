"""Held-out grids for the study of greener hours: zones, months, and a forecaster that has seen neither.

The forecaster that ships was trained on all hours of all zones that there are data of, so none is left to test it on.
Its stand-in is trained here by the same recipe on other zones, before July 2022 only. Zones are divided by country (or
area of the United States) into eight folds: the first is tested, the second serves to choose how to plan and to
calibrate, the other six to train.
"""

import datetime
import pathlib
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.forecast.protocol import cut
from experiments.forecast.zero_shot import BEGIN, CALIBRATE, END, NETWORK, RECIPE, fold_of
from experiments.forecast.zones import further_traces, group_of, until, zone_traces
from jcenas.carbon.forecast import weights, windows
from jcenas.carbon.forecast.conformal import fit_scale
from jcenas.carbon.forecast.fit import train
from jcenas.carbon.forecast.forecaster import Forecaster, uncalibrated
from jcenas.carbon.forecast.network import log_intensity
from jcenas.carbon.trace import CarbonTrace

FOLDS = 8
TEST, CHOOSE = 0, 1
HOUR = datetime.timedelta(hours=1)


class Day(NamedTuple):
    """A moment at which somebody starts a job."""

    trace: CarbonTrace  # hourly, the whole series of its zone
    start: datetime.datetime


def zones_of(fold: int) -> dict[str, CarbonTrace]:
    """Hourly life-cycle intensities of the zones of a fold, by name."""
    zones = zone_traces()
    folds = fold_of(list(zones), FOLDS)
    return {zone: trace for zone, trace in zones.items() if folds[zone] == fold}


def days(zones: Mapping[str, CarbonTrace], count: int, *, hours: int, seed: int) -> list[Day]:
    """Days drawn in July to December 2022: zones in turn, a random second of the half year.

    Args:
      zones: to draw from.
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
        chosen.append(Day(zones[names[number % len(names)]], start))
    return chosen


def forecaster(file: pathlib.Path | None = None, *, seed: int = 0) -> Forecaster:
    """The stand-in, trained now, or read from a file that an earlier call wrote.

    Args:
      file: where it is kept; None keeps it nowhere.
      seed: of its training.
    """
    if file is not None and file.is_file():
        return weights.load(file)
    zones = zone_traces()
    folds = fold_of(list(zones), FOLDS)
    held = {group_of(zone) for zone, fold in folds.items() if fold in (TEST, CHOOSE)}
    known = until([one for one in [*zones.values(), *further_traces()] if group_of(one.zone) not in held], BEGIN)
    table, spans = windows.make_table(known, [0] * len(known))
    rows = np.concatenate([windows.origins(span, None, None) for span in spans])
    params = train(jax.random.key(seed), NETWORK, RECIPE, table, rows)
    table, spans = windows.make_table(list(zones_of(CHOOSE).values()), [0] * len(zones_of(CHOOSE)))
    later = np.concatenate([windows.origins(span, CALIBRATE, BEGIN, every_h=24) for span in spans])
    batch = cut(table, jnp.asarray(later))
    quantiles = jax.jit(jax.vmap(lambda h, k: NETWORK.apply({"params": params}, h, k)))(batch.history, batch.known)
    made = uncalibrated(params, NETWORK).replace(scale=fit_scale(quantiles, log_intensity(batch.target)))
    if file is not None:
        weights.save(file, made, about="for experiments.search.greener_hours; has not seen its zones and months")
    return made

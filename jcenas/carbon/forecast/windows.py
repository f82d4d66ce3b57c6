"""Many zones' series end to end on the device, and the windows cut from them; strict splits by time.

An origin is a row of the table: the forecast is made at its begin, so the window [origin - 168, origin) is known and
[origin, origin + 96) is the target. A split is a list of origins; `origins` gives those whose *target* lies inside a
period, so that a training split never contains an hour that another split tests.
"""

import datetime
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jcenas.carbon.forecast.features import HISTORY, HORIZON_H, INTENSITY, KNOWN, WINDOW_H, columns
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError

UNKNOWN_ZONE = 0


class Table(struct.PyTreeNode):
    """All series end to end. Letters: N rows (hours of all zones), f = 16 and g = 12 columns of `features`."""

    history: jax.Array  # (N, f) float32
    known: jax.Array  # (N, g) float32
    zone: jax.Array  # (N,) int32, number of the zone from 1 on; 0 is an unknown one


class Windows(NamedTuple):
    """A batch of windows. Letters: B windows, w = 168, h = 96."""

    history: jax.Array  # (B, w, f) float32, NaN where unknown
    known: jax.Array  # (B, h, g) float32, NaN where unknown
    zone: jax.Array  # (B,) int32
    target: jax.Array  # (B, h) float32, gCO2eq/kWh


class Span(NamedTuple):
    """Rows of one series in the table, and when it starts."""

    name: str
    first: int  # row
    start: datetime.datetime
    hours: int


def make_table(traces: Sequence[CarbonTrace], zones: Sequence[int]) -> tuple[Table, list[Span]]:
    """Put hourly traces end to end.

    Args:
      traces: the series.
      zones: number of the zone of each; series of one zone (direct and life-cycle, say) may share a number.

    Raises:
      InputError: if a trace is not hourly, or there is none.
    """
    if not traces:
        raise InputError("no trace to make windows from; give at least one")
    parts = [columns(trace) for trace in traces]
    lengths = [len(trace) for trace in traces]
    firsts = np.concatenate(([0], np.cumsum(lengths)))
    spans = [
        Span(f"{trace.zone} {trace.factors}", int(first), trace.start, len(trace))
        for trace, first in zip(traces, firsts, strict=False)
    ]
    table = Table(
        history=jnp.asarray(np.concatenate([history for history, _ in parts])),
        known=jnp.asarray(np.concatenate([known for _, known in parts])),
        zone=jnp.asarray(np.repeat(np.asarray(zones), lengths), jnp.int32),
    )
    return table, spans


def origins(
    span: Span,
    begin: datetime.datetime | None,
    end: datetime.datetime | None,
    *,
    every_h: int = 1,
) -> np.ndarray:
    """Rows of the origins of one series whose targets lie in [begin, end), int32 (n,).

    Args:
      span: the series.
      begin: first hour of the period; None for the begin of the series.
      end: first hour after it; None for the end of the series.
      every_h: 1 takes every hour, 24 the origins at 00:00 UTC only.
    """
    hour = datetime.timedelta(hours=1)
    first = WINDOW_H if begin is None else max(WINDOW_H, -((span.start - begin) // hour))
    last = span.hours if end is None else min(span.hours, (end - span.start) // hour)
    rows = np.arange(first, last - HORIZON_H + 1)
    rows = rows[(rows + span.start.hour) % every_h == 0]
    return (span.first + rows).astype(np.int32)


def cut(table: Table, origin: jax.Array) -> Windows:
    """The windows at origins (B,); gathers contiguous slices, cheap on every back end."""

    def one(row: jax.Array) -> Windows:
        past = jax.lax.dynamic_slice(table.history, (row - WINDOW_H, 0), (WINDOW_H, len(HISTORY)))
        known = jax.lax.dynamic_slice(table.known, (row, 0), (HORIZON_H, len(KNOWN)))
        target = jax.lax.dynamic_slice(table.history, (row, INTENSITY), (HORIZON_H, 1))[:, 0]
        return Windows(past, known, table.zone[row], target)

    return jax.vmap(one)(origin)


def draw(key: jax.Array, table: Table, origin: jax.Array, size: int) -> Windows:
    """`size` windows at random origins of a split (n,), with replacement. The key is consumed."""
    return cut(table, origin[jax.random.randint(key, (size,), 0, origin.shape[0])])

"""Traces recorded from providers: `jcenas trace --provider` and the history of `jcenas forecast --provider`."""

import datetime
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from jcenas.carbon.providers import partial
from jcenas.carbon.providers.base import Provider
from jcenas.carbon.providers.names import chain_from_name, services, zone_to_ask
from jcenas.carbon.trace import CarbonTrace
from jcenas.errors import InputError
from jcenas.runtime.paths import replacing

HOUR = datetime.timedelta(hours=1)


class Recorded(NamedTuple):
    """What a provider gave."""

    trace: CarbonTrace
    provider: Provider
    service: bool  # whether it was asked over the network


def this_hour() -> datetime.datetime:
    """The hour that has begun, UTC."""
    return datetime.datetime.now(datetime.UTC).replace(minute=0, second=0, microsecond=0)


def record(
    names: str, zone: str, *, days: int, start: datetime.datetime | None = None, warn: Callable[[str], None]
) -> Recorded:
    """The past hours that the first provider of a chain gives.

    Args:
      names: of the providers, with commas between them.
      zone: of the grid; empty: the usual one where no service is asked, see `zone_to_ask`.
      days: length of the period.
      start: its begin, a full hour; None: it ends with the last hour that is over.
      warn: told of each provider that fails.

    Raises:
      InputError: an unknown name, no zone, a period that is not over, or no provider that answers.
    """
    zone = zone_to_ask(names, zone)
    now = this_hour()
    begin = now - days * 24 * HOUR if start is None else start
    if begin >= now:
        raise InputError(f"--start {begin:%Y-%m-%dT%H:%MZ}: is not past; give an earlier time")
    end = min(now, begin + days * 24 * HOUR)
    chain = chain_from_name(names, warn)
    provider, trace = chain.first(lambda one: partial.recorded(one, zone, begin, end))
    return Recorded(trace, provider, provider.name in services(names, chain.providers))


def write_csv(trace: CarbonTrace, path: pathlib.Path) -> None:
    """Write a trace in the form that `jcenas.carbon.read_trace` reads back with its accounting; whole or not at all.

    Raises:
      InputError: it cannot be written there.
    """
    column = f"{'marginal_' if trace.kind == 'marginal' else ''}intensity_{trace.factors.replace('-', '')}_g_per_kwh"
    flags = np.zeros(len(trace), bool) if trace.estimated is None else trace.estimated
    times = np.datetime_as_string(trace.times, unit="s")
    rows = zip(times, trace.intensity_g_per_kwh.tolist(), flags.tolist(), strict=True)
    lines = [f"{time}Z,{trace.zone},{value!r},{str(flag).lower()}\n" for time, value, flag in rows]
    try:
        with replacing(path) as part:
            part.write_text(f"time_utc,zone,{column},estimated\n" + "".join(lines), encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"--out {path}: cannot be written ({reason}); choose another file") from error

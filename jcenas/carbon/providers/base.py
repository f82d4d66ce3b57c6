"""The protocol of carbon providers, a chain of them with fall-back, and the joining of their answers."""

import dataclasses
import datetime
import warnings
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np

from jcenas.carbon.trace import FIRST_YEAR, LAST_YEAR, CarbonTrace
from jcenas.errors import InputError


class ProviderError(InputError):
    """Failure of a provider: no key, refused, no answer, or nonsense. One line, without secrets."""


class RefusedError(ProviderError):
    """Failure that another try cannot mend: no key, a key that is refused, a zone that the provider does not have."""


class NoAnswerError(ProviderError):
    """Failure to reach a provider in time: no connection, time-outs, errors of the server, a rate limit."""


class NotCoveredError(ProviderError):
    """Answer that lacks some of the hours that were asked for; `trace` is what came."""

    def __init__(self, message: str, trace: CarbonTrace):
        """Say what is lacking, and keep what is not."""
        super().__init__(message)
        self.trace = trace


class ProviderWarning(UserWarning):
    """Warning that a provider failed and another one stands in."""


T = TypeVar("T")


def _warn(message: str) -> None:
    warnings.warn(message, ProviderWarning, stacklevel=5)


class Provider(Protocol):
    """A source of carbon intensities. Times are time-zone aware; hours are full hours."""

    @property
    def name(self) -> str:
        """How the command line and the records call it."""
        ...

    def history(self, zone: str, start: datetime.datetime, end: datetime.datetime) -> CarbonTrace:
        """Intensities of exactly [start, end).

        Raises:
          ProviderError: if they cannot be had.
        """
        ...

    def forecast(self, zone: str, start: datetime.datetime, hours: int) -> CarbonTrace:
        """Expected intensities of exactly `hours` hours from `start` on.

        Raises:
          ProviderError: if they cannot be had.
        """
        ...


class Fallback:
    """Providers asked in the given order; each failure is a visible warning, the last one an error.

    The `source` of the trace that is returned says which provider answered: record it with every hour. Its `notes` say
    which ones failed before.
    """

    def __init__(self, providers: Sequence[Provider], warn: Callable[[str], None] = _warn):
        """Ask `providers` in this order; `warn` is told of each that failed, by default as a `ProviderWarning`."""
        if not providers:
            raise ValueError("a fallback needs at least one provider")
        self.providers, self._warn = tuple(providers), warn
        self.name = ",".join(provider.name for provider in self.providers)

    def history(self, zone: str, start: datetime.datetime, end: datetime.datetime) -> CarbonTrace:
        """Intensities of [start, end) from the first provider that has them."""
        return self.first(lambda provider: provider.history(zone, start, end))[1]

    def forecast(self, zone: str, start: datetime.datetime, hours: int) -> CarbonTrace:
        """Expected intensities from the first provider that has them."""
        return self.first(lambda provider: provider.forecast(zone, start, hours))[1]

    def first(self, ask: Callable[[Provider], CarbonTrace]) -> tuple[Provider, CarbonTrace]:
        """The first provider that answers a question, and what it answered.

        Raises:
          ProviderError: if none did; names all and why.
        """
        failures, notes = [], []
        for i, provider in enumerate(self.providers):
            try:
                trace = ask(provider)
                return provider, dataclasses.replace(trace, notes=(*notes, *trace.notes))
            except InputError as error:
                failures.append(f"{provider.name}: {error}")
                if i + 1 < len(self.providers):
                    following = self.providers[i + 1].name
                    notes.append(f"carbon provider {provider.name} failed ({error}); asking {following} instead")
                    self._warn(notes[-1])
        raise ProviderError("no carbon provider answered: " + "; ".join(failures))


def cover(trace: CarbonTrace, start: datetime.datetime, end: datetime.datetime, name: str) -> CarbonTrace:
    """The part [start, end) of a trace.

    Raises:
      NotCoveredError: if the trace does not cover it.
    """
    second = datetime.timedelta(seconds=1)
    step = trace.step_seconds * second
    last = trace.start + len(trace) * step
    if start < trace.start or last < end or (start - trace.start) % step or (end - start) % step:
        form = "%Y-%m-%d %H:%M"
        answered, asked = (f"{a:{form}} .. {b:{form}} UTC" for a, b in ((trace.start, last), (start, end)))
        said = f"{name} has no hours but {answered}, where {asked} was asked; ask for a shorter period"
        raise NotCoveredError(said, trace)
    first = (start - trace.start) // step
    return trace.slice(first, first + (end - start) // step)


def join(parts: Sequence[CarbonTrace]) -> CarbonTrace:
    """Traces that follow one another as one; they may overlap, and the later one then holds.

    Raises:
      ProviderError: if there is a gap, or the steps or the accounting differ.
    """
    whole = parts[0]
    for part in parts[1:]:
        same = ("step_seconds", "kind", "factors")
        if any(getattr(whole, field) != getattr(part, field) for field in same):
            raise ProviderError(f"{part.source} changed its steps or its accounting from one answer to the next")
        step = datetime.timedelta(seconds=whole.step_seconds)
        keep = (part.start - whole.start) // step
        if (part.start - whole.start) % step or not 0 < keep <= len(whole):
            raise ProviderError(f"{part.source} left a gap before {part.start}")
        flags = [np.zeros(len(one), bool) if one.estimated is None else one.estimated for one in (whole, part)]
        whole = dataclasses.replace(
            whole,
            intensity_g_per_kwh=np.concatenate((whole.intensity_g_per_kwh[:keep], part.intensity_g_per_kwh)),
            estimated=np.concatenate((flags[0][:keep], flags[1])),
            notes=(*whole.notes, *part.notes),
        )
    return whole


def hours_from(start: datetime.datetime, hours: int) -> tuple[datetime.datetime, datetime.datetime]:
    """The period of `hours` hours from `start` on, in UTC; errors as of `full_hours`."""
    try:
        end = start + datetime.timedelta(hours=hours)
    except OverflowError:
        raise ProviderError(f"{hours} h from {start} on leave the calendar") from None
    return full_hours(start, end)


def full_hours(start: datetime.datetime, end: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime]:
    """The period [start, end) in UTC, checked to be of full hours.

    Raises:
      ProviderError: if one has no zone, is no full hour or is at an end of the calendar, or the period is empty.
    """
    for when in (start, end):
        if when.tzinfo is None or when.minute or when.second or when.microsecond:
            raise ProviderError(f"{when} is no full hour with a time zone")
        if not FIRST_YEAR < when.year < LAST_YEAR:
            raise ProviderError(f"{when} is not between the years {FIRST_YEAR} and {LAST_YEAR}")
    if end <= start:
        raise ProviderError(f"the period {start} .. {end} is empty")
    return start.astimezone(datetime.UTC), end.astimezone(datetime.UTC)


def chunks(
    start: datetime.datetime, end: datetime.datetime, days: int
) -> list[tuple[datetime.datetime, datetime.datetime]]:
    """[start, end) in pieces of at most `days` days, cut at fixed dates so that a cache finds them again."""
    epoch, length = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), datetime.timedelta(days=days)
    pieces = []
    while start < end:
        stop = min(end, epoch + ((start - epoch) // length + 1) * length)
        pieces.append((start, stop))
        start = stop
    return pieces


def keep_s(end: datetime.datetime, settled_s: float) -> float:
    """Seconds for which an answer about a period up to `end` may come from the cache.

    A minute where it reaches into the last day: values are still coming in there, and estimates are replaced.
    """
    return settled_s if end < datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1) else 60.0

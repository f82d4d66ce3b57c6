"""Joules of each device from a meter's counters: differences of readings, shared among the devices that they cover.

A device is at work or at rest. What a counter of several devices has counted belongs to those that were at work, in
equal parts, or to all where none was: the cores of a CPU share its package. So the joules of all devices add up to what
the counters have counted.

A reading is of no use where the counter cannot be read, runs backwards, jumps, or stands still for longer than it ever
does (it sleeps). The joules of the devices at work are then not known until they are next asked for, and the caller
has the power model instead. Each kind of trouble is told once.
"""

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jcenas.carbon.meters.meter import Counter, Meter, MeteredDevice
from jcenas.errors import InputError, without_breaks

MOST_W = 10_000.0  # that one counter's hardware draws; more is no reading. It also says when a counter may have wrapped
ASLEEP = 3  # times the longest that it keeps a value: a counter that stands still for more sleeps
LEAST_PAUSE_S = 0.5  # between two reads of the thread that keeps a counter from wrapping unseen


class _State:
    """What is remembered of a counter."""

    def __init__(self, value: float, now: float):
        self.value, self.read_at, self.moved_at = value, now, now
        self.lost = not _usable(value)  # whether the next reading only begins anew


class Metering:
    """An open meter. Every method may be called from several threads."""

    def __init__(
        self,
        meter: Meter,
        devices: Sequence[MeteredDevice],
        *,
        warn: Callable[[str], None] = lambda line: None,
        now: Callable[[], float] = time.monotonic,
    ):
        """Open the meter and begin to count.

        Args:
            meter: not opened yet.
            devices: of the run.
            warn: told of readings that are of no use, once for each kind of trouble.
            now: seconds of a clock that never goes back.

        Raises:
            InputError: the meter cannot be opened.
        """
        self._meter, self._warn, self._now = meter, warn, now
        self.counters = _opened(meter, devices)
        self._lock, self._warned, self._closed = threading.Lock(), set(), threading.Event()
        self._at_work: set[int] = set()
        # By device, and whether it was at work: J that nobody has taken yet, and of which a part could not be read.
        self._joules: defaultdict[tuple[int, bool], float] = defaultdict(float)
        self._unknown: set[tuple[int, bool]] = set()
        self._counted: defaultdict[int, float] = defaultdict(float)  # device -> J since the begin
        self._troubles: defaultdict[int, int] = defaultdict(int)  # device -> readings of no use
        began, self._all = now(), range(len(self.counters))
        self._states = [_State(value, began) for value in self._readings(self._all)]
        pauses = [self._limit_s(place) / 2 for place in range(len(self.counters))]
        if (pause := min(pauses, default=math.inf)) < math.inf:
            self._thread = threading.Thread(target=self._keep_up, args=(max(pause, LEAST_PAUSE_S),), daemon=True)
            self._thread.start()

    @property
    def name(self) -> str:
        """Of the meter."""
        return self._meter.name

    @property
    def measures(self) -> str:
        """What the meter counts, in words."""
        return self._meter.measures

    def alone(self, device: int) -> bool:
        """Whether a device has counters, and shares none of them."""
        own = [counter for counter in self.counters if device in counter.devices]
        return bool(own) and all(counter.devices == (device,) for counter in own)

    def updates_s(self) -> float:
        """Longest time, s, between two changes of a counter."""
        return max((counter.updates_s for counter in self.counters), default=0.0)

    def begin(self, devices: Iterable[int]) -> None:
        """These devices are at work from now on."""
        self._change(self._at_work.update, devices)

    def end(self, devices: Iterable[int]) -> None:
        """These devices are at rest from now on."""
        self._change(self._at_work.difference_update, devices)

    def _change(self, change: Callable[[Iterable[int]], Any], devices: Iterable[int]) -> None:
        if self.counters:
            devices = list(devices)
            with self._lock:
                self._settle(self._covering(devices))
                change(devices)

    def take(self, device: int, *, at_rest: bool = False) -> float | None:
        """Joules that a device has drawn at work, or at rest, since they were last taken; None: not known."""
        places = self._covering([device])
        if not places:
            return None
        with self._lock:
            self._settle(places)
            key = (device, not at_rest)
            joules, known = self._joules.pop(key, 0.0), key not in self._unknown
            self._unknown.discard(key)
            return joules if known else None

    def put_back(self, device: int, joules: float | None) -> None:
        """Let joules that were taken count with those that are taken next; None: that part is not known."""
        with self._lock:
            if joules is None:  # where nothing is counted, nothing is known anyway
                self._unknown.add((device, True))
            else:
                self._joules[device, True] += joules

    def counted(self, device: int) -> tuple[float, int]:
        """Joules of a device since the begin, at work and at rest, and how many of its readings were of no use."""
        with self._lock:
            self._settle(self._covering([device]))
            return self._counted[device], self._troubles[device]

    def close(self) -> None:
        """Close the meter; what has been counted stays."""
        self._closed.set()
        with self._lock:
            self._meter.close()

    # --- readings ----------------------------------------------------------------------------------------------------

    def _covering(self, devices: Iterable[int]) -> list[int]:
        """Places of the counters that cover these devices."""
        wanted = set(devices)
        return [place for place in self._all if not wanted.isdisjoint(self.counters[place].devices)]

    def _readings(self, places: Sequence[int]) -> list[float]:
        """Of some counters, J; NaN where the meter fails, which may be a user's own."""
        try:
            values = [float(value) for value in self._meter.read(places)]
        except Exception as error:
            self._tell("lost", f"cannot be read ({type(error).__name__}: {without_breaks(error)})")
            values = []
        return values if len(values) == len(places) else [math.nan] * len(places)

    def _settle(self, places: Sequence[int]) -> None:
        """Read some counters, and give what has been counted since the last time to the devices."""
        if self._closed.is_set():
            return
        now = self._now()
        for place, value in zip(places, self._readings(places), strict=True):
            counter = self.counters[place]
            joules = self._rise(place, value, now)
            sharers = [device for device in counter.devices if device in self._at_work] or counter.devices
            for device in sharers:
                key = (device, device in self._at_work)
                if joules is None:
                    self._unknown.add(key)
                    self._troubles[device] += 1
                else:
                    self._joules[key] += joules / len(sharers)
                    self._counted[device] += joules / len(sharers)

    def _rise(self, place: int, value: float, now: float) -> float | None:
        """Joules by which a counter rose since its last reading; None where that is not known."""
        counter, state = self.counters[place], self._states[place]
        since, unread_s, was = now - state.moved_at, now - state.read_at, state.value
        state.read_at = now
        if not _usable(value):
            state.lost = True
            self._tell("lost", f"{counter.name} gives no reading")
            return None
        moved, lost = value != was, state.lost
        if moved:
            state.value, state.moved_at, state.lost = value, now, False
        if lost:  # what lies between is unknown: a counter that slept may or may not have counted
            return None
        if unread_s > self._limit_s(place):
            self._tell("late", f"{counter.name} was not read for {unread_s:.0f} s, in which it may have begun again")
            return None
        if not moved:
            if since <= ASLEEP * counter.updates_s:
                return 0.0  # it has not changed yet: what was drawn comes with its next change
            state.lost = True
            self._tell("sleeps", f"{counter.name} has stood still for {since:.3g} s")
            return None
        rise = value - was if value > was else value - was + counter.wraps_j
        if not rise <= MOST_W * (since + ASLEEP * counter.updates_s):
            how = "jumped" if value > was else "ran backwards"
            self._tell(how, f"{counter.name} {how} from {was:.6g} to {value:.6g} J")
            return None
        return rise

    def _limit_s(self, place: int) -> float:
        """Seconds in which a counter cannot wrap."""
        return self.counters[place].wraps_j / MOST_W

    def _tell(self, kind: str, what: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self._warn(f"meter {self.name}: {what}; energy is modelled where that happens (said once)")

    def _keep_up(self, pause_s: float) -> None:
        """Read often enough to see a counter begin again."""
        while not self._closed.wait(pause_s):
            with self._lock:
                self._settle(self._all)


def _opened(meter: Meter, devices: Sequence[MeteredDevice]) -> tuple[Counter, ...]:
    """The counters of a meter, which may be a user's own."""
    try:
        counters = tuple(meter.open(devices))
        covered = {device for counter in counters for device in counter.devices}
    except InputError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {without_breaks(error)}"
        raise InputError(f"meter {meter.name} cannot be opened ({said})") from error
    if counters and covered != set(range(len(devices))):
        raise InputError(f"meter {meter.name} counts devices {sorted(covered)}, and the run has {len(devices)}")
    return counters


def _usable(value: float) -> bool:
    return math.isfinite(value) and value >= 0

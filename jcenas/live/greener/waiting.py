"""Waiting for greener hours on behalf of Python code, and the account of what it then did."""

import datetime
import queue
import threading
from collections.abc import Callable

from jcenas.live.greener.account import Account, Span, account_of
from jcenas.live.greener.clock import Clock, RealClock
from jcenas.live.greener.config import GreenerConfig
from jcenas.live.greener.forecast_process import ForecastProcess
from jcenas.live.greener.known import HOUR_S, Ask, GridView, open_grid
from jcenas.live.greener.planner import Planner


class GreenWait:
    """A deadline that has begun to run, and work that waits for its greenest hours. Threads may share it."""

    def __init__(
        self,
        config: GreenerConfig,
        *,
        say: Callable[[str], None],
        clock: Clock | None = None,
        ask: Ask | None = None,
    ):
        """Read the grid, and forecast the first hours; the time to the deadline begins now.

        Args:
            config: of the work.
            say: told what happens, a line each.
            clock: of the grid, begun at the second in which now is; None takes the machine's.
            ask: who forecasts; None takes a process of its own.

        Raises:
            InputError: see `jcenas.live.greener.known.open_grid`.
        """
        self.config, self._say = config, say
        now = datetime.datetime.now(datetime.UTC)
        grid, begin_s = open_grid(config, now, say)
        forecasts = ask or ForecastProcess(say, keep=False)
        self.view = GridView(grid, config.forecast, until_s=begin_s + config.deadline_s, ask=forecasts)
        began = now.timestamp() if config.real_time else None
        self._clock, self.begin_s = clock or RealClock(begin_s, config.hour_seconds, began=began), begin_s
        self.view.expected(int(begin_s // HOUR_S))
        self._planner = Planner(config, self.view, self.begin_s)
        self._gate, self._lock = threading.Lock(), threading.Lock()  # who waits; who reads or adds to the account
        self._spans: list[Span] = []
        self._on = False

    def now_s(self) -> float:
        """The time, in seconds of the grid."""
        return self._clock.now_s()

    def wait(self) -> None:
        """Return when the work should run: at once where no better hours come before the deadline."""
        with self._gate:
            said = False
            while True:
                now_s = self.now_s()
                with self._lock:
                    left_s = self.config.work_s - sum(last - first for first, last in self._spans)
                if left_s <= 0:
                    break
                plan = self._planner.plan(now_s, left_s, running=self._on, started=False)
                if plan.run[0]:
                    break
                if not said:
                    self._say(f"waits, until {self.view.when(plan.until_s()):%a %H:%M} UTC or later")
                    said = True
                self._on = False
                border_s = (now_s // HOUR_S + 1) * HOUR_S
                self._clock.wait(min(plan.until_s(), border_s), queue.SimpleQueue())
            self._on = True

    def ran(self, begin_s: float, end_s: float) -> None:
        """Work was done from a moment to another; what overlaps is one time of work."""
        with self._lock:
            merged: list[Span] = []
            for first, last in sorted([*self._spans, (begin_s, end_s)]):
                if merged and first <= merged[-1][1]:
                    merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
                else:
                    merged.append((first, last))
            self._spans = merged

    def account(self) -> Account:
        """What the work has emitted so far, beside the same from the begin on."""
        with self._lock:
            until_s = max([self.begin_s, *(last for _, last in self._spans)])
            return account_of(self.config, self.view.trace(until_s), self._spans, begin_s=self.begin_s, pauses=0)

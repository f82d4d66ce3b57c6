"""The live search's loop: hour by hour decide, score, train and learn, until a budget ends.

What is decided is the engine's; what is done is the executor's. The loop carries the one to the other and keeps the
hours' records.
"""

import dataclasses
import math
import threading
import time

import jax.numpy as jnp
import numpy as np

from jcenas.carbon.power import STATES, PowerModel
from jcenas.engine import hour as engine
from jcenas.engine.grid import Forecast, Grid
from jcenas.engine.hour import LineUp
from jcenas.engine.observe import Budget, Outlook
from jcenas.engine.queue import EMPTY
from jcenas.engine.split import Split, split
from jcenas.live.executors.executor import DevicePlan, Executor, Hooks, Plan, Report
from jcenas.live.ledger import Ledger
from jcenas.live.progress import Observer, Progress, Running
from jcenas.live.state import Job, RunState

_TINY_H = 1e-9
_FIRST_ESTIMATE_H = 0.5  # trace hours before the time left can be extrapolated


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """The grid and the budgets of a run.

    Attributes:
      grid: the hours, as far as they are known.
      forecast: what the policy is told of the coming ones.
      hours: time budget, trace hours.
      hour_s: device-seconds that one lasts.
      carbon_budget_g: gCO2eq; inf for none.
      evaluations: trainings that are to end well; None for any number.
      train_unscored: whether idle devices train unscored proposals.
      power: of a device.
    """

    grid: Grid
    forecast: Forecast
    hours: int
    hour_s: float
    carbon_budget_g: float = float("inf")
    evaluations: int | None = None
    train_unscored: bool = True
    power: PowerModel = dataclasses.field(default_factory=PowerModel)


class Loop:
    """One run in progress."""

    def __init__(
        self,
        name: str,
        limits: Limits,
        *,
        ledger: Ledger,
        state: RunState,
        executor: Executor,
        observer: Observer,
        stop: threading.Event,
    ):
        """Bind a run; nothing is read or written yet."""
        self.name, self.limits, self.ledger, self.database = name, limits, ledger, ledger.database
        self.state, self.executor, self.observer, self.stop = state, executor, observer, stop
        # What was decided last; where the run was killed, the hours that its last job crossed are still to be recorded.
        share, self.evaluating = self.database.get_meta("decided", (None, 0))
        self.share, self.activity = math.nan if share is None else share, "search"
        self._notify_lock = threading.Lock()
        self._began = time.monotonic()
        self._wall_before = float(self.database.get_meta("wall_s", 0.0))

    def run(self) -> str:
        """Search until a budget is spent or `stop` is set; says which."""
        self.database.set_meta("status", "running")
        whole = math.floor(min(self.ledger.clock) + _TINY_H)
        self.database.delete("hours", "hour >= ?", whole)  # an interruption closed the record of an hour that goes on
        self.executor.begin(
            Hooks(lambda: self.why_stop() is not None, self.state.begin, self.state.record, self.state.cut, self.notify)
        )
        self.state.learn()
        while (why := self.why_stop()) is None:
            hour = math.floor(min(self.ledger.clock) + _TINY_H)
            self._close_hours(hour - 1)  # those that a long job crossed go by what was decided before it
            self._hour(hour)
            self._close_hours(hour)
        self._close_hours(math.floor(max(max(self.ledger.clock) - _TINY_H, 0)))
        return why

    def why_stop(self) -> str | None:
        """Why the search has to end now, or None."""
        limits = self.limits
        if self.stop.is_set():
            return "interrupted"
        if limits.evaluations is not None and self.state.evaluations >= limits.evaluations:
            return "evaluations"
        if self.ledger.emissions_g >= limits.carbon_budget_g * (1 - 1e-12):
            return "carbon budget"
        return "time" if min(self.ledger.clock) >= limits.hours - _TINY_H else None

    # --- one hour ----------------------------------------------------------------------------------------------------

    def _hour(self, hour: int) -> None:
        """Decide, score, train, learn."""
        self.state.grow()
        state, steps = self.state, self.state.steps
        end = float(min(hour + 1, self.limits.hours))
        keys = engine.keys_of(state.search_key, hour)
        budget = self._budget(hour)
        self.share = steps.act(keys.act, state.policy_params, state.status(), self._outlook(hour), budget)
        who = split(jnp.float32(self.share), self.executor.devices)
        self.evaluating = int(who.evaluating)
        self.database.set_meta("decided", (None if math.isnan(self.share) else float(self.share), self.evaluating))
        self.notify("")
        if not self.executor.prepare(end) or self._over(end):
            return
        nothing = np.full(steps.sizes.proposals, EMPTY, np.int32), np.zeros(steps.sizes.proposals, bool)
        unscored = jnp.asarray(self.limits.train_unscored)
        wanted = bool(engine.asks(steps.stage, who, unscored))
        rows, new = state.propose(keys, float(hour)) if wanted else nothing
        waiting = state.search.queue
        if steps.stage.at_once:
            self._score_together(rows, new, end)
        catalog = state.catalog()
        if steps.stage.at_once and self.evaluating > 0 and not self._over(end):
            fresh = np.where(new & self._scored(rows), rows, EMPTY)
            waiting = steps.rank(state.search, catalog, budget, fresh)
        if self._over(end):
            return
        untried = new & self.limits.train_unscored
        line = steps.line_up(state.search, catalog.seconds, waiting, rows, untried)
        report = self.executor.work(self._plan(hour, end, who, line, rows[new]))
        state.add_scores(report.scores, float(hour))
        self._learn(budget, line, report, rows, new)

    def _over(self, end: float) -> bool:
        """Whether nothing more can be done in this hour."""
        return min(self.ledger.clock) >= end - _TINY_H or self.why_stop() is not None

    def _scored(self, rows: np.ndarray) -> np.ndarray:
        """Which proposals, int32 (P,), have a score, bool (P,)."""
        return np.asarray(self.state.search.scored)[np.maximum(rows, 0)] & (rows != EMPTY)

    def _score_together(self, rows: np.ndarray, new: np.ndarray, end: float) -> None:
        """Training-free scores of new proposals, by all devices."""
        fresh = [self.state.job(int(row)) for row in rows[new & ~self._scored(rows)]]
        if not fresh:
            return
        scores = self.executor.score_together(fresh, end)
        self.state.add_scores(scores, min(self.ledger.clock))
        if wrong := sum(math.isnan(score) or score == math.inf for score in scores.values()):
            name, many = self.state.steps.stage.score, len(scores)
            self.observer.log(f"{name} is no number for {wrong} of {many} architectures; they count as the worst")

    def _plan(self, hour: int, end: float, who: Split, line: LineUp, proposals: np.ndarray) -> Plan:
        """The hour's work: assigned devices, trainings in their order, proposals to score."""
        state, devices = self.state, self.executor.devices
        jobs, fits = np.asarray(line.jobs), np.asarray(line.fits)
        chosen = np.flatnonzero(fits)
        if self.limits.evaluations is not None:
            chosen = chosen[: max(0, self.limits.evaluations - state.evaluations)]
        to_score: list[Job] = []
        if state.steps.stage.supernet:
            to_score = [state.job(int(row)) for row in proposals[~self._scored(proposals)]]
        plans = []
        for device in range(devices):
            evaluates, samples = device < int(who.evaluating), device >= devices - int(who.sampling)
            turn = hour + float(who.turn) * (end - hour) if evaluates and samples else float(hour)
            plans.append(DevicePlan(samples, evaluates, turn))
        return Plan(
            float(hour),
            end,
            plans,
            [state.job(int(jobs[place])) for place in chosen],
            to_score,
        )

    def _learn(self, budget: Budget, line: LineUp, report: Report, rows: np.ndarray, new: np.ndarray) -> None:
        """Tell the optimiser, settle the queue, and remember it."""
        state, steps = self.state, self.state.steps
        jobs, valid = np.asarray(line.jobs), np.asarray(line.valid)
        state.learn()
        started = np.array([v and int(row) in report.started for row, v in zip(jobs, valid, strict=True)])
        done = np.array([v and int(row) in report.ended for row, v in zip(jobs, valid, strict=True)])
        left = np.array([report.left_s.get(int(row), 0.0) for row in jobs])
        search = state.settle(line, started, done, left)
        if steps.stage.supernet:
            begun = set(jobs[started].tolist())
            scored = new & self._scored(rows)
            fresh = [int(row) if ok and int(row) not in begun else EMPTY for row, ok in zip(rows, scored, strict=True)]
            queue = steps.rank(search, state.catalog(), budget, np.array(fresh, np.int32))
            state.search = search.replace(queue=queue)
        state.save_queue()

    def _outlook(self, hour: int) -> Outlook:
        """What is known of the grid."""
        limits = self.limits
        grid = limits.grid.known(hour)
        past, known = grid.past(hour)
        return Outlook(
            intensity=jnp.float32(grid.intensity(limits.hours)[hour]),
            past=jnp.asarray(past),
            past_known=jnp.asarray(known),
            forecast=jnp.asarray(grid.forecast(limits.forecast, hour)),
            future=jnp.full(limits.hours, jnp.nan, jnp.float32),
        )

    def _budget(self, hour: int) -> Budget:
        """What may still be spent."""
        limits, devices = self.limits, self.executor.devices
        real = jnp.float32
        return Budget(
            duration_s=real(limits.hours * limits.hour_s),
            left_s=real((limits.hours - hour) * limits.hour_s),
            hour_s=real(limits.hour_s),
            carbon_g=real(limits.carbon_budget_g),
            carbon_left_g=real(max(0.0, limits.carbon_budget_g - self.ledger.emissions_g)),
            training_kw=real(limits.power.power_kw("training") * devices),
            idle_kw=real(limits.power.power_kw("idle") * devices),
            devices=jnp.int32(devices),
        )

    # --- records -----------------------------------------------------------------------------------------------------

    def _close_hours(self, last: int) -> None:
        """Write the records of all hours up to and including `last`; a long job may have crossed several."""
        state, grid = self.state, self.limits.grid.known(max(last, 0))
        with self.database.transaction():
            for hour in range(self.database.value("SELECT COALESCE(MAX(hour), -1) FROM hours") + 1, last + 1):
                totals = self.ledger.totals[hour]
                decided = any(totals.seconds.values()) and not math.isnan(self.share)  # else the run stood still
                self.database.replace(
                    "hours",
                    hour=hour,
                    time_utc=self.ledger.time_utc(hour),
                    intensity_g_per_kwh=grid.trace.at_hour(min(hour, grid.trace.hours - 1)),
                    evaluation_share=self.share if decided else None,
                    evaluating=self.evaluating if decided else 0,
                    energy_kwh=totals.energy_kwh,
                    emissions_g=totals.emissions_g,
                    hypervolume=state.hypervolume(),
                    evaluations=state.evaluations,
                    queued=state.queued,
                    halfway=state.halfway,
                    **{f"{name}_s": seconds for name, seconds in totals.seconds.items()},
                )
            self.database.set_meta("wall_s", self.wall_s())

    def record_last_hours(self) -> None:
        """Write the records of the last hours again: what was charged behind the last one belongs to it."""
        last = self.database.value("SELECT COALESCE(MAX(hour), -1) FROM hours")
        for hour in range(min(math.floor(min(self.ledger.clock)), last), last + 1):
            parts = [t for h, t in self.ledger.totals.items() if h == hour or h > hour == last]
            changes = {name: math.fsum(getattr(t, name) for t in parts) for name in ("energy_kwh", "emissions_g")}
            changes |= {f"{name}_s": math.fsum(t.seconds[name] for t in parts) for name in STATES}
            names = ", ".join(f"{name} = ?" for name in changes)
            self.database.execute(f"UPDATE hours SET {names} WHERE hour = ?", *changes.values(), hour)

    def wall_s(self) -> float:
        """Seconds since the run began, without the times in which it was interrupted."""
        return self._wall_before + time.monotonic() - self._began

    def notify(self, message: str) -> None:
        """Tell the observer where the search stands; any thread may call."""
        with self._notify_lock:
            self.observer.update(self.snapshot(message))

    def snapshot(self, message: str) -> Progress:
        """The present moment."""
        limits, state, hour = self.limits, self.state, min(self.ledger.clock)
        trace = limits.grid.known(0).trace
        whole, elapsed = math.floor(hour + _TINY_H), time.monotonic() - self._began
        return Progress(
            run=self.name,
            stage=self.activity,
            hour=min(whole, limits.hours),
            hours_total=limits.hours,
            time_utc=self.ledger.time_utc(whole),
            intensity_g_per_kwh=trace.at_hour(min(whole, trace.hours - 1)),
            intensity_source=limits.grid.source(whole),
            evaluation_share=None if math.isnan(self.share) else self.share,
            queued=state.queued,
            halfway=state.halfway,
            running=tuple(
                Running(device, state.problem.to_string(state.genomes[row]), fraction)
                for row, (device, fraction) in self.executor.progress().items()
            ),
            evaluations=state.evaluations + state.failed,
            failed=state.failed,
            best_accuracy=state.best_accuracy(),
            hypervolume=state.hypervolume(),
            emissions_g=self.ledger.emissions_g,
            energy_kwh=self.ledger.energy_kwh,
            carbon_budget_g=limits.carbon_budget_g if math.isfinite(limits.carbon_budget_g) else None,
            elapsed_s=elapsed,
            left_s=elapsed * (limits.hours - hour) / hour if hour > _FIRST_ESTIMATE_H else None,
            message=message,
        )

"""The search loop: hour by hour, split the devices between sampling and evaluating, until a budget is spent."""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import jax

from jcenas.alloc import devices_for_share, policy_from_name
from jcenas.alloc.observation import observe
from jcenas.carbon.trace import CarbonTrace
from jcenas.live import finish, prepare, trace_source
from jcenas.live.config import SearchConfig
from jcenas.live.database import RunDatabase
from jcenas.live.finish import SearchResult
from jcenas.live.ledger import Ledger
from jcenas.live.outlook import Outlook
from jcenas.live.prepare import Prepared
from jcenas.live.progress import Observer
from jcenas.live.run_folder import RunFolder
from jcenas.live.snapshot import snapshot
from jcenas.live.state import SearchState
from jcenas.live.supernet import train_supernet
from jcenas.live.worker import Phase, Shared, Worker


class Loop:
    """One run in progress."""

    def __init__(
        self,
        config: SearchConfig,
        folder: RunFolder,
        trace: CarbonTrace,
        mean_intensity: float,
        outlook: Outlook,
        prepared: Prepared,
        observer: Observer,
        stop: threading.Event,
    ):
        """Bind a run; nothing is read or written yet."""
        self.config, self.folder, self.trace, self.mean = config, folder, trace, mean_intensity
        self.outlook, self.prepared, self.observer, self.stop = outlook, prepared, observer, stop
        self.policy = policy_from_name(config.policy)
        self.share, self.stage = math.nan, "supernet"
        self.fractions: dict[int, tuple[int, float]] = {}
        self._notify_lock = threading.Lock()
        self._began = time.monotonic()

    def run(self) -> SearchResult:
        """Search until a budget is spent or `stop` is set."""
        config, prepared = self.config, self.prepared
        self.database = RunDatabase(self.folder.database)
        try:
            self._open()
            supernet = train_supernet(
                self.database, self.folder, self.ledger, prepared, config, self._should_stop, self._notify
            )
            self._close_hours(math.floor(min(self.ledger.clock) + 1e-9) - 1)
            if supernet is not None:
                self.state.compile()
                self._hours(
                    [
                        Worker(d, programs, supernet.on(programs.device), self._shared())
                        for d, programs in enumerate(prepared.programs)
                    ]
                )
            return self._end()
        finally:
            self.database.close()

    def _open(self) -> None:
        config, prepared, database = self.config, self.prepared, self.database
        database.set_meta("status", "running")
        self._wall_before = float(database.get_meta("wall_s", 0.0))
        self.ledger = Ledger(
            database,
            trace_source.extended(self.trace),
            config.power,
            devices=len(prepared.programs),
            hour_seconds=config.hour_seconds,
            real_time=config.real_time,
        )
        whole = math.floor(min(self.ledger.clock) + 1e-9)
        database.delete("hours", "hour >= ?", whole)  # an interruption closed the books of an hour that now goes on
        reference = tuple(database.get_meta("reference"))
        self.state = SearchState(
            database,
            lambda capacity: prepare.make_optimizer(
                config.optimizer, batch=config.proposals, capacity=capacity, reference=reference
            ),
            reference=reference,
            queue=config.queue,
            batch=config.proposals,
            seed=config.seed,
            limit=config.evaluations,
        )

    def _shared(self) -> Shared:
        return Shared(
            self.config,
            self.folder,
            self.state,
            self.ledger,
            self.prepared.objective,
            self._should_stop,
            self._notify,
            self.fractions,
        )

    def _why_stop(self) -> str | None:
        """Why the search has to end now, or None."""
        config = self.config
        if self.stop.is_set():
            return "interrupted"
        if config.evaluations is not None and self.state.evaluations >= config.evaluations:
            return "evaluations"
        if config.carbon_budget is not None and self.ledger.emissions_g >= config.carbon_budget:
            return "carbon budget"
        return "time" if min(self.ledger.clock) >= config.hours - 1e-9 else None

    def _should_stop(self) -> bool:
        return self._why_stop() is not None

    def _hours(self, workers: list[Worker]) -> None:
        """Work through the hours; devices meet again at every full hour."""
        self.stage = "search"
        with ThreadPoolExecutor(len(workers)) as pool:
            while not self._should_stop():
                hour = math.floor(min(self.ledger.clock) + 1e-9)
                self.share = self._decide(hour)
                self._notify("")
                plans = self._plan(hour, len(workers))
                jobs = [pool.submit(w.work, plan) for w, plan in zip(workers, plans, strict=True)]
                for job in jobs:
                    job.result()
                self._close_hours(hour)

    def _decide(self, hour: int) -> float:
        """The policy's share of evaluation for this hour."""
        config, state = self.config, self.state
        budget = config.carbon_budget
        observation = observe(
            self.trace.at_hour(min(hour, self.trace.hours - 1)),
            self.outlook.window(hour),
            queue=len(state.queue),
            capacity=config.queue,
            half_finished=len(state.halfway),
            time_left=max(0.0, 1.0 - hour / config.hours),
            carbon_left=1.0 if budget is None else max(0.0, 1.0 - self.ledger.emissions_g / budget),
            hypervolume=state.hypervolume(),
            evaluations=state.evaluations,
        )
        key = jax.random.fold_in(jax.random.key(config.seed), hour)
        init_key, act_key = jax.random.split(key)
        return float(self.policy.apply(act_key, self.policy.init_params(init_key), observation))

    def _plan(self, hour: int, devices: int) -> list[list[Phase]]:
        """One device slices the rest of its hour; several are assigned whole, the first ones to evaluation."""
        end = min(float(hour + 1), float(self.config.hours))
        if devices == 1:
            now = self.ledger.clock[0]
            return [[Phase("sample", now + (1 - self.share) * (end - now)), Phase("evaluate", end)]]
        evaluating = int(devices_for_share(self.share, devices))
        return [[Phase("evaluate" if d < evaluating else "sample", end)] for d in range(devices)]

    def _close_hours(self, last: int) -> None:
        """Write the books of all hours up to and including `last`; a long job may have crossed several."""
        state = self.state
        with self.database.transaction():
            for hour in range(self.database.value("SELECT COALESCE(MAX(hour), -1) FROM hours") + 1, last + 1):
                totals = self.ledger.totals[hour]
                self.database.replace(
                    "hours",
                    hour=hour,
                    time_utc=self.ledger.time_utc(hour),
                    intensity_g_per_kwh=self.trace.at_hour(min(hour, self.trace.hours - 1)),
                    stage=self.stage,
                    evaluation_share=None if math.isnan(self.share) else self.share,
                    training_s=totals.seconds["training"],
                    scoring_s=totals.seconds["scoring"],
                    idle_s=totals.seconds["idle"],
                    energy_kwh=totals.energy_kwh,
                    emissions_g=totals.emissions_g,
                    hypervolume=state.hypervolume(),
                    evaluations=state.evaluations,
                    queued=len(state.queue),
                    halfway=len(state.halfway),
                )
            self.database.set_meta("wall_s", self._wall_s())

    def _wall_s(self) -> float:
        """Seconds since the run began, without the times in which it was interrupted."""
        return self._wall_before + time.monotonic() - self._began

    def _mean_of_hours(self) -> float:
        """Mean intensity of the hours that the run has lasted, g/kWh: what a search blind to the hour would pay."""
        last = min(max(1, math.ceil(max(self.ledger.clock))), self.trace.hours)
        return float(self.trace.window(0, last).mean())

    def _end(self) -> SearchResult:
        """Close the books, test the front, write the summary."""
        why = self._why_stop() or "time"
        status = "interrupted" if why == "interrupted" else "finished"
        self._close_hours(math.floor(max(max(self.ledger.clock) - 1e-9, 0)))
        if status == "finished":
            finish.prune(self.state, self.folder)
            finish.test_front(self.database, self.state, self.folder, self.prepared.programs[0], self.config.epochs)
        wall = self._wall_s()
        summary = finish.summarise(
            self.state,
            self.ledger,
            self.prepared.objective,
            mean_intensity=self.mean,
            mean_of_hours=self._mean_of_hours(),
            wall_s=wall,
            status=status,
        )
        summary["stopped_by"] = why
        summary["modelled"].append(f"the coming hours as the policy sees them ({self.outlook.source})")
        with self.database.transaction():
            self.database.set_meta("summary", summary)
            self.database.set_meta("status", status)
            self.database.set_meta("wall_s", wall)
        return finish.result(self.database, self.state, self.folder.path, summary)

    def _notify(self, message: str) -> None:
        """Tell the observer where the search stands; any thread may call."""
        with self._notify_lock:
            elapsed = time.monotonic() - self._began
            self.observer.update(
                snapshot(
                    self.folder.path.name,
                    self.config,
                    self.trace,
                    self.ledger,
                    self.state,
                    stage=self.stage,
                    share=self.share,
                    fractions=self.fractions,
                    elapsed_s=elapsed,
                    message=message,
                )
            )

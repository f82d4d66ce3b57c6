"""What defines a job that waits for greener hours. Flags of `jcenas run` are made from this; imports no JAX."""

import dataclasses
from pathlib import Path
from typing import Literal

from jcenas import units
from jcenas.carbon.power import PowerModel
from jcenas.carbon.providers.names import check_alone, needs_service
from jcenas.errors import InputError
from jcenas.live.greener.durations import seconds_of

MOST_DEADLINE_S = 31 * 86_400.0
USUAL_MARGIN_S = 300.0
ANSWER_S = 300.0  # within which a service, and those named after it, have answered or failed


@dataclasses.dataclass(frozen=True, kw_only=True)
class GreenerConfig:
    """A job, its deadline, and what is known of the grid.

    Attributes:
        work: how long the job runs, such as 3h or 1h30m: time in which it is not paused. It may end sooner. One that
            takes longer runs on, without a pause, and may miss the deadline then.
        deadline: when it must have ended, from now, such as 24h or 2d; at most 31 days.
        zone: grid zone whose typical year is followed, where no trace is given (US-CAL-CISO if empty); of a trace file
            with several zones, the one to take; of a provider, the one to ask for.
        trace: CSV file with UTC times and intensities in gCO2eq/kWh, from now on until the deadline at least, and
            better from weeks or months before, which the forecast learns from.
        provider: instead of a trace, who is asked for each hour's intensity when the hour comes: names of `jcenas list
            provider` with commas between them, the later ones where the earlier ones fail. Keys are read from the
            environment.
        column: column of the intensities, in a trace file with several.
        start: UTC time that is taken for now, such as 2023-06-01T00:00Z: to try out a trace of the past.
        forecast: what is expected of the coming hours: model (the forecaster that ships, adapted to the hours
            before; persistence while they are less than a week), persistence (as yesterday), none (as now), or actual
            (what the trace says: for one that is a forecast itself).
        hour_seconds: seconds that an hour lasts; fewer than 3600 for a demonstration, where --work, --deadline and all
            other times are hours of the trace too.
        margin: the plan has ended so long before the deadline; 5m if not given, or what --work leaves of --deadline if
            that is less. At least 5m where a service is asked, whose answers may be waited for.
        power: electric power of the job while it runs, W.
        idle_power: power while it waits or is paused that would not be drawn otherwise, W; 0 where the machine is on in
            any case. The plan weighs it.
        pue: power usage effectiveness of the building, at least 1.
        uninterrupted: start once, in the greenest hours in a row, and never pause.
        pause_cost: work that every pause costs, such as 2m: what was loaded is loaded again.

    Raises:
        InputError: a value that cannot be, or a deadline that cannot be met.
    """

    work: str
    deadline: str
    zone: str = ""
    trace: Path | None = None
    provider: str = ""
    column: str = ""
    start: str = ""
    forecast: Literal["model", "persistence", "none", "actual"] = "model"
    hour_seconds: float = units.SECONDS_PER_HOUR
    margin: str | None = None
    power: float = PowerModel.training_w
    idle_power: float = 0.0
    pue: float = units.DEFAULT_PUE
    uninterrupted: bool = False
    pause_cost: str = "1m"

    def __post_init__(self):
        if not 0 < self.hour_seconds <= units.SECONDS_PER_HOUR:
            raise InputError(f"--hour-seconds {self.hour_seconds:g}: must be above 0 and at most 3600 (real time)")
        if not 0 < self.power < float("inf"):
            raise InputError(f"--power {self.power:g}: must be a positive number of watts")
        if not 0 <= self.idle_power <= self.power:
            raise InputError(f"--idle-power {self.idle_power:g}: must be between 0 and --power {self.power:g}")
        if not 1 <= self.pue < float("inf"):
            raise InputError(f"--pue {self.pue:g}: must be at least 1 (1 = no overhead)")
        self._check_times()
        if self.provider:
            beside = {name: getattr(self, name) for name in ("zone", "trace", "column", "start", "hour_seconds")}
            check_alone(self.provider, **beside)
            if self.forecast == "actual":
                raise InputError(
                    f"--forecast actual: --provider {self.provider} does not know the coming hours; leave it out, or "
                    "give a --trace that is a forecast itself"
                )

    def _check_times(self) -> None:
        """The work, the pauses and the margin fit before the deadline."""
        if self.work_s <= 0:
            raise InputError(f"--work {self.work}: must be longer than nothing")
        if self.work_s > self.deadline_s:
            raise InputError(
                f"--deadline {self.deadline} cannot be met by --work {self.work}; give a later deadline, or run the "
                "command by itself"
            )
        if self.deadline_s > MOST_DEADLINE_S:
            raise InputError(f"--deadline {self.deadline}: must be at most 31d")
        if self.pause_cost_s > MOST_DEADLINE_S:
            raise InputError(f"--pause-cost {self.pause_cost}: must be at most 31d; --uninterrupted never pauses")
        if self.margin is None:
            return
        if self.work_s + self.margin_s > self.deadline_s:
            raise InputError(
                f"--margin {self.margin}: --work {self.work} does not end so long before --deadline {self.deadline}; "
                "give a shorter margin, or a later deadline"
            )
        if self.provider and needs_service(self.provider) and self.margin_s < ANSWER_S:
            raise InputError(f"--margin {self.margin}: a service's answer may be waited for; give 5m or more")

    @property
    def work_s(self) -> float:
        """Length of the work, s."""
        return seconds_of(self.work, "--work")

    @property
    def deadline_s(self) -> float:
        """Time to the deadline, s."""
        return seconds_of(self.deadline, "--deadline")

    @property
    def margin_s(self) -> float:
        """Time between the plan's end and the deadline, s."""
        if self.margin is None:
            return max(min(USUAL_MARGIN_S, self.deadline_s - self.work_s), 0.0)
        return seconds_of(self.margin, "--margin")

    @property
    def pause_cost_s(self) -> float:
        """Work that a pause costs, s."""
        return seconds_of(self.pause_cost, "--pause-cost")

    @property
    def real_time(self) -> bool:
        """True where an hour of the grid is an hour on the wall."""
        return self.hour_seconds >= units.SECONDS_PER_HOUR

    @property
    def idle_share(self) -> float:
        """Power while the job waits over its power while it runs."""
        return self.idle_power / self.power

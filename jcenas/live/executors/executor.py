"""The contract of an executor: it prepares, scores and trains on its devices, hour by hour, and charges what it does.

Times are trace hours since the begin of the run. The executor calls back when a training begins, ends or is cut, so
that nothing is lost when the process is killed.

An executor of the registry is what a factory makes of `Parts`: `factory(parts) -> Executor` with `parts.devices`
devices. Every device-second goes to `parts.ledger`, by `spend` and `idle`, inside `ledger.working(device)`, so that a
meter knows whose energy it counts. `jcenas search --executor NAME` chooses it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from jcenas.engine.stages import Stage
from jcenas.live.config import SearchConfig
from jcenas.live.device_work import DeviceWork
from jcenas.live.ledger import Ledger
from jcenas.live.run_folder import RunFolder
from jcenas.live.state import Job, Outcome
from jcenas.problems.problem import Problem


class Parts(NamedTuple):
    """What an executor is made of."""

    config: SearchConfig
    folder: RunFolder
    ledger: Ledger
    problem: Problem
    at_work: Sequence[DeviceWork]  # one a device; none where a function is searched
    stage: Stage
    devices: int


class DevicePlan(NamedTuple):
    """What one device does in an hour: sample until `turn`, then evaluate, or one of the two."""

    samples: bool
    evaluates: bool
    turn: float  # trace hour; where it does not sample, the begin of the hour


class Plan(NamedTuple):
    """The work of one hour."""

    begin: float
    end: float
    devices: Sequence[DevicePlan]
    jobs: Sequence[Job]  # trainings, in the order in which free devices take them
    to_score: Sequence[Job]  # proposals for sampling devices


class Report(NamedTuple):
    """What became of it."""

    started: frozenset[int]  # rows of trainings that a device took
    ended: frozenset[int]  # of those that ended, well or not
    left_s: dict[int, float]  # device-seconds that the cut ones still need
    scores: dict[int, float]  # by row


class Hooks(NamedTuple):
    """How an executor speaks to the loop."""

    should_stop: Callable[[], bool]
    begin: Callable[[Job], None]
    record: Callable[[Job, Outcome, float], bool]  # whether it is on the front: then its weights are kept
    cut: Callable[[Job], None]
    notify: Callable[[str], None]


class Executor(Protocol):
    """Devices at work."""

    @property
    def devices(self) -> int:
        """How many are there, `Parts.devices` at most: as many as an hour's plan has; one at least when it begins."""
        ...

    def begin(self, hooks: Hooks) -> None:
        """The loop starts."""
        ...

    def prepare(self, until: float) -> bool:
        """Go on with what the stage needs before it can score (a supernet) until an hour; whether it is done."""
        ...

    def score_together(self, jobs: Sequence[Job], until: float) -> dict[int, float]:
        """Compute training-free scores on all devices; those for which the time until an hour sufficed, by row."""
        ...

    def work(self, plan: Plan) -> Report:
        """Do the work of an hour; all clocks stand at its end or behind, but where the search was stopped."""
        ...

    def progress(self) -> dict[int, tuple[int, float]]:
        """Running trainings: row -> (device, share of its steps done)."""
        ...

    def close(self) -> None:
        """The search is over: end what was started; a second call does nothing."""
        ...

"""What the devices of one hour take from, from several threads, and what they did."""

import threading

from jcenas.live.executors.executor import Plan, Report
from jcenas.live.state import Job


class Hour:
    """Trainings in their order and proposals to score; each is given out once."""

    def __init__(self, plan: Plan):
        """Everything is still to be done."""
        self._lock = threading.Lock()
        self._jobs, self._to_score = list(plan.jobs), list(plan.to_score)
        self.started: set[int] = set()
        self.ended: set[int] = set()
        self.left_s: dict[int, float] = {}
        self.scores: dict[int, float] = {}

    def next_job(self) -> Job | None:
        """Take the next training."""
        with self._lock:
            if not self._jobs:
                return None
            job = self._jobs.pop(0)
            self.started.add(job.row)
            return job

    def give_back(self, job: Job, left_s: float) -> None:
        """A device that trained is gone: somebody else goes on with it next, in this hour or another."""
        with self._lock:
            self._jobs.insert(0, job)
            self.left_s[job.row] = left_s

    def next_batch(self, size: int) -> list[Job]:
        """Take the next proposals to score."""
        with self._lock:
            batch, self._to_score = self._to_score[:size], self._to_score[size:]
            return batch

    def give_back_batch(self, batch: list[Job]) -> None:
        """A device that scored is gone: somebody else does it."""
        with self._lock:
            self._to_score[:0] = batch

    def report(self) -> Report:
        """What became of it; a training that ended after it was cut has ended."""
        ended = frozenset(self.ended)
        left_s = {row: seconds for row, seconds in self.left_s.items() if row not in ended}
        return Report(frozenset(self.started), ended, left_s, self.scores)

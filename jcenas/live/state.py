"""What a search knows: proposals, scores, the queue, cut trainings, evaluations, and the optimiser that learns.

Every change goes into the run database in one transaction before it counts, and the whole is rebuilt from there on
resume: the optimiser by replaying its asks and tells in their order. Methods may be called from several threads.
"""

import json
import math
import threading
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.live.database import RunDatabase
from jcenas.live.queue import ProposalQueue, Waiting
from jcenas.moo import Optimizer, hypervolume, non_dominated
from jcenas.spaces.nasbench201 import to_string

Genome = tuple[int, ...]
_FIRST_CAPACITY = 512


class Proposal(NamedTuple):
    """A proposed cell and its number in the database."""

    proposal: int
    genome: Genome


class Outcome(NamedTuple):
    """What a finished training showed. `reason` is set where it failed."""

    validation_error: float
    cost: float
    steps: int
    final_loss: float | None
    seconds: float
    energy_kwh: float
    emissions_g: float
    reason: str | None = None
    latencies: dict[int, float] | None = None  # seconds by batch size


class SearchState:
    """The memory of one search."""

    def __init__(
        self,
        database: RunDatabase,
        make_optimizer: Callable[[int], Optimizer],
        *,
        reference: tuple[float, float],
        queue: int,
        batch: int,
        seed: int,
        limit: int | None = None,
    ):
        """Rebuild from the database, which may be empty.

        Args:
            database: of the run.
            make_optimizer: from the number of genomes to remember to an optimiser, jitted, of `batch` proposals an ask.
            reference: (error, cost) against which the hypervolume is measured.
            queue: most scored proposals that wait.
            batch: proposals at a time.
            seed: of the optimiser.
            limit: most trainings that may end well; no more than are missing are handed out at a time.
        """
        self._database, self._make_optimizer = database, make_optimizer
        self._reference, self._batch = jnp.asarray(reference, jnp.float32), batch
        self._lock, self._limit = threading.RLock(), limit
        self._key = jax.random.key(seed)
        self.queue = ProposalQueue(queue)
        self.unscored: list[Proposal] = []
        self.halfway: list[Proposal] = []
        self.running: dict[int, Proposal] = {}
        self.scored = 0
        self.done: dict[int, tuple[Genome, float, float]] = {}
        self.failed = 0
        self._genomes: dict[Genome, int] = {}
        self._restore()

    def _restore(self) -> None:
        rows = self._database.rows(
            "SELECT p.id, p.genome, p.status, s.error, s.cost, e.validation_error, e.cost AS true_cost "
            "FROM proposals p LEFT JOIN scores s ON s.proposal = p.id LEFT JOIN evaluations e ON e.proposal = p.id "
            "ORDER BY p.id"
        )
        waiting = []
        for row in rows:
            genome = tuple(json.loads(row["genome"]))
            self._genomes[genome] = row["id"]
            self.scored += row["error"] is not None
            if row["status"] == "proposed":
                self.unscored.append(Proposal(row["id"], genome))
            elif row["status"] == "queued":
                waiting.append(Waiting(row["id"], genome, row["error"], _number(row["cost"])))
            elif row["status"] == "training":
                self.halfway.append(Proposal(row["id"], genome))
            elif row["status"] == "done":
                self.done[row["id"]] = (genome, row["validation_error"], row["true_cost"])
            elif row["status"] == "failed":
                self.failed += 1
        self.queue.push(waiting)
        self._capacity = _FIRST_CAPACITY
        while self._capacity < 2 * len(rows):
            self._capacity *= 2
        self._start_optimizer()

    def _start_optimizer(self) -> None:
        """Make the optimiser and let it live through all recorded asks and tells again."""
        optimizer = self._make_optimizer(self._capacity)
        self._ask, self._tell = optimizer.ask, optimizer.tell
        self._asks = 0
        self._optimizer = optimizer.init(jax.random.fold_in(self._key, 0))
        for event in self._database.rows("SELECT kind, reference FROM events ORDER BY id"):
            if event["kind"] == "ask":
                self._next_ask()
            else:
                row = self._database.rows(
                    "SELECT p.genome, e.validation_error, e.cost, e.status FROM evaluations e "
                    "JOIN proposals p ON p.id = e.proposal WHERE e.proposal = ?",
                    event["reference"],
                )[0]
                objectives = (row["validation_error"], row["cost"]) if row["status"] == "done" else (math.nan, math.nan)
                self._learn(tuple(json.loads(row["genome"])), objectives)

    def _next_ask(self) -> np.ndarray:
        self._asks += 1
        self._optimizer, genomes = self._ask(jax.random.fold_in(self._key, self._asks), self._optimizer)
        return np.asarray(genomes)

    def _learn(self, genome: Genome, objectives: tuple[float, float]) -> None:
        self._optimizer = self._tell(
            self._optimizer, jnp.asarray([genome], jnp.int32), jnp.asarray([objectives], jnp.float32)
        )

    def compile(self) -> None:
        """Compile the optimiser's programs without moving its state."""
        jax.block_until_ready(self._ask(self._key, self._optimizer))
        unknown = jnp.full((1, 2), jnp.nan, jnp.float32)
        jax.block_until_ready(self._tell(self._optimizer, jnp.zeros((1, 6), jnp.int32), unknown))

    @property
    def evaluations(self) -> int:
        """Trainings that ended well."""
        return len(self.done)

    @property
    def started(self) -> int:
        """Trainings begun, ended or not."""
        return len(self.done) + self.failed + len(self.halfway) + len(self.running)

    def propose(self, hour: float) -> list[Proposal]:
        """The next cells to score: those that an interruption left unscored, else new ones of the optimiser.

        Empty when the optimiser finds nothing new, which a space with unseen cells left makes very unlikely.
        """
        with self._lock:
            if self.unscored:
                batch, self.unscored = self.unscored[: self._batch], self.unscored[self._batch :]
                return batch
            if len(self._genomes) + self._batch > self._capacity:
                self._capacity *= 2
                self._start_optimizer()
            fresh = dict.fromkeys(tuple(map(int, g)) for g in self._next_ask())
            batch = []
            with self._database.transaction():
                self._database.insert("events", kind="ask", reference=self._asks)
                for genome in fresh:
                    if genome in self._genomes:
                        continue
                    row = self._database.insert(
                        "proposals", genome=json.dumps(genome), cell=to_string(genome), hour=hour, status="proposed"
                    )
                    self._genomes[genome] = row
                    batch.append(Proposal(row, genome))
            return batch

    def score(self, batch: list[Proposal], errors: np.ndarray, costs: np.ndarray) -> None:
        """Take in estimated errors and costs (n,) of proposals; the queue keeps the best."""
        with self._lock:
            self.scored += len(batch)
            scored = [
                Waiting(p.proposal, p.genome, float(e), float(c)) for p, e, c in zip(batch, errors, costs, strict=True)
            ]
            dropped = self.queue.push(scored)
            with self._database.transaction():
                for w in scored:
                    cost = None if math.isnan(w.cost) else w.cost
                    self._database.insert("scores", proposal=w.proposal, error=w.error, cost=cost)
                    self._database.update("proposals", w.proposal, status="queued")
                for w in dropped:
                    self._database.update("proposals", w.proposal, status="dropped")

    def next_training(self) -> Proposal | None:
        """What to train next: a training that was cut, else the best scored proposal; None if there is neither."""
        with self._lock:
            if self._limit is not None and self.evaluations + len(self.running) >= self._limit:
                return None
            if self.halfway:
                job = self.halfway.pop(0)
            elif len(self.queue):
                best = self.queue.pop()
                job = Proposal(best.proposal, best.genome)
                self._database.update("proposals", job.proposal, status="training")
            else:
                return None
            self.running[job.proposal] = job
            return job

    def cut(self, job: Proposal) -> None:
        """Put a training that is not finished at the head of the line."""
        with self._lock:
            self.running.pop(job.proposal, None)
            self.halfway.insert(0, job)

    def finish(self, job: Proposal, outcome: Outcome, hour: float) -> bool:
        """Record the end of a training and teach the optimiser. Returns whether it is on the Pareto front."""
        good = outcome.reason is None
        with self._lock:
            self.running.pop(job.proposal, None)
            if good:
                self.done[job.proposal] = (job.genome, outcome.validation_error, outcome.cost)
            else:
                self.failed += 1
            with self._database.transaction():
                values = outcome._asdict()
                for batch, seconds in (values.pop("latencies") or {}).items():
                    self._database.insert("latencies", proposal=job.proposal, batch=batch, seconds=seconds)
                if not good:
                    values.update(validation_error=None, cost=None)
                self._database.insert(
                    "evaluations",
                    proposal=job.proposal,
                    ordinal=self.evaluations + self.failed,
                    hour=hour,
                    status="done" if good else "failed",
                    hypervolume=self.hypervolume(),
                    **values,
                )
                self._database.update("proposals", job.proposal, status="done" if good else "failed")
                self._database.insert("events", kind="tell", reference=job.proposal)
            objectives = (outcome.validation_error, outcome.cost) if good else (math.nan, math.nan)
            self._learn(job.genome, objectives)
            return good and job.proposal in self.pareto()

    def pareto(self) -> list[int]:
        """Proposals on the front of validation error and cost, by rising error."""
        with self._lock:
            if not self.done:
                return []
            ids, objectives, mask = self._objectives()
            front = np.asarray(_non_dominated(objectives, mask))
            return sorted((p for p, f in zip(ids, front, strict=False) if f), key=lambda p: self.done[p][1:])

    def hypervolume(self) -> float:
        """Share of the box between the origin and the reference that the evaluations dominate, in [0, 1]."""
        with self._lock:
            if not self.done:
                return 0.0
            _, objectives, mask = self._objectives()
            volume = _hypervolume(objectives / self._reference[None], jnp.ones(2, jnp.float32), mask)
            return float(volume)

    def best_accuracy(self) -> float | None:
        """Highest validation accuracy so far."""
        with self._lock:
            return 1.0 - min(error for _, error, _ in self.done.values()) if self.done else None

    def _objectives(self) -> tuple[list[int], jax.Array, jax.Array]:
        """Padded to few sizes, so that few programs are compiled."""
        rows = -(-len(self.done) // 128) * 128
        objectives = np.ones((rows, 2), np.float32)
        objectives[: len(self.done)] = [(error, cost) for _, error, cost in self.done.values()]
        return list(self.done), jnp.asarray(objectives), jnp.arange(rows) < len(self.done)


_hypervolume = jax.jit(hypervolume)
_non_dominated = jax.jit(non_dominated)


def _number(value: float | None) -> float:
    return math.nan if value is None else value

"""The memory of a live search: the engine's state, the catalogue of what was proposed, and the run database under both.

Every proposal, score and evaluation goes into the database before it counts, and the whole is rebuilt from there on
resume: the optimiser by learning the same evaluations in the same groups. Catalogue row r is proposal r + 1.

Evaluations are recorded the moment they end and told to the optimiser at the end of the hour, as the simulator does.
`record` may be called from several threads; everything else belongs to the loop.
"""

import json
import math
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.engine.hour import Ended, Keys, LineUp
from jcenas.engine.observe import Status
from jcenas.engine.queue import EMPTY
from jcenas.engine.state import Catalog, SearchState
from jcenas.live.database import RunDatabase
from jcenas.live.front import Front
from jcenas.live.proposals import Genome, Proposals
from jcenas.live.steps import Steps
from jcenas.problems.problem import Problem

FRONT_ROWS = 128  # fronts are padded to multiples of it, so that few programs are compiled


class Job(NamedTuple):
    """An architecture to score or to train."""

    row: int
    genome: Genome

    @property
    def proposal(self) -> int:
        """Its number in the database."""
        return self.row + 1


class Outcome(NamedTuple):
    """What a finished training showed. `reason` is set where it failed."""

    validation_error: float
    costs: tuple[float, ...]  # in the order of the problem's
    steps: int
    final_loss: float | None
    seconds: float
    energy_kwh: float
    emissions_g: float
    reason: str | None = None
    latencies: dict[int, float] | None = None  # seconds by batch size


class Finished(NamedTuple):
    """A training that ended."""

    row: int
    objectives: tuple[float, ...]  # NaN where it failed
    hour: float


class RunState:
    """What one live search knows."""

    def __init__(
        self,
        database: RunDatabase,
        problem: Problem,
        make_steps: Callable[[int], Steps],
        *,
        room: int,
        key: jax.Array,
        policy_params: Any = None,
    ):
        """Rebuild from the database, which may be empty.

        Args:
            database: of the run.
            problem: what is searched.
            make_steps: from the number of evaluations to remember to the engine's functions.
            room: evaluations to remember at first.
            key: of the run.
            policy_params: of the policy; None makes them.
        """
        self._database, self.problem, self._make_steps = database, problem, make_steps
        while room < 2 * database.value("SELECT COUNT(*) FROM evaluations"):
            room *= 2
        self.steps = make_steps(room)
        self._first_key, self.search_key = jax.random.split(key)
        self.policy_params = self.steps.policy.init_params(key) if policy_params is None else policy_params
        self._lock = threading.RLock()
        self.running: dict[int, Job] = {}
        self.done: dict[int, Finished] = {}
        self.failed = 0
        self.untold: list[Finished] = []
        self.front = Front(len(problem.reference))
        self.proposals = Proposals(problem)
        for row in database.rows("SELECT genome FROM proposals ORDER BY id"):
            self.proposals.append(tuple(json.loads(row["genome"])))
        self._restore()

    def grow(self) -> None:
        """Make room for twice as many evaluations where this hour's might not find any; between two hours only."""
        sizes = self.steps.sizes
        if int(self.search.count) + self.steps.jobs > sizes.room:
            self.steps = self._make_steps(2 * sizes.room)
            self._restore()

    def _restore(self) -> None:
        """Scores, evaluations, the queue and the cut trainings, as the database has them."""
        self.done, self.failed, self.untold = {}, 0, []
        self.front = Front(len(self.problem.reference))
        for row in self._database.rows("SELECT proposal, score FROM scores"):
            self.proposals.scores[row["proposal"] - 1] = math.nan if row["score"] is None else row["score"]
        self.search = self.steps.start(self._first_key, rows=self.proposals.length)
        told: dict[int, list[Finished]] = {}
        for row in self._database.rows("SELECT * FROM evaluations ORDER BY ordinal"):
            good = row["status"] == "done"
            objectives = (row["validation_error"], *self._read_costs(row["costs"])) if good else self._nothing
            finished = Finished(row["proposal"] - 1, objectives, row["hour"])
            self.failed += not good
            if good:
                self._add(finished)
            if row["told"] is None:
                self.untold.append(finished)
            else:
                told.setdefault(row["told"], []).append(finished)
        width = self.steps.jobs  # may be smaller than it was, on fewer devices
        for group in sorted(told):
            for begin in range(0, len(told[group]), width):
                self._learn(told[group][begin : begin + width])
        self._groups = max(told, default=0)
        rows = self._database.rows("SELECT id, status, place FROM proposals ORDER BY id")
        scored = np.zeros(self.proposals.length, bool)
        scored[[row["proposal"] - 1 for row in self._database.rows("SELECT proposal FROM scores")]] = True
        queued = self._in_order(rows, "queued")
        cut, devices = self._in_order(rows, "training"), self.steps.sizes.devices
        half = (cut + [EMPTY] * devices)[:devices]
        queued = cut[devices:] + queued  # on fewer devices than before
        expected = np.asarray(self.problem.seconds(self.proposals.table[np.maximum(half, 0)]))
        left = np.where(np.array(half) != EMPTY, expected, 0.0)
        places = np.full(self.steps.sizes.queue, EMPTY, np.int32)
        places[: len(queued)] = queued[: len(places)]
        self.search = self.search.replace(
            scored=jnp.asarray(scored),
            queue=jnp.asarray(places),
            half=jnp.asarray(half, jnp.int32),
            half_s=jnp.asarray(left, jnp.float32),
        )

    @staticmethod
    def _in_order(rows: Sequence[sqlite3.Row], status: str) -> list[int]:
        """Catalogue rows of the proposals that have a status, by their place."""
        return [row["id"] - 1 for row in sorted(rows, key=lambda row: row["place"] or 0) if row["status"] == status]

    @property
    def _nothing(self) -> tuple[float, ...]:
        """Objectives of a training that failed."""
        return (math.nan,) * len(self.problem.reference)

    def _written_costs(self, values: Sequence[float]) -> str:
        """Costs as the database holds them."""
        return json.dumps(dict(zip(self.problem.cost_names, map(float, values), strict=True)))

    def _read_costs(self, text: str) -> tuple[float, ...]:
        """Costs as the database holds them, in the problem's order."""
        values = json.loads(text)
        return tuple(values[name] for name in self.problem.cost_names)

    # --- what is known -----------------------------------------------------------------------------------------------

    def job(self, row: int) -> Job:
        """The architecture of a catalogue row."""
        return Job(row, self.genomes[row])

    @property
    def genomes(self) -> list[Genome]:
        """Of the catalogue's rows."""
        return self.proposals.genomes

    @property
    def evaluations(self) -> int:
        """Trainings that ended well."""
        return len(self.done)

    @property
    def queued(self) -> int:
        """Scored proposals that wait."""
        return int(np.sum(np.asarray(self.search.queue) != EMPTY))

    @property
    def halfway(self) -> int:
        """Trainings that an hour's end cut."""
        return int(np.sum(np.asarray(self.search.half) != EMPTY))

    @property
    def scored(self) -> int:
        """Proposals with a score."""
        return int(np.sum(np.asarray(self.search.scored)))

    def status(self) -> Status:
        """What a policy is told of the search."""
        return Status(
            queued=jnp.int32(self.queued),
            capacity=jnp.int32(self.steps.sizes.queue),
            half_finished=jnp.int32(self.halfway),
            hypervolume=jnp.float32(self.search.hypervolume / self.problem.largest),
            evaluations=self.search.count,
        )

    def hypervolume(self) -> float:
        """Share of the largest hypervolume that the evaluations dominate, those of this hour included, in [0, 1]."""
        with self._lock:
            front = self.front.objectives
            if not len(front):
                return 0.0
            rows = -(-len(front) // FRONT_ROWS) * FRONT_ROWS
            objectives = np.full((rows, front.shape[1]), np.inf, np.float32)
            objectives[: len(front)] = front
            valid = np.arange(rows) < len(front)
            return float(self.steps.hypervolume(jnp.asarray(objectives), jnp.asarray(valid))) / self.problem.largest

    def best_accuracy(self) -> float | None:
        """Highest validation accuracy so far."""
        with self._lock:
            return 1.0 - float(self.front.objectives[:, 0].min()) if self.front.rows else None

    def pareto(self) -> list[int]:
        """Proposals on the front of the objectives, by rising error."""
        with self._lock:
            return [row + 1 for row in sorted(self.front.rows, key=lambda row: self.done[row].objectives)]

    def catalog(self) -> Catalog:
        """What is known of all proposals, see `jcenas.live.proposals`."""
        return self.proposals.catalog(self.steps.stage)

    # --- what changes ------------------------------------------------------------------------------------------------

    def _append(self, genome: Genome) -> None:
        """A new row of the catalogue."""
        before = self.proposals.length
        self.proposals.append(genome)
        if self.proposals.length > before:
            self.search = self.search.replace(scored=jnp.pad(self.search.scored, (0, self.proposals.length - before)))

    def propose(self, keys: Keys, hour: float) -> tuple[np.ndarray, np.ndarray]:
        """Ask the optimiser: catalogue rows int32 (P,), EMPTY where it proposed nothing valid, and which are new, bool.

        The state of the optimiser after it is dropped: what is proposed and not queued is forgotten.
        """
        genomes = np.asarray(self.steps.ask(keys.ask, self.search, self.proposals.table))
        rows = np.full(len(genomes), EMPTY, np.int32)
        real = np.all(genomes >= 0, axis=1)
        real = real & self.problem.has(np.maximum(genomes, 0))
        with self._database.transaction():
            for place in np.flatnonzero(real).tolist():
                genome = tuple(map(int, genomes[place]))
                if genome not in self.proposals.row_of:
                    text = self.problem.to_string(genome)
                    self._database.insert(
                        "proposals", genome=json.dumps(genome), cell=text, hour=hour, status="proposed"
                    )
                    self._append(genome)
                rows[place] = self.proposals.row_of[genome]
        return rows, np.asarray(self.steps.new_among(jnp.asarray(rows), self.search))

    def add_scores(self, scores: dict[int, float], hour: float) -> None:
        """Take in scores by row."""
        if not scores:
            return
        costs = self.problem.costs(self.proposals.table[list(scores)]).tolist()
        with self._database.transaction():
            for (row, score), values in zip(scores.items(), costs, strict=True):
                value = None if math.isnan(score) else score
                error = value if self.steps.stage.supernet else None  # a training-free score is no error
                text = self._written_costs(values)
                self._database.replace("scores", proposal=row + 1, score=value, error=error, costs=text, hour=hour)
                self.proposals.scores[row] = score
        rows = jnp.asarray(list(scores), jnp.int32)
        self.search = self.search.replace(scored=self.search.scored.at[rows].set(True))

    def begin(self, job: Job) -> None:
        """A training begins or goes on."""
        with self._lock:
            self.running[job.row] = job
            self._database.update("proposals", job.proposal, status="training")

    def record(self, job: Job, outcome: Outcome, hour: float) -> bool:
        """Record the end of a training, of which the optimiser learns later; whether it is on the front."""
        good = outcome.reason is None
        with self._lock:
            self.running.pop(job.row, None)
            objectives = (outcome.validation_error, *outcome.costs) if good else self._nothing
            finished = Finished(job.row, objectives, hour)
            on_front = good and self._add(finished)
            self.failed += not good
            self.untold.append(finished)
            with self._database.transaction():
                values = outcome._asdict()
                for batch, seconds in (values.pop("latencies") or {}).items():
                    self._database.insert("latencies", proposal=job.proposal, batch=batch, seconds=seconds)
                values["costs"] = self._written_costs(outcome.costs) if good else None
                if not good:
                    values["validation_error"] = None
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
            return on_front

    def _add(self, finished: Finished) -> bool:
        """Remember an evaluation that ended well; whether it is on the front."""
        self.done[finished.row] = finished
        return self.front.add(finished.row, finished.objectives)

    def tested(self, proposal: int) -> bool:
        """Whether the test error of a proposal is known."""
        return bool(self._database.rows("SELECT 1 FROM test WHERE proposal = ?", proposal))

    def add_test(self, proposal: int, error: float) -> None:
        """Record the test error of a proposal, in [0, 1]."""
        self._database.replace("test", proposal=proposal, error=error)

    def cut(self, job: Job) -> None:
        """A training stops before its end and will go on."""
        with self._lock:
            self.running.pop(job.row, None)

    def learn(self) -> None:
        """Tell the optimiser what ended since the last time, in the order of the end."""
        finished, self.untold = sorted(self.untold, key=lambda one: one.hour), []
        width = self.steps.jobs
        for begin in range(0, len(finished), width):
            group = finished[begin : begin + width]
            self._groups += 1
            with self._database.transaction():
                for one in group:
                    query = "UPDATE evaluations SET told = ? WHERE proposal = ?"
                    self._database.execute(query, self._groups, one.row + 1)
            self._learn(group)

    def _learn(self, group: Sequence[Finished]) -> None:
        """Record a group, in its order, in the engine's state."""
        j, m = self.steps.jobs, len(self.problem.reference)
        genomes = np.zeros((j, self.proposals.table.shape[1]), np.int32)
        rows, done = np.zeros(j, np.int32), np.arange(j) < len(group)
        objectives = np.full((j, m), np.inf, np.float32)
        finish = np.full(j, np.inf, np.float32)
        for place, one in enumerate(group):
            genomes[place], rows[place] = self.genomes[one.row], one.row
            objectives[place], finish[place] = one.objectives, one.hour * self.steps.hour_s
        ended = Ended(*map(jnp.asarray, (genomes, rows, objectives, objectives, finish, done)))
        self.search = self.steps.learn(self.search, ended)

    def settle(self, line: LineUp, started: np.ndarray, done: np.ndarray, left_s: np.ndarray) -> SearchState:
        """Who waits and who is cut after an hour; see `jcenas.engine.hour.settle`."""
        queue, half, half_s = self.steps.settle(line, started, done, left_s.astype(np.float32))
        self.search = self.search.replace(queue=queue, half=half, half_s=half_s)
        return self.search

    def save_queue(self) -> None:
        """Write the order of the queue and of the cut trainings; what was queued and is not any more was dropped."""
        queue, half = np.asarray(self.search.queue), np.asarray(self.search.half)
        with self._database.transaction():
            self._database.execute("UPDATE proposals SET status = 'dropped', place = NULL WHERE status = 'queued'")
            for status, rows in (("queued", queue), ("training", half)):
                for place, row in enumerate(rows[rows != EMPTY].tolist()):
                    self._database.update("proposals", row + 1, status=status, place=place)

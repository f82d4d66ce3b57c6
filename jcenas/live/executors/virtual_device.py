"""A device that trains nothing: everything takes a table's seconds, on a clock that jumps, and gives its columns.

It is to one device what `jcenas.live.executors.virtual` is to a whole cluster: executors whose devices are elsewhere
are tested and timed with it. Its checkpoints are small files, so that what is cut, killed or lost goes on elsewhere.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jcenas.carbon.meters.metering import Metering
from jcenas.live.device_work import Entered, Tested
from jcenas.live.executors.virtual import Costs
from jcenas.live.run_folder import RunFolder
from jcenas.live.side_by_side import Genome
from jcenas.live.supernet_weights import SupernetChunk
from jcenas.problems.table import TableProblem
from jcenas.runtime.running_time import Took

CHUNKS = 10  # of every training
_FILE = "chunks.json"


class VirtualDevice:
    """A device of a table, with one slot."""

    count, score_batch, chunk_steps = 1, 8, 1

    def __init__(self, problem: TableProblem, costs: Costs, *, score: str, wall_s: float = 0.0):
        """Bind.

        Args:
            problem: whose columns are the results.
            costs: what scoring and preparing take.
            score: the stage's score, see `jcenas.engine.stages.Stage`.
            wall_s: seconds that a chunk of a training takes on the wall.
        """
        self._problem, self._costs, self._score, self._wall_s = problem, costs, score, wall_s
        self._chunks = self._supernet = 0  # done, of the training in the slot and of the supernet

    def open(self, folder: RunFolder) -> None:
        """The run has a folder."""
        self._folder = folder

    def close(self) -> None:
        """Nothing to give back."""

    def enter(self, slot: int, proposal: int) -> Entered:
        """Put a training into the slot."""
        self._chunks = _read(self._folder.candidate(proposal))
        return Entered(self._chunks, CHUNKS, ())

    def train(self, genomes: Sequence[Genome | None]) -> tuple[list[float], Took]:
        """A tenth of a training."""
        time.sleep(self._wall_s)
        self._chunks += 1
        return [0.0], Took(float(self._problem.seconds(np.array(genomes))[0]) / CHUNKS)

    def save(self, slot: int, proposal: int) -> None:
        """Write how far the training is."""
        _write(self._folder.candidate(proposal), self._chunks)

    def validation_error(self, slot: int, genome: Genome) -> tuple[float, Took]:
        """Of the table."""
        return self._error(genome), Took(0.0)

    def _error(self, genome: Genome) -> float:
        return float(self._problem.column(self._problem.error, np.array([genome]))[0])

    def latencies_s(self, genome: Genome) -> tuple[dict[int, float], Took]:
        """None: costs are columns."""
        return {}, Took(0.0)

    def inference_energy_j(self, genome: Genome, meter: Metering, device: int) -> tuple[float, Took]:
        """None: costs are columns."""
        return float("nan"), Took(0.0)

    def training_free(self, genomes: Sequence[Genome]) -> tuple[list[float], Took]:
        """Of the table."""
        return self._scores(genomes)

    def _scores(self, genomes: Sequence[Genome]) -> tuple[list[float], Took]:
        scores = self._problem.scores(self._score, np.array(genomes))
        return [float(score) for score in scores], Took(self._costs.score_s * len(genomes))

    def begin_supernet(self) -> tuple[bool, tuple[str, ...]]:
        """Read how far it is."""
        self._supernet = _read(self._folder.supernet(0))
        return self._supernet >= CHUNKS, ()

    def train_supernet(self) -> SupernetChunk:
        """A tenth of it."""
        time.sleep(self._wall_s)
        self._supernet += 1
        done = self._supernet >= CHUNKS
        if done:
            self.save_supernet()
        took = Took(self._costs.prepare_s / CHUNKS)
        return SupernetChunk(0, self._supernet, CHUNKS, 0.0, took, busy=1, compiled_s=0.0, done=done, said=())

    def save_supernet(self) -> None:
        """Write how far it is."""
        _write(self._folder.supernet(0), self._supernet)

    def supernet_errors(self, genomes: Sequence[Genome]) -> tuple[list[float], Took]:
        """Of the table."""
        return self._scores(genomes)

    def test(self, proposal: int, genome: Genome, recorded: float) -> tuple[Tested, Took]:
        """Of the table, twice."""
        return Tested(self._error(genome), self._error(genome)), Took(0.0)


def _read(folder: Path) -> int:
    """Chunks that a checkpoint holds; 0 where there is none."""
    file = folder / _FILE
    return int(json.loads(file.read_text())) if file.exists() else 0


def _write(folder: Path, chunks: int) -> None:
    """Whole, or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{_FILE}.part"
    part.write_text(json.dumps(chunks))
    part.rename(folder / _FILE)

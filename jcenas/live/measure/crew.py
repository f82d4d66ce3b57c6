"""The devices at work on a table: each takes cells that the table lacks, trains them, and writes their rows."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from jcenas.carbon.power import PowerModel
from jcenas.live.measure.columns import GENOME, SEED, genome_text, rows_of
from jcenas.live.measure.config import MeasureConfig
from jcenas.live.measure.file import MeasuredFile
from jcenas.live.measure.trainer import CellTrainer
from jcenas.problems.network import NetworkProblem

SAY_EVERY_S = 10.0


def lacking(config: MeasureConfig, cells: np.ndarray, rows: Sequence[dict[str, str]]) -> list[int]:
    """Places of the cells (n, d) of which a seed's row is not there."""
    there = {(row[GENOME], row[SEED]) for row in rows}
    seeds = [str(seed) for seed in range(config.seeds)]
    texts = map(genome_text, cells.tolist())
    return [place for place, text in enumerate(texts) if any((text, seed) not in there for seed in seeds)]


class Crew:
    """What the devices share: the cells that wait, the table, and who is told."""

    def __init__(
        self,
        config: MeasureConfig,
        problem: NetworkProblem,
        cells: np.ndarray,
        *,
        power: PowerModel,
        table: MeasuredFile,
        say: Callable[[str], None],
    ):
        """Bind; nothing is trained yet.

        Args:
            config: of the table.
            problem: of the cells.
            cells: genomes (n, d) that the table shall hold.
            power: of each device.
            table: open.
            say: told of the progress, a line each.
        """
        self.config, self.problem, self.cells = config, problem, cells
        self.power, self.table, self.say = power, table, say
        self._known = {(row[GENOME], row[SEED]) for row in table.rows}
        self._waiting, self._lock = lacking(config, cells, table.rows), threading.Lock()
        self._total, self._done = len(self._waiting), 0

    def work(self, trainers: Sequence[CellTrainer], stop: threading.Event) -> None:
        """Train until no cell waits, the user stops, or a device fails, whose error is raised when all have ended."""
        failed, self._began = threading.Event(), time.monotonic()
        self._said = self._began

        def stopped() -> bool:
            return stop.is_set() or failed.is_set()

        def train(trainer: CellTrainer) -> None:
            try:
                while not stopped() and self._train_next(trainer, stopped):
                    pass
            except BaseException:
                failed.set()
                raise

        with ThreadPoolExecutor(len(trainers)) as pool:
            for job in [pool.submit(train, trainer) for trainer in trainers]:
                job.result()

    def _train_next(self, trainer: CellTrainer, stopped: Callable[[], bool]) -> bool:
        """Train the next cells and write their rows; False where there are none, or they were stopped."""
        with self._lock:
            places, self._waiting = self._waiting[: trainer.together], self._waiting[trainer.together :]
        if not places:
            return False
        cells = self.cells[places]
        trained = trainer.train(cells, stopped)
        if trained is None:
            return False
        rows = rows_of(self.config, self.problem, cells, trained, self.power)
        with self._lock:
            self.table.append([row for row in rows if (row[GENOME], row[SEED]) not in self._known])
            self._done += len(places)
            self._tell()
        return True

    def _tell(self) -> None:
        """How far it is, now and then and at the end."""
        now = time.monotonic()
        if now - self._said < SAY_EVERY_S and self._done < self._total:
            return
        self._said, left = now, self._total - self._done
        left_s = left * (now - self._began) / self._done
        time_left = f"{left_s:.0f} s" if left_s < 100 else f"{left_s / 60:.0f} min"
        self.say(f"{len(self.cells) - left} of {len(self.cells)} cells, about {time_left} left")

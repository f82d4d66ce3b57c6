"""What one evaluation of a user's own function may use, and how it stops at the end of an hour and goes on later.

The protocol. A search calls `evaluate(genome, seed, budget, folder)` in a worker process. At the end of a trace hour
the device may be wanted for something else, or the search may be stopped. A long function therefore asks now and then:

    done = load(folder)  # nothing at the first call
    while done < budget.epochs:
        if budget.over():
            save(folder, done)
            budget.pause(done / budget.epochs)  # does not return
        done += 1
        ...

`pause` ends this call. Later the search calls the function again, with the same genome, seed and folder, perhaps in
another process after a crash of the machine. A function that never asks runs to its end, and the hour waits for it.

Nothing here, and nothing that a worker needs, imports JAX.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Protocol


class Evaluate(Protocol):
    """The user's function: train and judge one architecture. Called in a worker process."""

    def __call__(self, genome: Any, seed: int, budget: "EvaluationBudget", folder: Path, /) -> Any:
        """Evaluate.

        Args:
            genome: a dict of values by name where the space was given as one, else a tuple of ints.
            seed: of this architecture, the same at every call, in 0..2**31-1.
            budget: what it may use.
            folder: its own, and exists: for checkpoints, and for what is to be kept of the best ones.

        Returns:
            The validation error as a fraction (smaller is better), or the error and then the costs that only an
            evaluation knows, in the order in which the problem names them.
        """
        ...


class PausedEvaluation(BaseException):
    """Raised by `EvaluationBudget.pause`; not an `Exception`, so that a function's own `except` does not catch it."""

    def __init__(self, done: float):
        super().__init__(done)
        self.done = done


class EvaluationBudget:
    """What one call of a user's function may use.

    Attributes:
        epochs: that every candidate trains, from the settings of the search; what one is, is the function's matter.
        worker: number of the worker process, from 0: the function may take the accelerator of that number.
    """

    def __init__(self, *, epochs: int, worker: int = 0, left_s: float = float("inf"), stopped: Callable[[], bool]):
        """Begin to count.

        Args:
            epochs: see above.
            worker: see above.
            left_s: seconds from now to the end of the hour.
            stopped: whether the search wants to stop at once.
        """
        self.epochs, self.worker = epochs, worker
        self._deadline, self._stopped = time.monotonic() + left_s, stopped

    def left_s(self) -> float:
        """Seconds until the evaluation should pause, at least 0."""
        return 0.0 if self._stopped() else max(0.0, self._deadline - time.monotonic())

    def over(self) -> bool:
        """Whether the evaluation should save what it has in its folder and call `pause`."""
        return self.left_s() <= 0

    def pause(self, done: float = 0.0) -> NoReturn:
        """End this call; the search calls the function again later, with the same folder.

        Args:
            done: share of the whole evaluation that is done, in [0, 1]; 0 where it is not known.
        """
        raise PausedEvaluation(min(max(float(done), 0.0), 1.0))

"""A worker process that evaluates a user's function, and the end of it that the search holds.

The process is spawned, leads a process group of its own, and kills that group when the search's process is gone. It
imports no JAX unless the user's program does. What it says are plain numbers and texts, so that the search imports
nothing of the user's either.
"""

import contextlib
import ctypes
import math
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NamedTuple

from jcenas.errors import InputError
from jcenas.problems.budget import Evaluate, EvaluationBudget, PausedEvaluation
from jcenas.problems.problem import LARGEST

START_LIMIT_S = 300.0  # to import the user's program
END_LIMIT_S = 5.0  # to be gone after a kill
LONGEST_REASON = 500  # characters
_PR_SET_PDEATHSIG = 1  # Linux
_PAUSE = "pause"


class Task(NamedTuple):
    """One call of the function."""

    genome: Any
    seed: int
    epochs: int
    folder: Path
    left_s: float  # to the end of the hour


class Answer(NamedTuple):
    """What became of it: one of these is not None."""

    values: list[float] | None = None  # it ended
    done: float | None = None  # it paused, with this share done
    reason: str | None = None  # it failed
    trace: str = ""  # where, for people who mend it
    died: bool = False  # the process is gone


class Worker:
    """The search's end of a worker process."""

    def __init__(self, number: int, evaluate: Evaluate):
        """Start the process; it imports the user's program meanwhile."""
        self.number, self._evaluate = number, evaluate
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, evaluate, number), name=f"jcenas-worker-{number}")
        try:
            self._process.start()
        finally:
            other.close()

    def wait_until_ready(self) -> None:
        """Return once the process can evaluate.

        Raises:
            InputError: it ended before, or takes too long; the reason stands in the user's terminal.
        """
        ready, said = None, wait([self.connection, self._process.sentinel], START_LIMIT_S)
        if said:
            with contextlib.suppress(EOFError, OSError):
                ready = self.connection.recv()
        if ready != "ready":
            self._process.join(END_LIMIT_S if said else 0.0)  # it has closed its end, and is about to be gone
            how = self._how_it_ended()
            self.kill()
            what = f"ended at once ({how})" if said else f"is not ready after {START_LIMIT_S:g} s"
            raise InputError(
                f"worker process {self.number} {what} while it imported {_module(self._evaluate)}; the call of search "
                'belongs under `if __name__ == "__main__":`, and the function into a module that can be imported'
            )

    def ask(self, task: Task) -> None:
        """Begin a call."""
        with contextlib.suppress(OSError):  # it died meanwhile: `answer` says so
            self.connection.send(tuple(task))

    def pause(self) -> None:
        """Ask the function to pause now."""
        with contextlib.suppress(OSError):
            self.connection.send(_PAUSE)

    def answer(self) -> Answer | None:
        """What became of the call; None while it goes on."""
        alive = self._process.is_alive()  # before the look: what a dead process has said is all there
        try:
            if self.connection.poll():
                return Answer(**self.connection.recv())
        except (EOFError, OSError):
            alive = False
        if alive:
            return None
        self._process.join(END_LIMIT_S)
        return Answer(reason=f"the worker process died ({self._how_it_ended()})", died=True)

    def kill(self) -> None:
        """End the process and what it started."""
        pid = self._process.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            self._process.kill()  # it may not lead its group yet
            self._process.join(END_LIMIT_S)
        self.connection.close()

    def _how_it_ended(self) -> str:
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"exit code {code}"
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            return f"signal {name}, perhaps for want of memory" if name == "SIGKILL" else f"signal {name}"
        return f"signal {-code}"


# --- in the worker process -------------------------------------------------------------------------------------------


def serve(connection: Connection, evaluate: Evaluate, number: int) -> None:
    """Evaluate what comes, until the search's process is gone: the main function of a worker process."""
    _die_with_parent()
    connection.send("ready")
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            return
        if message != _PAUSE:  # one that crossed the answer
            connection.send(_call(evaluate, Task(*message), connection, number)._asdict())
            sys.stdout.flush()


def _die_with_parent() -> None:
    """Lead a process group, and kill it when the search's process ends, whatever the function does then."""
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker is started by a search"
    if sys.platform.startswith("linux"):  # at once, even where the function holds the interpreter
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        wait([parent.sentinel])
        if os.getpgrp() == os.getpid():
            os.killpg(0, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def _call(evaluate: Evaluate, task: Task, connection: Connection, number: int) -> Answer:
    """One call of the function."""
    stop = _Stop(connection)
    budget = EvaluationBudget(epochs=task.epochs, worker=number, left_s=task.left_s, stopped=stop.seen)
    try:
        return Answer(values=_numbers(evaluate(task.genome, task.seed, budget, task.folder)))
    except PausedEvaluation as paused:
        return Answer(done=paused.done)
    except BaseException as error:  # SystemExit and KeyboardInterrupt of the user's code too
        reason = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
        return Answer(reason=reason[:LONGEST_REASON], trace=traceback.format_exc())


class _Stop:
    """Whether the search has asked to pause during this call."""

    def __init__(self, connection: Connection):
        self._connection, self._seen, self._lock = connection, False, threading.Lock()

    def seen(self) -> bool:
        """Look."""
        with self._lock:
            if not self._seen and self._connection.poll():
                try:
                    self._seen = self._connection.recv() == _PAUSE
                except (EOFError, OSError):
                    self._seen = True
        return self._seen


def _numbers(values: Any) -> list[float]:
    """What a function returned, a number or several, as floats."""
    try:
        each = list(values)
    except TypeError:  # a number, of any library
        each = [values]
    try:
        return [float(value) for value in each]
    except (TypeError, ValueError):
        raise TypeError(f"evaluate returned {str(values)[:80]!r}; it must return a number or several") from None


def problem_with(values: list[float], names: tuple[str, ...], largest_error: float = 1.0) -> str | None:
    """Why returned values are of no use, or None.

    Args:
        values: error, and costs behind it.
        names: of those costs.
        largest_error: of the reference point; above 1 the user's errors are no fractions.
    """
    expected = ("error", *names)
    if len(values) != len(expected):
        return f"evaluate returned {len(values)} values, not {len(expected)} ({', '.join(expected)})"
    for name, value in zip(expected, values, strict=True):
        if not abs(value) <= LARGEST:
            return f"{name} is {value}" + ", no number of 32 bits" * math.isfinite(value)
    if values[0] < 0:
        return f"error is {values[0]:g}; it must not be negative"
    if values[0] > 1 >= largest_error:
        return f"error is {values[0]:g}, no fraction of 1; return one, or give a reference with an error above 1"
    return None


def _module(evaluate: Any) -> str:
    return str(getattr(getattr(evaluate, "func", evaluate), "__module__", "the function"))

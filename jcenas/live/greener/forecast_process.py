"""Forecasts in a process of their own: JAX stays out of the user's program, off its GPU and out of its memory.

    python -m jcenas.live.greener.forecast_process

answers questions on standard input (pickled arguments of `ask_here`) on standard output.
"""

import contextlib
import os
import pathlib
import pickle
import select
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from jcenas.engine import grid as grids
from jcenas.engine.grid import GridHours
from jcenas.live.greener.known import ask_here

_ROOT = pathlib.Path(__file__).parents[3]  # of the package, wherever it was imported from
LONGEST_S = 120.0  # of an answer; the first one compiles


class ForecastProcess:
    """Asks for forecasts; where none comes, yesterday is repeated and a line says so."""

    def __init__(self, say: Callable[[str], None], *, keep: bool):
        """Start nothing yet.

        Args:
            say: told of failures.
            keep: whether the process stays for the next question, or goes and frees its memory.
        """
        self._say, self._keep, self._process = say, keep, None

    def __call__(self, grid: GridHours, kind: grids.Forecast, hour: int, lead_h: int) -> np.ndarray:
        """Quantiles of the coming hours, (lead_h, 3); see `ask_here`."""
        if kind != "model" or len(grid.before) + hour < grids.WEEK_H:
            return ask_here(grid, kind, hour, lead_h)
        try:
            answer = self._answer((grid, kind, hour, lead_h))
        except (OSError, EOFError, pickle.UnpicklingError, TimeoutError) as error:
            self.close()
            self._say(f"no forecast ({type(error).__name__}: {error}); yesterday is taken to repeat for this hour")
            return ask_here(grid, "persistence", hour, lead_h)
        if not self._keep:
            self.close()
        return answer

    def _answer(self, question: Any) -> np.ndarray:
        if self._process is None:
            # The user's folder is left out of the search for modules: it may hold one of any name.
            command = [sys.executable, "-P", "-m", __spec__.name]
            paths = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=os.environ | {"JAX_PLATFORMS": "cpu", "PYTHONPATH": paths},
                start_new_session=True,
            )
        into, out = self._process.stdin, self._process.stdout
        assert into is not None
        assert out is not None
        pickle.dump(question, into)
        into.flush()
        if not select.select([out], [], [], LONGEST_S)[0]:
            raise TimeoutError(f"none within {LONGEST_S:g} s")
        return pickle.load(out)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            for pipe in filter(None, (self._process.stdin, self._process.stdout)):
                with contextlib.suppress(OSError):
                    pipe.close()
            self._process.wait()
            self._process = None


def main() -> None:
    """Answer until the input ends."""
    from jcenas.runtime.process import keep_compiled_programs

    answers, questions = sys.stdout.buffer, sys.stdin.buffer
    sys.stdout = sys.stderr  # whatever a library prints is no answer
    keep_compiled_programs()
    with contextlib.suppress(EOFError):
        while True:
            pickle.dump(ask_here(*pickle.load(questions)), answers)
            answers.flush()


if __name__ == "__main__":
    main()

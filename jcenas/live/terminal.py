"""A search under a terminal: Ctrl-C stops it cleanly, and compiled programs are kept for the next start."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from jcenas.live.config import SearchConfig
from jcenas.live.finish import SearchResult
from jcenas.live.progress import Observer
from jcenas.runtime.process import keep_compiled_programs, use_cpu_devices

MOST_CPU_DEVICES = 4  # of a CPU's cores, unless the user says how many


def run(
    config: SearchConfig, *, resume: Path | None, observer: Observer, changes: Mapping[str, Any] | None = None
) -> SearchResult:
    """Search until the budget is spent or the user presses Ctrl-C; a second Ctrl-C stops at once.

    Args:
        config: of a new run.
        resume: run folder to go on with instead.
        observer: told of the progress.
        changes: new budgets or devices of the run that goes on, by field.

    Raises:
        InputError: see `jcenas.live.search`.
    """
    keep_compiled_programs()
    use_cpu_devices(work=config.devices or MOST_CPU_DEVICES)
    from jcenas.live.entry import search

    with stopped_by_signals(observer.log) as stop:
        if resume:
            return search(resume=resume, changes=changes, observer=observer, stop=stop)
        return search(config, observer=observer, stop=stop)


@contextlib.contextmanager
def stopped_by_signals(log: Callable[[str], None]) -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, and `log` is told; a second one raises `KeyboardInterrupt`."""
    stop = threading.Event()

    def interrupt(number: int, frame: object) -> None:
        del number, frame
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        log("stopping after the step in flight; press Ctrl-C again to stop at once")

    before = {s: signal.signal(s, interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""A search under a terminal: Ctrl-C stops it cleanly, and compiled programs are kept for the next start."""

import signal
import threading
from pathlib import Path

from jcenas.live.config import SearchConfig
from jcenas.live.finish import SearchResult
from jcenas.live.progress import Observer
from jcenas.runtime.process import keep_compiled_programs


def run(config: SearchConfig, *, resume: Path | None, observer: Observer) -> SearchResult:
    """Search until the budget is spent or the user presses Ctrl-C; a second Ctrl-C stops at once.

    Raises:
        InputError: see `jcenas.live.search`.
    """
    keep_compiled_programs()
    from jcenas.live.entry import search

    stop = threading.Event()

    def interrupt(number: int, frame: object) -> None:
        del number, frame
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        observer.log("stopping after the step in flight; press Ctrl-C again to stop at once")

    before = {s: signal.signal(s, interrupt) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        return search(None if resume else config, resume=resume, observer=observer, stop=stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""A search under a terminal: Ctrl-C stops it cleanly, and compiled programs are kept for the next start."""

import os
import signal
import sys
import threading
from pathlib import Path

import platformdirs

from jcenas.live.config import SearchConfig
from jcenas.live.finish import SearchResult
from jcenas.live.progress import Observer

CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"
_GLIBC = "GLIBC_TUNABLES"
_HUGE_PAGES = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=8589934592:"
    "glibc.malloc.trim_threshold=8589934592:glibc.malloc.top_pad=268435456"
)


def start_with_huge_pages() -> None:
    """Replace this process by itself with glibc's huge-page settings, which glibc reads at process start only.

    Large arrays then do not pay for page faults again and again. OpenBLAS gets one thread, because its threads wait for
    each other where a core is taken. Nothing happens where the variable is set already, to anything, or where there is
    no glibc.
    """
    if sys.platform.startswith("linux") and _GLIBC not in os.environ:
        settings = {"OPENBLAS_NUM_THREADS": "1"} | dict(os.environ) | {_GLIBC: _HUGE_PAGES}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], settings)


def keep_compiled_programs() -> None:
    """Use JAX's persistent compilation cache in the user's cache folder, unless JAX_COMPILATION_CACHE_DIR names one."""
    import jax

    if CACHE_VARIABLE not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(Path(platformdirs.user_cache_dir("jcenas")) / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def run(config: SearchConfig, *, resume: Path | None, observer: Observer) -> SearchResult:
    """Search until the budget is spent or the user presses Ctrl-C; a second Ctrl-C stops at once.

    Raises:
        InputError: see `jcenas.live.search`.
    """
    keep_compiled_programs()
    from jcenas.live.start import search

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

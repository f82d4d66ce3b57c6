"""How a process of this package starts: memory pages, kept compilations, and how many CPU devices are worth having."""

import contextlib
import math
import os
import sys
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"
_GLIBC = "GLIBC_TUNABLES"
_HUGE_PAGES = (
    "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=8589934592:"
    "glibc.malloc.trim_threshold=8589934592:glibc.malloc.top_pad=268435456"
)
_PROC, _CGROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def start_with_huge_pages() -> None:
    """Replace this process by itself with glibc's huge-page settings, which glibc reads at process start only.

    For programs only, as their first step: the process begins anew. Large arrays then do not pay for page faults again
    and again. OpenBLAS gets one thread, because its threads wait for each other where a core is taken. Nothing happens
    where the variable is set already, to anything, or where there is no glibc.
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


def use_cpu_devices(work: int | None = None) -> None:
    """Have JAX make `cpu_count(work)` CPU devices; it keeps those that it has where its back end runs already."""
    import jax

    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", cpu_count(work))


def use_cpu_only() -> None:
    """Have JAX use no accelerator in this process; it keeps those that it has where its back end runs already."""
    import jax

    jax.config.update("jax_platforms", "cpu")


def cpu_count(work: int | None = None) -> int:
    """Number of CPUs that this process may use at once: the least of affinity, cgroup quota and pieces of work.

    Args:
        work: independent pieces that there are to do; None where that is no limit.
    """
    limits = [_affinity(), cgroup_quota()] + ([] if work is None else [work])
    return max(1, math.floor(min(limits)))


def _affinity() -> int:
    """CPUs that the scheduler may run this process on; in a container, `os.cpu_count` is the host's number."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    count = getattr(os, "process_cpu_count", os.cpu_count)  # Python 3.13
    return count() or 1


def cgroup_quota(proc: Path = _PROC, root: Path = _CGROUPS) -> float:
    """CPUs that the control groups of this process grant, cgroups version 1 or 2; infinite where they set no limit.

    A limit of a group holds for the groups below it too, so the least on the way up to the root counts.

    Args:
        proc: file of the process's groups, lines of `number:controllers:path`.
        root: where the groups are mounted.
    """
    least = math.inf
    for line in _read(proc).splitlines():
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        names = controllers.split(",")
        if "cpu" in names:
            read, mounts = _quota_of_version_1, (root / "cpu", root / controllers)
        elif controllers == "":
            read, mounts = _quota_of_version_2, (root, root / "unified")
        else:
            continue
        # Inside a container the path may be the host's; the mount's own root is then the container's group.
        places = Path(path.lstrip("/"))
        for mount in mounts:
            for folder in (places, *places.parents):
                least = min(least, read(mount / folder))
    return least


def _quota_of_version_2(folder: Path) -> float:
    """CPUs of a file `cpu.max`, such as "150000 100000" (microseconds in each period) or "max 100000"."""
    quota, period = (*_read(folder / "cpu.max").split(), "", "")[:2]
    return _ratio(quota, period)


def _quota_of_version_1(folder: Path) -> float:
    """CPUs of the files `cpu.cfs_quota_us` (-1: no limit) and `cpu.cfs_period_us`."""
    return _ratio(_read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip())


def _ratio(quota: str, period: str) -> float:
    if not (quota.isdigit() and period.isdigit() and int(quota) and int(period)):
        return math.inf
    return int(quota) / int(period)


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""

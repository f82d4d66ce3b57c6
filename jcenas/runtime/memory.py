"""How much memory there is: of an accelerator, or of the host within the limit of its control group."""

import math
import os
from pathlib import Path
from typing import Any

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def device_bytes(device: Any) -> float:
    """Memory of a `jax.Device` in bytes; of a CPU, and where the back end does not say, the host's."""
    try:
        stats = device.memory_stats()
    except Exception:  # back ends without the call raise errors of their own
        stats = None
    return float((stats or {}).get("bytes_limit") or host_bytes())


def host_bytes(limits: tuple[Path, ...] = _LIMITS) -> float:
    """Bytes that this process may use at most: the machine's, or what its control group grants; infinite if unknown."""
    least = math.inf
    if hasattr(os, "sysconf"):
        least = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for file in limits:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            least = min(least, float(text))
    return least

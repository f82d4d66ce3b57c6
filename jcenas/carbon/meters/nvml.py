"""Energy of NVIDIA GPUs by NVML's own counter, millijoules of the whole board since the driver was loaded.

The library is `nvidia-ml-py`, NVIDIA's bindings, one module without dependencies (the extra `meter`). `zeus` and
`codecarbon` were the alternatives. On a GPU since Volta both ask the same counter through the same bindings. Zeus adds
a process that follows RAPL, and ten packages (amdsmi, httpx and pydantic among them); codecarbon samples powers every
15 s by a thread, which is longer than many an interval here, brings sixteen packages, and computes emissions of its
own, which is this program's matter. A counter that is read at the ends of an interval needs neither.

The counter changes every 20 to 100 ms, whence `UPDATES_S`; it exists on Volta and newer, not on parts of a GPU (MIG).
What else runs on the GPU is counted too.
"""

import math
import os
from collections.abc import Sequence
from typing import Any

from jcenas.carbon.meters.meter import WORKER, Counter, MeteredDevice
from jcenas.errors import InputError

UPDATES_S = 0.1
VISIBLE = "CUDA_VISIBLE_DEVICES"
_GPU = ("gpu", "cuda")
_J_PER_MJ = 1e-3  # millijoules


class NvmlMeter:
    """A counter for each GPU of the run; where a user's function runs in workers, all visible GPUs for all of them."""

    name = "nvml"
    measures = "whole GPU boards with their memory (NVML)"

    def __init__(self):
        """Nothing is loaded yet."""
        self._nvml: Any = None
        self._handles: list[Any] = []

    def open(self, devices: Sequence[MeteredDevice]) -> Sequence[Counter]:
        """Load the library, and find the counters.

        Raises:
            InputError: other devices, no library, no driver, or a GPU without the counter.
        """
        if other := next((device for device in devices if device.platform not in (*_GPU, WORKER)), None):
            raise InputError(f"meter nvml counts NVIDIA GPUs, and the run's devices are {other.platform}")
        try:
            import pynvml  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise InputError("meter nvml needs the package nvidia-ml-py: pip install 'jcenas[meter]'") from error
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            raise InputError(f"meter nvml: no NVIDIA driver answers ({error})") from error
        self._nvml = pynvml
        try:
            shown = self._visible()
            everyone, counters = tuple(range(len(devices))), []
            if any(device.platform == WORKER for device in devices):
                self._handles = shown
                sharing = [everyone] * len(shown)
            else:
                self._handles = [self._of(device, shown) for device in devices]
                sharing = [(place,) for place in everyone]
            for handle, sharers in zip(self._handles, sharing, strict=True):
                pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
                counters.append(Counter(self._name(handle), sharers, updates_s=UPDATES_S))
        except pynvml.NVMLError as error:
            self.close()
            raise InputError(f"meter nvml: a GPU has no energy counter ({error}): older than Volta?") from error
        except InputError:
            self.close()
            raise
        if not counters:
            self.close()
            raise InputError("meter nvml: no GPU is visible to this process")
        return counters

    def _visible(self) -> list[Any]:
        """Handles of the GPUs that CUDA shows to this process, in its order."""
        nvml = self._nvml
        every = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        if VISIBLE not in os.environ:
            return every
        shown = []
        for word in filter(None, (word.strip() for word in os.environ[VISIBLE].split(","))):
            if word.startswith("MIG"):
                raise InputError(f"meter nvml: {VISIBLE} names a part of a GPU (MIG), which has no energy counter")
            if word.startswith("GPU-"):
                found = [handle for handle in every if _text(nvml.nvmlDeviceGetUUID(handle)).startswith(word)]
            else:
                found = every[int(word) : int(word) + 1] if word.isdecimal() else []
            if len(found) != 1:
                break  # as CUDA does: what follows an entry that names nothing is not shown
            shown += found
        return shown

    def _of(self, device: MeteredDevice, shown: list[Any]) -> Any:
        """Handle of a device of the run.

        CUDA numbers GPUs of several kinds by speed unless CUDA_DEVICE_ORDER says otherwise, NVML by their place.
        """
        if device.index >= len(shown):
            raise InputError(f"meter nvml: NVML shows {len(shown)} GPUs, and the run uses number {device.index}")
        handle = shown[device.index]
        if len({self._name(one) for one in shown}) > 1 and _plain(self._name(handle)) != _plain(device.kind):
            raise InputError(
                f"meter nvml: GPU {device.index} is a {device.kind} to JAX and a {self._name(handle)} to NVML; set "
                "CUDA_DEVICE_ORDER=PCI_BUS_ID"
            )
        return handle

    def _name(self, handle: Any) -> str:
        return _text(self._nvml.nvmlDeviceGetName(handle))

    def read(self, places: Sequence[int]) -> Sequence[float]:
        """Joules of each GPU."""
        return [self._joules(self._handles[place]) for place in places]

    def _joules(self, handle: Any) -> float:
        try:
            return self._nvml.nvmlDeviceGetTotalEnergyConsumption(handle) * _J_PER_MJ
        except self._nvml.NVMLError:
            return math.nan

    def close(self) -> None:
        """Let the library go."""
        if self._nvml is not None:
            self._handles = []
            self._nvml.nvmlShutdown()
            self._nvml = None


def _text(name: str | bytes) -> str:
    """Older versions of the library return bytes."""
    return name.decode() if isinstance(name, bytes) else name


def _plain(kind: str) -> str:
    return kind.removeprefix("NVIDIA ").strip()

"""The one place that names devices and meshes: which devices there are, and how arrays lie on them.

Several processes, on one machine or many, form one mesh after `join`: every process then runs the same program on the
same host data, and each holds the parts of the arrays that lie on its own devices.
"""

from collections.abc import Sequence
from typing import Any

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, SingleDeviceSharding

from jcenas.errors import InputError

Device = Any  # a jax.Device, of which jaxlib gives type checkers no class


def local_devices(count: int | None = None) -> list[Device]:
    """The first `count` devices of this process, or all of them.

    Raises:
        InputError: there are fewer.
    """
    devices = jax.local_devices()
    if count is not None and not 1 <= count <= len(devices):
        raise InputError(f"--devices {count}: this machine has {len(devices)} {devices[0].platform} device(s)")
    return devices[:count]


def join(coordinator: str, processes: int, index: int) -> list[Device]:
    """Join the processes of one computation; call it before anything else of JAX.

    Args:
        coordinator: `host:port` of process 0, reachable from all.
        processes: how many there are.
        index: number of this one, from 0.

    Returns:
        The devices of all processes, in the same order in each.

    Raises:
        InputError: the index is not one of the processes.
    """
    if not 0 <= index < processes:
        raise InputError(f"process {index} of {processes}: number the processes from 0 to {processes - 1}")
    jax.distributed.initialize(coordinator, processes, index)
    return jax.devices()


def describe(devices: Sequence[Device]) -> list[str]:
    """Kind of each device, for the record of a run."""
    return [f"{d.platform}:{d.id} {d.device_kind}" for d in devices]


def on_cpu(devices: Sequence[Device]) -> bool:
    """True where XLA's CPU back end compiles for these devices."""
    return devices[0].platform == "cpu"


def home(device: Device) -> Device:
    """Where the programs of a device run: itself, but for all devices of a CPU the first of them.

    JAX's devices of a CPU have no cores of their own: what several threads run on one of them runs side by side, on any
    core, as on several. So they share programs, which XLA's cache would keep, and compile, for each.
    """
    return local_devices(1)[0] if on_cpu([device]) else device


def place(tree: Any, device: Device) -> Any:
    """Put every array of a tree on one device."""
    return jax.device_put(tree, device)


def abstract(tree: Any, device: Device) -> Any:
    """Shapes and dtypes of a tree (of arrays, or of shapes) that will lie on one device, to compile for."""
    where = SingleDeviceSharding(device)
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where), tree)


def data_mesh(devices: Sequence[Device], axis: str = "data") -> Mesh:
    """A one-dimensional mesh over the devices."""
    return jax.make_mesh((len(devices),), (axis,), axis_types=(AxisType.Auto,), devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
    """The whole array on every device of the mesh."""
    return NamedSharding(mesh, jax.P())


def split(mesh: Mesh) -> NamedSharding:
    """The leading axis divided over the devices of the mesh."""
    return NamedSharding(mesh, jax.P(*mesh.axis_names))


def check_divides(batch_size: int, accumulate: int, batch_sharding: jax.sharding.Sharding) -> None:
    """Every device must get the same number of images in every micro-batch.

    Raises:
        InputError: it does not; names the numbers and the nearest batch sizes that do.
    """
    unit = batch_sharding.num_devices * accumulate
    if batch_size % unit:
        below = batch_size - batch_size % unit
        nearest = f"{below} or {below + unit}" if below else f"{unit}"
        micro = f" in {accumulate} micro-batches" if accumulate > 1 else ""
        raise InputError(
            f"batch_size {batch_size}{micro} does not divide over {batch_sharding.num_devices} devices; use {nearest}"
        )

"""The one place that names devices and meshes: which devices there are, and how arrays lie on them."""

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


def describe(devices: Sequence[Device]) -> list[str]:
    """Kind of each device, for the record of a run."""
    return [f"{d.platform}:{d.id} {d.device_kind}" for d in devices]


def on_cpu(devices: Sequence[Device]) -> bool:
    """True where XLA's CPU back end compiles for these devices."""
    return devices[0].platform == "cpu"


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

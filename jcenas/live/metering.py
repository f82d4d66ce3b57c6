"""The meter of a run: opened for its devices, and given up where it is gone when the run goes on."""

from collections.abc import Callable, Sequence

from jcenas.carbon.meters.meter import WORKER, MeteredDevice
from jcenas.carbon.meters.metering import Metering
from jcenas.carbon.meters.names import meter_from_name
from jcenas.carbon.meters.none import NoMeter
from jcenas.errors import InputError
from jcenas.live.config import AUTO, SearchConfig
from jcenas.runtime import sharding


def open_metering(
    config: SearchConfig, devices: Sequence[MeteredDevice], log: Callable[[str], None], *, goes_on: bool
) -> Metering:
    """Open the meter that a run names.

    Args:
        config: of the run.
        devices: in the order of their numbers in the run.
        log: told what is counted, why nothing is, and of readings that are of no use.
        goes_on: whether the run has begun before: then a meter that is gone leaves the energy to the model.

    Raises:
        InputError: a new run's meter cannot be opened, or a cost needs one and there is none for it.
    """
    try:
        metering = Metering(meter_from_name(config.meter), devices, warn=log)
    except InputError as error:
        if config.metered_costs:
            raise InputError(f"--cost {config.metered_costs[0]} needs a meter: {error}") from error
        if config.meter != AUTO and not goes_on:
            raise
        log(f"meter: {error}; energy is modelled{' from here on' if goes_on else ''}")
        return Metering(NoMeter(), ())
    if metering.counters:
        log(f"meter: {metering.name}, {metering.measures}")
    if config.metered_costs and not all(metering.alone(place) for place in range(len(devices))):
        metering.close()
        raise InputError(
            f"--cost {config.metered_costs[0]} needs a counter of its own for every device, and {metering.name} has "
            f"one for {len(devices)} of them; use --devices 1"
        )
    return metering


def of_devices(devices: Sequence[sharding.Device]) -> list[MeteredDevice]:
    """Devices of JAX as a meter is told of them."""
    places = [getattr(device, "local_hardware_id", None) for device in devices]
    return [
        MeteredDevice(device.platform, device.id if place is None else place, device.device_kind)
        for device, place in zip(devices, places, strict=True)
    ]


def of_workers(names: Sequence[str]) -> list[MeteredDevice]:
    """Worker processes as a meter is told of them."""
    return [MeteredDevice(WORKER, place, name) for place, name in enumerate(names)]

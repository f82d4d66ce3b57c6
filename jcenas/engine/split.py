"""How the devices of an hour are split: whole devices, and, where there are few, one that slices its hour."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jcenas.alloc.devices import devices_for_share

FEW = 3  # up to so many devices slice an hour: whole ones would round a share by a sixth and more
_TINY = 1e-5  # of a device: float32's rounding of the share


class Split(NamedTuple):
    """Who evaluates and who samples in an hour: the first devices evaluate, the last ones sample.

    A device between them may do both: it samples first and evaluates at the end of the hour.
    """

    evaluating: jax.Array  # () int32, devices that evaluate at the end of the hour
    sampling: jax.Array  # () int32, devices that sample at its begin
    turn: jax.Array  # () float32 in [0, 1], of the hour: when a device that samples first turns to evaluating


def split(share: jax.Array, devices: int) -> Split:
    """Split `devices` (static) by the evaluation share, float32 () in [0, 1].

    Many devices stay whole, see `devices_for_share`. Of up to `FEW` devices, the one that the share cuts slices its
    hour, so that any share is kept exactly: with two and a share of 0.3, one samples all the time and the other
    evaluates in the last 0.6 of the hour.
    """
    if devices > FEW:
        evaluating = devices_for_share(share, devices)
        return Split(evaluating, devices - evaluating, jnp.float32(1.0))
    wanted = devices * jnp.clip(jnp.asarray(share, jnp.float32), min=0.0, max=1.0)
    nearest = jnp.round(wanted)
    wanted = jnp.where(jnp.abs(wanted - nearest) < _TINY, nearest, wanted)
    whole = jnp.floor(wanted)
    evaluating, sampling = jnp.ceil(wanted), devices - whole
    return Split(evaluating.astype(jnp.int32), sampling.astype(jnp.int32), 1.0 - (wanted - whole))

"""How the devices of an hour are split: whole devices, or the two parts of one device's hour."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jcenas.alloc.devices import devices_for_share


class Split(NamedTuple):
    """Assignment of the devices to evaluating and sampling in an hour. The first devices evaluate.

    One device alone slices its hour: it samples first and evaluates in the last `share` of it.
    """

    evaluating: jax.Array  # () int32, devices that evaluate at the end of the hour
    sampling: jax.Array  # () int32, devices that sample at its begin
    turn: jax.Array  # () float32 in [0, 1], of the hour: when a device that samples first turns to evaluating


def split(share: jax.Array, devices: int) -> Split:
    """Split `devices` (static) by the evaluation share, float32 () in [0, 1]; see `devices_for_share` for several."""
    if devices > 1:
        evaluating = devices_for_share(share, devices)
        return Split(evaluating, devices - evaluating, jnp.float32(1.0))
    share = jnp.clip(jnp.asarray(share, jnp.float32), min=0.0, max=1.0)
    one = jnp.int32(1)
    return Split(jnp.where(share > 0, one, 0), jnp.where(share < 1, one, 0), 1.0 - share)

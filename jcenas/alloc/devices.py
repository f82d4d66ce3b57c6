"""Rounding of a share of the devices to whole devices."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def devices_for_share(share: ArrayLike, n_devices: int) -> jax.Array:
    """Number of devices that evaluate, int32 (...), for evaluation shares float32 (...) in [0, 1].

    Rounds half up. A share strictly between 0 and 1 keeps at least one device on each side when there are two or more,
    because neither queue can run dry for long without stopping the other; shares 0 and 1 are taken literally.
    With one device the result is 0 or 1 and the caller slices the hour instead.

    Args:
      share: evaluation share; numbers outside [0, 1] are clipped.
      n_devices: static number of devices.

    Raises:
      ValueError: if there is no device.
    """
    if n_devices < 1:
        raise ValueError(f"n_devices is {n_devices}; at least one device is needed")
    share = jnp.clip(jnp.asarray(share, jnp.float32), min=0.0, max=1.0)
    rounded = jnp.floor(share * n_devices + 0.5).astype(jnp.int32)
    if n_devices == 1:
        return rounded
    inside = (share > 0) & (share < 1)
    return jnp.where(inside, jnp.clip(rounded, min=1, max=n_devices - 1), rounded)

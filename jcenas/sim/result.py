"""What a simulated search reports: one record an hour, and the evaluations.

Letters: C room for evaluations, H hours, m objectives.
"""

import jax
from flax import struct


class Interval(struct.PyTreeNode):
    """What happened in one hour; zeros after the end of the search."""

    hypervolume: jax.Array  # () float32, at its end
    evaluations: jax.Array  # () int32, finished so far
    evaluating: jax.Array  # () int32, devices that evaluate at its end
    share: jax.Array  # () float32, as the policy wanted it
    queued: jax.Array  # () int32, at its end
    halfway: jax.Array  # () int32, at its end
    seconds: jax.Array  # () float32, how long it lasted
    energy_kwh: jax.Array  # () float32, PUE included
    emissions_g: jax.Array  # () float32
    device_s: dict[str, jax.Array]  # () float32 each: supernet, switching, training, scoring, idle
    finished: jax.Array  # () int32, evaluations that ended in it


class Result(struct.PyTreeNode):
    """One search: the hours, arrays with a leading H; and the evaluations."""

    intervals: Interval  # leaves (H, ...)
    rows: jax.Array  # (C,) int32
    objectives: jax.Array  # (C, m) float32
    finish_s: jax.Array  # (C,) float32
    count: jax.Array  # () int32
    hypervolume: jax.Array  # () float32
    emissions_g: jax.Array  # () float32
    energy_kwh: jax.Array  # () float32
    seconds: jax.Array  # () float32, when the search ended

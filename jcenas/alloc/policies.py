"""Allocation policies without learning: the linear heuristic of CE-NAS, thresholds, queue-aware variants and constants.

Heuristic: HotCarbon'23 (arXiv 2307.04131) gives sampling the share (CI - min) / (max - min) of the devices, with the
minimum and maximum over a known window, and evaluation the rest. The caller chooses the window: history or forecast.
"""

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from jcenas import registry
from jcenas.alloc.names import check_policy
from jcenas.alloc.observation import Observation


class Apply(Protocol):
    """Decide the share of devices that evaluate, float32 () in [0, 1]. The key is consumed."""

    def __call__(self, key: jax.Array, params: Any, observation: Observation) -> jax.Array:
        """Share of one hour."""
        ...


class InitParams(Protocol):
    """Make the policy's parameters, a pytree. The key is consumed."""

    def __call__(self, key: jax.Array) -> Any:
        """Parameters of one policy."""
        ...


class Policy(NamedTuple):
    """A named allocation policy; `apply` is pure, traces under `jit` and is written for one observation.

    Attributes:
      name: as the command line writes it.
      init_params: key -> parameters.
      apply: (key, parameters, observation) -> share of the devices that evaluates.
      needs: what a runner must be able to tell it: "forecast" (quantiles of the coming hours), "budget" (a carbon
        budget), "future" (the true coming intensities). A runner that cannot refuses the policy.
    """

    name: str
    init_params: InitParams
    apply: Apply
    needs: frozenset[str] = frozenset()


def relative_intensity(observation: Observation) -> jax.Array:
    """(CI - min) / (max - min), float32 () in [0, 1]; a constant window gives 1/2, which favours neither side."""
    span = observation.high - observation.low
    safe = jnp.where(span > 0, span, 1.0)
    return jnp.where(span > 0, (observation.intensity_now - observation.low) / safe, 0.5)


def linear(key: jax.Array, params: Any, observation: Observation) -> jax.Array:
    """Evaluation share 1 - (CI - min) / (max - min): everything evaluates in the cleanest hour of the window."""
    del key, params
    return 1.0 - relative_intensity(observation)


def threshold(key: jax.Array, params: jax.Array, observation: Observation) -> jax.Array:
    """Everything evaluates where the relative intensity is at most `params`, float32 (); everything samples above."""
    del key
    return jnp.where(relative_intensity(observation) <= params, 1.0, 0.0).astype(jnp.float32)


def static(key: jax.Array, params: jax.Array, observation: Observation) -> jax.Array:
    """The same share, `params` float32 (), in every hour."""
    del key, observation
    return params


def sample_then_evaluate(key: jax.Array, params: jax.Array, observation: Observation) -> jax.Array:
    """Everything samples until the fraction `params`, float32 (), of the time is spent; then everything evaluates.

    The one-shot search of CE-NAS's comparison: the supernet ranks all proposals before any is trained.
    """
    del key
    return jnp.where(1.0 - observation.time_left < params, 0.0, 1.0).astype(jnp.float32)


def queue_aware(apply: Apply) -> Apply:
    """Wrap a policy: nothing to train gives all devices to sampling, a full queue gives all to evaluating.

    A share that no job can use would leave devices idle, which costs carbon and brings nothing.
    """

    def wrapped(key: jax.Array, params: Any, observation: Observation) -> jax.Array:
        share = apply(key, params, observation)
        starved = observation.queue + observation.half_finished == 0
        full = observation.queue >= observation.capacity
        return jnp.where(starved, 0.0, jnp.where(full, 1.0, share))

    return wrapped


def constant(value: float | None) -> InitParams:
    """Parameters that hold one number, float32 (), or none."""

    def init_params(key: jax.Array) -> Any:
        del key
        return () if value is None else jnp.asarray(value, jnp.float32)

    return init_params


def policy_from_name(text: str) -> Policy:
    """Make the policy that the command line names: `heuristic`, `static:0.5`, or a file of `jcenas train-policy`.

    Raises:
      InputError: if the name or its number is wrong (lists the policies), or the file is no policy.
    """
    choice = check_policy(text)
    if choice is None:
        from jcenas.alloc.learned import load_policy  # networks, which no other policy needs

        return load_policy(text)
    return registry.load_entry(choice.entry)(*choice.arguments)._replace(name=text)

"""Trained allocation policies as files: the one that ships with the package, or the user's own.

A file is an .npz of the actor's weights and the normalisation of its features, at most 200 kB; no code is in it.
"""

import os
import pathlib
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict

from jcenas.alloc.features import FEATURES, features
from jcenas.alloc.networks import ActorCritic, Outputs
from jcenas.alloc.observation import Observation
from jcenas.alloc.policies import Policy
from jcenas.alloc.ppo import PpoState
from jcenas.alloc.returns import Normaliser
from jcenas.errors import InputError
from jcenas.runtime.archive import read_arrays
from jcenas.runtime.paths import replacing

DEFAULT = pathlib.Path(__file__).parent / "data" / "ppo.npz"
LEVELS = 9  # of the discrete action: 0, 1/8, ..., 1 of the devices


def share_of(outputs: Outputs, discrete: bool) -> jax.Array:
    """The deterministic share, float32 () in [0, 1]: the most probable level, or the squashed mean."""
    if discrete:
        return (jnp.argmax(outputs.head) / (LEVELS - 1)).astype(jnp.float32)
    return jax.nn.sigmoid(outputs.head[0])


def share_of_action(action: jax.Array, discrete: bool) -> jax.Array:
    """The share that an action, int32 () or float32 (), stands for."""
    return action.astype(jnp.float32) / (LEVELS - 1) if discrete else jax.nn.sigmoid(action)


def make_policy(name: str, params: Any, normaliser: Normaliser, *, discrete: bool, width: int) -> Policy:
    """A policy of trained weights; its parameters are (weights, normaliser): others need no compilation."""
    network = ActorCritic(LEVELS if discrete else 0, width)

    def apply(key: jax.Array, params: Any, observation: Observation) -> jax.Array:
        del key
        weights, seen = params
        return share_of(cast(Outputs, network.apply(weights, seen.apply(features(observation)))), discrete)

    return Policy(name, lambda key: (params, normaliser), apply, frozenset({"forecast"}))


def save_policy(path: str | os.PathLike, state: PpoState, *, discrete: bool) -> pathlib.Path:
    """Write the policy of a training state; atomic."""
    target = pathlib.Path(path)
    weights = {"/".join(p.key for p in place): np.asarray(x) for place, x in jax.tree.leaves_with_path(state.params)}
    stored: dict[str, Any] = {f"w:{name}": x for name, x in weights.items()}
    stored |= {"discrete": np.asarray(discrete), "mean": np.asarray(state.normaliser.mean)}
    with replacing(target) as part, part.open("wb") as file:
        np.savez_compressed(file, variance=np.asarray(state.normaliser.variance), **stored)
    return target


def load_policy(path: str | os.PathLike, name: str = "ppo") -> Policy:
    """Read a policy.

    Raises:
      InputError: the file cannot be read, or is made for other features.
    """
    remedy = "make one with `jcenas train-policy`"
    stored = read_arrays(path, kind="policy file", remedy=remedy)
    if lacking := next((name for name in ("discrete", "mean", "variance") if name not in stored), None):
        raise InputError(f"{path} is no policy file (it has no array {lacking}); {remedy}")
    discrete, mean, variance = stored["discrete"], stored["mean"], stored["variance"]
    if mean.shape != (FEATURES,):
        raise InputError(f"{path} is made for {mean.size} features, this version has {FEATURES}; train it anew")
    params = unflatten_dict({key[2:]: value for key, value in stored.items() if key.startswith("w:")}, sep="/")
    width = stored.get("w:params/actor_0/bias", np.zeros(0)).size
    if discrete.shape or variance.shape != mean.shape or not _fits(params, bool(discrete), width):
        raise InputError(f"{path} is no policy file (its arrays are not those of a policy's network); {remedy}")
    params = jax.tree.map(jnp.asarray, params)
    normaliser = Normaliser(jnp.asarray(mean), jnp.asarray(variance), jnp.float32(1.0))
    return make_policy(name, params, normaliser, discrete=bool(discrete), width=width)


def _fits(params: Any, discrete: bool, width: int) -> bool:
    """Whether the weights are finite numbers in the shapes of the network."""
    if width == 0:
        return False
    network = ActorCritic(LEVELS if discrete else 0, width)
    wanted = jax.eval_shape(network.init, jax.random.key(0), jnp.zeros(FEATURES))
    shapes, found = (
        {jax.tree_util.keystr(place): leaf.shape for place, leaf in jax.tree.leaves_with_path(tree)}
        for tree in (wanted, params)
    )
    finite = all(leaf.dtype.kind == "f" and np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
    return finite and shapes == found


def default_policy() -> Policy:
    """The policy that ships with the package: an option, not the default.

    It was trained in one setting (one table, the released accounting, 8 devices, 80 hours, the true next day) and is
    not to be trusted outside it. In four searches on digits over 24 hours within 5 kg, full accounting, it paid 1.06
    of the hours' mean intensity, where `plan` paid 0.84 and the heuristic 0.89, and it ended lowest of five policies.

    Made by `jcenas train-policy --table nasbench201 --curves 64 --updates 1500 --accounting released`.
    """
    return load_policy(DEFAULT)

"""Energy of four training epochs of any NAS-Bench-101 cell, with its uncertainty: our surrogate for EC-NAS's 7V space.

Energy = (sum of additive work at prices >= 0) * exp(limited correction), so it is positive everywhere, and far from the
data (small cells) it falls back on the prices. The correction and the noise are small networks on permutation-invariant
features (`jcenas.tables.ecnas.features`). An ensemble of these, each with its own start and order of batches, is
trained on the absolute error in Wh; a second output learns the scale of that error (Laplace likelihood, no gradient
into the energy). The ensemble's spread and the learnt scale together are the *scale* of a prediction; intervals are
that scale times a quantile of the scaled errors on cells that were held out (split conformal prediction, Lei et al.
2018), so they cover as often as they say on cells drawn alike.

Letters: M members, n cells, d variables of a genome, q levels.
"""

import dataclasses
import functools
import importlib.resources
import os
import pathlib
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct, traverse_util

from jcenas.tables.ecnas.features import Work, work

LIMIT = 0.5  # the correction stays within factors exp(-0.5) and exp(0.5)
LEVELS = (0.5, 0.8, 0.9, 0.95)
CHUNK = 4096


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Settings of the ensemble and its training.

    Attributes:
      members: networks.
      hidden: units of each of the two hidden layers.
      epochs: passes over the training cells, more if that makes fewer than `least_steps`.
      least_steps: for small training sets.
      batch: cells of one step.
      learning_rate: of Adam, falling to zero by a cosine.
    """

    members: int = 8
    hidden: int = 8
    epochs: int = 300
    least_steps: int = 4000
    batch: int = 64
    learning_rate: float = 5e-3


class Prediction(NamedTuple):
    """Energy of four epochs."""

    energy_wh: jax.Array  # (n,) float32, positive
    scale_wh: jax.Array  # (n,) float32, positive: expected absolute error, before calibration


class EnergyNet(nn.Module):
    """One member: energy (Wh) and logarithm of its relative error's scale, float32 (n,) each."""

    hidden: int

    @nn.compact
    def __call__(self, additive: jax.Array, shape: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Apply to features (n, a), divided by their means, and (n, s), standardised."""
        price = self.param("price", nn.initializers.constant(-2.0), (additive.shape[-1],))
        fixed = self.param("fixed", nn.initializers.constant(1.0), ())
        base = additive @ nn.softplus(price) + nn.softplus(fixed)
        bend = nn.gelu(nn.Dense(self.hidden)(nn.gelu(nn.Dense(self.hidden)(shape))))
        bend = nn.Dense(1, kernel_init=nn.initializers.zeros)(bend)[..., 0]
        noise = nn.gelu(nn.Dense(self.hidden)(shape))
        noise = nn.Dense(1, kernel_init=nn.initializers.zeros, bias_init=nn.initializers.constant(-4.0))(noise)[..., 0]
        return base * jnp.exp(LIMIT * jnp.tanh(bend)), jnp.clip(noise, min=-8.0, max=0.0)


class EnergySurrogate(struct.PyTreeNode):
    """A fitted, calibrated ensemble for genomes of a frame of seven vertices."""

    params: Any  # leaves (M, ...)
    additive_mean: jax.Array  # (a,)
    shape_mean: jax.Array  # (s,)
    shape_deviation: jax.Array  # (s,)
    quantiles: jax.Array  # (len(LEVELS),) of |error| / scale on held-out cells
    hidden: int = struct.field(pytree_node=False)

    def predict(self, genomes: jax.Array) -> Prediction:
        """Energies of genomes int (n, d), any n: in chunks, so the whole space of 423,624 cells is one call."""
        return _predict(self, jnp.asarray(genomes))

    def interval(self, genomes: jax.Array, level: float = 0.9) -> tuple[jax.Array, jax.Array]:
        """Lower and upper end, Wh (n,) each, of intervals that hold the measured energy with probability `level`.

        Raises:
          ValueError: the level is none of `LEVELS`.
        """
        if level not in LEVELS:
            raise ValueError(f"level must be one of {LEVELS}, got {level}")
        found = self.predict(genomes)
        reach = self.quantiles[LEVELS.index(level)] * found.scale_wh
        return jnp.maximum(found.energy_wh - reach, 0.0), found.energy_wh + reach


@jax.jit
def _predict(surrogate: EnergySurrogate, genomes: jax.Array) -> Prediction:
    def one(genome):
        return jax.tree.map(lambda x: x[0], _apply(surrogate, work(genome[None])))

    return jax.lax.map(one, genomes, batch_size=CHUNK)


def _apply(surrogate: EnergySurrogate, found: Work) -> Prediction:
    additive = found.additive / surrogate.additive_mean[None, :]
    shape = (found.shape - surrogate.shape_mean[None, :]) / surrogate.shape_deviation[None, :]
    apply: Any = EnergyNet(surrogate.hidden).apply
    energy, noise = jax.vmap(lambda p: apply(p, additive, shape))(surrogate.params)
    mean = jnp.mean(energy, axis=0)
    relative = jnp.mean(jnp.exp(noise), axis=0)
    return Prediction(mean, relative * mean + jnp.std(energy, axis=0))


def fit(key: jax.Array, genomes: jax.Array, energy_wh: jax.Array, config: FitConfig | None = None) -> EnergySurrogate:
    """Train an ensemble; its quantiles are NaN until `calibrate` sets them.

    Args:
      key: consumed.
      genomes: int (n, d) in a frame of seven vertices.
      energy_wh: float (n,), energy of four epochs.
      config: None means the defaults.
    """
    config = config or FitConfig()
    found, energies = work(genomes), jnp.asarray(energy_wh, jnp.float32)
    deviation = jnp.std(found.shape, axis=0)
    blank = EnergySurrogate(
        params=None,
        additive_mean=jnp.maximum(jnp.mean(found.additive, axis=0), 0.1),
        shape_mean=jnp.mean(found.shape, axis=0),
        shape_deviation=jnp.where(deviation > 1e-3, deviation, 1.0),
        quantiles=jnp.full(len(LEVELS), jnp.nan, jnp.float32),
        hidden=config.hidden,
    )
    additive = found.additive / blank.additive_mean[None, :]
    shape = (found.shape - blank.shape_mean[None, :]) / blank.shape_deviation[None, :]
    return blank.replace(params=_train(config, jax.random.split(key, config.members), additive, shape, energies))


@functools.partial(jax.jit, static_argnums=0)
def _train(config: FitConfig, keys: jax.Array, additive: jax.Array, shape: jax.Array, energies: jax.Array) -> Any:
    """Parameters of all members, leaves (M, ...), for keys (M,)."""
    batch = min(config.batch, len(energies))
    per_epoch = len(energies) // batch
    epochs = max(config.epochs, -(-config.least_steps // per_epoch))
    net = EnergyNet(config.hidden)
    apply: Any = net.apply  # Linen types its outputs as anything, or with variables
    schedule = optax.cosine_decay_schedule(config.learning_rate, epochs * per_epoch)
    optimizer = optax.adam(schedule)

    def loss(params, rows):
        energy, noise = apply(params, additive[rows], shape[rows])
        error = jnp.abs(energy - energies[rows])
        relative = jax.lax.stop_gradient(error / energy)
        return jnp.mean(error) + 0.1 * jnp.mean(relative * jnp.exp(-noise) + noise)

    def step(carry, rows):
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params, rows), state)
        return (optax.apply_updates(params, updates), state), None

    def one_pass(carry, key):
        rows = jax.random.permutation(key, len(energies))[: per_epoch * batch].reshape(per_epoch, batch)
        return jax.lax.scan(step, carry, rows)

    def member(key):
        start, order = jax.random.split(key)
        params = net.init(start, additive[:1], shape[:1])
        carry = (params, optimizer.init(params))
        return jax.lax.scan(one_pass, carry, jax.random.split(order, epochs))[0][0]

    return jax.vmap(member)(keys)


def calibrate(surrogate: EnergySurrogate, genomes: jax.Array, energy_wh: jax.Array) -> EnergySurrogate:
    """Set the quantiles from cells (n, d), energies (n,), that the ensemble was not trained on.

    Raises:
      ValueError: fewer cells than the highest level needs (19).
    """
    n = len(energy_wh)
    if n < (least := int(np.ceil(LEVELS[-1] / (1 - LEVELS[-1])))):
        raise ValueError(f"calibration to {LEVELS[-1]} needs at least {least} cells, got {n}")
    found = surrogate.predict(genomes)
    scores = jnp.sort(jnp.abs(found.energy_wh - jnp.asarray(energy_wh, jnp.float32)) / found.scale_wh)
    # The ceil((n + 1) level)-th smallest score covers a new cell with probability at least `level`.
    ranks = np.ceil((n + 1) * np.array(LEVELS)).astype(int) - 1
    return surrogate.replace(quantiles=scores[jnp.asarray(ranks)])


def save(surrogate: EnergySurrogate, path: str | os.PathLike) -> None:
    """Write the surrogate to one compressed .npz file."""
    arrays = {f"params/{name}": leaf for name, leaf in traverse_util.flatten_dict(surrogate.params, sep="/").items()}
    for field in ("additive_mean", "shape_mean", "shape_deviation", "quantiles", "hidden"):
        arrays[field] = getattr(surrogate, field)
    np.savez_compressed(path, allow_pickle=False, **{name: np.asarray(value) for name, value in arrays.items()})


def load(path: str | os.PathLike | None = None) -> EnergySurrogate:
    """Read a surrogate; None means the one that ships with the package (`experiments.ecnas.surrogate --ship`)."""
    if path is None:
        path = pathlib.Path(str(importlib.resources.files("jcenas.tables").joinpath("data/ecnas_energy.npz")))
    with np.load(path) as file:
        leaves = {name.removeprefix("params/"): jnp.asarray(file[name]) for name in file if name.startswith("params/")}
        arrays = {name: jnp.asarray(file[name]) for name in file if "/" not in name and name != "hidden"}
        return EnergySurrogate(
            params=traverse_util.unflatten_dict(leaves, sep="/"), hidden=int(file["hidden"]), **arrays
        )

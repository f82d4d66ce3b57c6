"""The state of one search as arrays, and the sizes that fix its program.

Architectures are rows of a catalogue: those of a table, or those that a live search has proposed so far.

Letters: N rows of the catalogue, C room for evaluations, G devices, Q places in the queue, P proposals, m objectives.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct

from jcenas.engine.candidates import Candidates, Inputs
from jcenas.engine.queue import EMPTY
from jcenas.engine.stages import Stage
from jcenas.errors import InputError


@dataclass(frozen=True, kw_only=True)
class SearchSizes:
    """Static sizes of a search: devices, and room for evaluations, queue and proposals.

    Attributes:
      devices: G, trainings that run at once: devices, times the slots of each.
      room: C, most evaluations. A search that fills it stops training.
      queue: Q, most scored proposals that wait for training.
      proposals: P, proposals of the optimiser in an hour; its `batch`.
      unscored: most unscored proposals that idle devices may train in an hour, where the search allows it.
      initial: random evaluations given at the start, free of time and carbon (CE-NAS's released simulator: 10).

    Raises:
      InputError: sizes that cannot work.
    """

    devices: int = 8
    room: int = 1024
    queue: int = 16
    proposals: int = 128
    unscored: int = 24
    initial: int = 0

    def __post_init__(self):
        for name in ("devices", "room", "queue", "proposals"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0 <= self.unscored <= self.proposals or not 0 <= self.initial <= self.room:
            raise InputError("unscored must be at most proposals, and initial at most room")
        if self.queue + self.unscored < self.devices:
            raise InputError(
                f"{self.devices} devices cannot be fed by a queue of {self.queue} and {self.unscored} unscored "
                "proposals; give a longer queue or fewer devices"
            )

    @classmethod
    def of_stage(cls, stage: Stage, *, devices: int, room: int, proposals: int, initial: int) -> "SearchSizes":
        """The usual sizes: two waiting proposals for each device; three where the queue is ranked anew each hour.

        What such a stage ranks can be trained at once, so that nothing is trained unscored. There is room for one batch
        of proposals at least, since optimisers ask for it.
        """
        return cls(
            devices=devices,
            room=max(room, proposals),
            queue=max(16, (3 if stage.at_once else 2) * devices),
            proposals=proposals,
            unscored=0 if stage.at_once else min(max(24, 3 * devices), proposals),
            initial=initial,
        )


class Catalog(struct.PyTreeNode):
    """What is known of architectures before they are trained, a row each."""

    genomes: jax.Array  # (N, d) int32
    costs: jax.Array  # (N, m - 1) float32, known without training
    estimate: jax.Array  # (N,) float32, cheap estimate of the first objective: smaller is better
    inputs: Inputs  # what a predictor sees of each
    seconds: jax.Array  # (N,) float32, device-seconds that a training takes or is expected to take

    def candidates(self, rows: jax.Array) -> Candidates:
        """What is known of some rows, int32 (k,), as candidates; EMPTY ones are none."""
        at = jnp.maximum(rows, 0)
        return Candidates(self.inputs.at(at), self.costs[at], self.estimate[at], self.seconds[at], rows != EMPTY)


class SearchState(struct.PyTreeNode):
    """State of a search between two hours: optimiser, evaluations, queue, cut trainings, clock and emissions."""

    optimizer: Any
    rows: jax.Array  # (C,) int32, catalogue rows of finished evaluations in the order of their end; EMPTY behind
    objectives: jax.Array  # (C, m) float32, true values where a table knows them, else as observed; inf behind
    observed: jax.Array  # (C, m) float32, with evaluation noise, as the optimiser sees them; inf behind or failed
    finish_s: jax.Array  # (C,) float32, seconds since the begin of the search; inf behind
    count: jax.Array  # () int32, finished evaluations
    queue: jax.Array  # (Q,) int32, scored proposals, best first
    half: jax.Array  # (G,) int32, trainings cut by the end of an hour
    half_s: jax.Array  # (G,) float32, seconds that they still need
    scored: jax.Array  # (N,) bool, proposals that were scored once; nobody scores twice
    evaluating: jax.Array  # () int32, devices that evaluated at the end of the last hour; -1 before the first
    clock_s: jax.Array  # () float32
    prepare_s: jax.Array  # () float32, device-seconds of preparation (supernet training) still to do
    emissions_g: jax.Array  # () float32
    hypervolume: jax.Array  # () float32
    stopped: jax.Array  # () bool, a budget is spent

    @property
    def evaluated(self) -> jax.Array:
        """Mask, bool (C,): finished evaluations."""
        return jnp.arange(self.rows.shape[0]) < self.count

    @classmethod
    def empty(cls, optimizer: Any, sizes: SearchSizes, *, objectives: int, catalog: int) -> "SearchState":
        """The state before the first hour, nothing evaluated.

        Args:
          optimizer: its first state.
          sizes: of the arrays.
          objectives: m.
          catalog: N.
        """
        c = sizes.room
        return cls(
            optimizer=optimizer,
            rows=jnp.full(c, EMPTY, jnp.int32),
            objectives=jnp.full((c, objectives), jnp.inf, jnp.float32),
            observed=jnp.full((c, objectives), jnp.inf, jnp.float32),
            finish_s=jnp.full(c, jnp.inf, jnp.float32),
            count=jnp.int32(0),
            queue=jnp.full(sizes.queue, EMPTY, jnp.int32),
            half=jnp.full(sizes.devices, EMPTY, jnp.int32),
            half_s=jnp.zeros(sizes.devices, jnp.float32),
            scored=jnp.zeros(catalog, bool),
            evaluating=jnp.int32(-1),
            clock_s=jnp.float32(0.0),
            prepare_s=jnp.float32(0.0),
            emissions_g=jnp.float32(0.0),
            hypervolume=jnp.float32(0.0),
            stopped=jnp.asarray(False),
        )

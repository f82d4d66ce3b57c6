"""The state of one simulated search, and what it reports.

Letters: C room for evaluations, G devices, Q places in the queue, H intervals, m objectives.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from flax import struct

from jcenas.engine.queue import EMPTY, Ranking
from jcenas.errors import InputError
from jcenas.sim.stage import STAGES, Stage


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """What fixes the shapes and the program of a simulated search.

    Attributes:
      devices: G.
      room: C, most evaluations; `most_evaluations` bounds what a time budget allows. A search that fills it stops
        training.
      queue: Q, most scored proposals that wait for training.
      proposals: proposals of the optimiser in an interval; its `batch`.
      unscored: most unscored proposals that idle devices may train in an interval, where the scenario allows it.
      initial: random evaluations given at the start, free of time and carbon (the released simulator: 10).
      stage: the cheap stage.
      ranking: order of the queue: number of dominators of the estimates, or expected hypervolume improvement.

    Raises:
      InputError: sizes that cannot work.
    """

    devices: int = 8
    room: int = 1024
    queue: int = 16
    proposals: int = 128
    unscored: int = 24
    initial: int = 0
    stage: Stage = "supernet"
    ranking: Ranking = "dominance"

    def __post_init__(self):
        for name in ("devices", "room", "queue", "proposals"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.stage not in STAGES or self.ranking not in ("dominance", "improvement"):
            raise InputError(f"stage must be one of {STAGES} and ranking dominance or improvement")
        if self.ranking == "improvement" and self.stage != "predictor":
            raise InputError("the ranking 'improvement' needs the stage 'predictor', which knows its uncertainty")
        if not 0 <= self.unscored <= self.proposals or not 0 <= self.initial <= self.room:
            raise InputError("unscored must be at most proposals, and initial at most room")
        if self.queue + self.unscored < self.devices:
            raise InputError(
                f"{self.devices} devices cannot be fed by a queue of {self.queue} and {self.unscored} unscored "
                "proposals; give a longer queue or fewer devices"
            )

    @classmethod
    def of_stage(cls, stage: Stage, *, devices: int, room: int, proposals: int, initial: int) -> "SimulationConfig":
        """The usual shapes: two waiting proposals for each device, of a predictor three, which it ranks anew each hour.

        A predictor's proposals can be trained at once, so that nothing is trained unscored. There is room for one batch
        of proposals at least, since optimisers ask for it.
        """
        predicts = stage == "predictor"
        return cls(
            devices=devices,
            room=max(room, proposals),
            queue=max(16, (3 if predicts else 2) * devices),
            proposals=proposals,
            unscored=0 if predicts else min(max(24, 3 * devices), proposals),
            initial=initial,
            stage=stage,
            ranking="improvement" if predicts else "dominance",
        )


class SearchState(struct.PyTreeNode):
    """Everything that one interval hands to the next."""

    UNUSED: ClassVar[int] = EMPTY

    optimizer: Any
    rows: jax.Array  # (C,) int32, table rows of finished evaluations in the order of their end; UNUSED behind
    objectives: jax.Array  # (C, m) float32, as the table has them; inf behind
    observed: jax.Array  # (C, m) float32, with evaluation noise, as the optimiser sees them; inf behind
    finish_s: jax.Array  # (C,) float32, seconds since the begin of the search; inf behind
    count: jax.Array  # () int32, finished evaluations
    queue: jax.Array  # (Q,) int32, scored proposals, best first
    half: jax.Array  # (G,) int32, trainings cut by the end of an interval
    half_s: jax.Array  # (G,) float32, seconds that they still need
    evaluating: jax.Array  # () int32, devices that evaluated in the last interval; -1 before the first
    clock_s: jax.Array  # () float32
    supernet_s: jax.Array  # () float32, device-seconds of supernet training still to do
    emissions_g: jax.Array  # () float32
    hypervolume: jax.Array  # () float32
    stopped: jax.Array  # () bool, a budget is spent

    @property
    def told(self) -> jax.Array:
        """Mask, bool (C,): finished evaluations."""
        return jnp.arange(self.rows.shape[0]) < self.count


class Interval(struct.PyTreeNode):
    """What happened in one interval; zeros after the end of the search."""

    hypervolume: jax.Array  # () float32, at its end
    evaluations: jax.Array  # () int32, finished so far
    evaluating: jax.Array  # () int32, devices assigned to evaluation
    share: jax.Array  # () float32, as the policy wanted it
    queued: jax.Array  # () int32, at its end
    halfway: jax.Array  # () int32, at its end
    seconds: jax.Array  # () float32, how long it lasted
    energy_kwh: jax.Array  # () float32, PUE included
    emissions_g: jax.Array  # () float32
    device_s: dict[str, jax.Array]  # () float32 each: supernet, switching, training, scoring, idle
    finished: jax.Array  # () int32, evaluations that ended in it


class Result(struct.PyTreeNode):
    """One search: the intervals, arrays with a leading H; and the evaluations."""

    intervals: Interval  # leaves (H, ...)
    rows: jax.Array  # (C,) int32
    objectives: jax.Array  # (C, m) float32
    finish_s: jax.Array  # (C,) float32
    count: jax.Array  # () int32
    hypervolume: jax.Array  # () float32
    emissions_g: jax.Array  # () float32
    energy_kwh: jax.Array  # () float32
    seconds: jax.Array  # () float32, when the search ended

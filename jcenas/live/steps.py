"""The engine's decisions of an hour, compiled once for a live search: its sizes, stage, policy and optimiser bound."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.alloc.policies import Policy
from jcenas.engine import hour as engine
from jcenas.engine.candidates import Goal
from jcenas.engine.hour import Ended, LineUp
from jcenas.engine.neighbours import with_neighbours
from jcenas.engine.observe import Budget, Outlook, Status, budget_left, observe
from jcenas.engine.stages import Stage
from jcenas.engine.state import Catalog, SearchSizes, SearchState
from jcenas.moo import hypervolume
from jcenas.moo.types import Optimizer, Space

_SOME = Budget(*(jnp.float32(1.0) for _ in range(7)), devices=jnp.int32(1))  # to compile with


class Steps:
    """Jitted functions of `jcenas.engine.hour`, for one run. No recompilation from hour to hour."""

    def __init__(
        self,
        sizes: SearchSizes,
        stage: Stage,
        policy: Policy,
        optimizer: Optimizer,
        *,
        space: Space,
        reference: tuple[float, ...],
        hour_s: float,
    ):
        """Bind; nothing is compiled yet.

        Args:
          sizes: of the arrays.
          stage: the cheap stage.
          policy: who splits the devices.
          optimizer: with room for `sizes.room` genomes and `sizes.proposals` an ask.
          space: what is searched.
          reference: of the hypervolume.
          hour_s: device-seconds that an hour of the trace lasts.
        """
        self.sizes, self.stage, self.policy, self.hour_s = sizes, stage, policy, hour_s
        self._optimizer, self._space = optimizer, space
        self._reference = jnp.asarray(reference, jnp.float32)
        self.jobs = sizes.devices + sizes.queue + sizes.unscored
        self.new_among = jax.jit(engine.new_among)
        self._start = jax.jit(self._begun, static_argnums=1)
        self._ask = jax.jit(self._proposed)
        self._act = jax.jit(self._decided)
        self._learn = jax.jit(self._learned)
        self._rank = jax.jit(self._ranked)
        self._settle = jax.jit(lambda line, started, done, left: engine.settle(sizes, line, started, done, left))
        self._line_up = jax.jit(lambda *arguments: engine.line_up(sizes, *arguments))
        self._hypervolume = jax.jit(hypervolume)

    def start(self, key: jax.Array, *, rows: int) -> SearchState:
        """The state before the first hour, with a catalogue of so many rows; the key is the first half of the run's."""
        return self._start(key, rows)

    def _begun(self, key: jax.Array, rows: int) -> SearchState:
        state = self._optimizer.init(jax.random.split(key)[0])
        return SearchState.empty(state, self.sizes, objectives=len(self._reference), catalog=rows)

    def act(self, key: jax.Array, params: Any, status: Status, outlook: Outlook, budget: Budget) -> float:
        """The policy's share of evaluation."""
        return float(self._act(key, params, status, outlook, budget))

    def _decided(self, key: jax.Array, params: Any, status: Status, outlook: Outlook, budget: Budget) -> jax.Array:
        return self.policy.apply(key, params, observe(status, outlook, budget))

    def ask(self, key: jax.Array, state: SearchState, genomes: np.ndarray) -> jax.Array:
        """Proposals, int32 (P, d), given the genomes of the catalogue, int32 (N, d)."""
        return self._ask(key, state, genomes)

    def _proposed(self, key: jax.Array, state: SearchState, genomes: jax.Array) -> jax.Array:
        proposals = self._optimizer.ask(key, state.optimizer)[1]
        return with_neighbours(key, self.stage, self._space, proposals, state, genomes)

    def rank(self, state: SearchState, catalog: Catalog, budget: Budget, scored: np.ndarray) -> jax.Array:
        """The queue, int32 (Q,), of those that wait and those that were scored, int32 (P,)."""
        return self._rank(state.replace(optimizer=None), catalog, budget, jnp.asarray(scored, jnp.int32))

    def _ranked(self, state: SearchState, catalog: Catalog, budget: Budget, scored: jax.Array) -> jax.Array:
        goal, rows = Goal(self._reference, budget_left(budget)), jnp.concatenate([state.queue, scored])
        return engine.rank(self.stage, self.sizes, state, catalog, rows, goal, (self.sizes.room,))

    def line_up(
        self, state: SearchState, seconds: jax.Array, waiting: jax.Array, proposals: np.ndarray, untried: np.ndarray
    ) -> LineUp:
        """The trainings of an hour in their order."""
        return self._line_up(state.replace(optimizer=None), seconds, waiting, jnp.asarray(proposals), untried)

    def settle(
        self, line: LineUp, started: np.ndarray, done: np.ndarray, left_s: np.ndarray
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The queue and the cut trainings after an hour."""
        return self._settle(line, started, done, left_s)

    def learn(self, state: SearchState, ended: Ended) -> SearchState:
        """Record evaluations and tell the optimiser."""
        return self._learn(state, ended)

    def _learned(self, state: SearchState, ended: Ended) -> SearchState:
        return engine.learn(self._optimizer, state, ended, self._reference)

    def hypervolume(self, objectives: jax.Array, mask: jax.Array) -> jax.Array:
        """Of valid rows of objectives (n, m), float32 ()."""
        return self._hypervolume(objectives, self._reference, mask)

    def compile(self, catalog: Catalog) -> None:
        """Compile everything that an hour needs, without moving any state."""
        key = jax.random.key(0)
        state = self.start(key, rows=catalog.genomes.shape[0])
        proposals = np.full(self.sizes.proposals, -1, np.int32)
        untried = np.zeros(self.sizes.proposals, bool)
        line = self.line_up(state, catalog.seconds, state.queue, proposals, untried)
        nothing, zeros = np.zeros(self.jobs, bool), np.zeros(self.jobs, np.float32)
        rows = np.zeros(self.jobs, np.int32)
        objectives = np.full((self.jobs, len(self._reference)), np.inf, np.float32)
        genomes = np.zeros((self.jobs, catalog.genomes.shape[1]), np.int32)
        ended = Ended(*map(jnp.asarray, (genomes, rows, objectives, objectives, zeros, nothing)))
        done = [
            self.ask(key, state, np.asarray(catalog.genomes)),
            self.new_among(jnp.asarray(proposals), state),
            self.settle(line, nothing, nothing, zeros),
            self.learn(state, ended),
        ]
        if self.stage.score:
            done.append(self.rank(state, catalog, _SOME, proposals))
        jax.block_until_ready(done)

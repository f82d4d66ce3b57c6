"""The decisions of one hour of a search, as pure functions that the simulated and the live cluster both call.

In every hour:

1. `observe` (`jcenas.engine.observe`) and the policy give the share of the devices that evaluate; the others sample;
2. the optimiser proposes (`asks`, `new_among`); the cheap stage scores what is new and has its time, and a stage whose
   scores can be used at once ranks the queue (`rank`);
3. the evaluating devices train (`line_up`): first what the last hour cut, then the queue in its order, then, where
   allowed, unscored proposals; a training that does not end in the hour goes on in the next;
4. the cluster's clock says what ended (its own matter), and energy and emissions are charged;
5. finished evaluations are told to the optimiser in the order of their end (`learn`), and the queue and the cut
   trainings are settled (`settle`).

After the paper (CE-NAS, arXiv 2406.01414) and its released simulator. Letters as in `jcenas.engine.state`; J jobs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jcenas.engine.candidates import Evaluated, Goal, Moment
from jcenas.engine.queue import EMPTY, among, compact, distinct
from jcenas.engine.split import Split
from jcenas.engine.stages import Stage
from jcenas.engine.state import Catalog, SearchSizes, SearchState
from jcenas.moo import hypervolume
from jcenas.moo.sized import by_size
from jcenas.moo.types import Optimizer


class Keys(NamedTuple):
    """The random keys of one hour."""

    act: jax.Array  # of the policy
    ask: jax.Array  # of the optimiser
    noise: jax.Array  # of the evaluations, where they are simulated


class LineUp(NamedTuple):
    """The trainings of an hour in the order in which free devices take them."""

    jobs: jax.Array  # (J,) int32 catalogue rows
    valid: jax.Array  # (J,) bool, where there is a training
    fits: jax.Array  # (J,) bool, those for whose result there is room
    needs_s: jax.Array  # (J,) float32, device-seconds that each still needs


class Ended(NamedTuple):
    """Trainings of which some have ended."""

    genomes: jax.Array  # (J, d) int32
    rows: jax.Array  # (J,) int32, of the catalogue
    objectives: jax.Array  # (J, m) float32, the true values where they are known, else as observed
    observed: jax.Array  # (J, m) float32, as the optimiser sees them; a non-finite row is a failed training
    finish_s: jax.Array  # (J,) float32, seconds since the begin of the search
    done: jax.Array  # (J,) bool, those that ended


def keys_of(search: jax.Array, hour: jax.Array | int) -> Keys:
    """The keys of an hour; the same whatever the number of hours. `search` is the second half of the run's key."""
    return Keys(*jax.random.split(jax.random.fold_in(search, hour), 3))


def asks(stage: Stage, who: Split, train_unscored: jax.Array) -> jax.Array:
    """Whether anybody needs proposals in this hour, bool ().

    Args:
      stage: the cheap stage.
      who: the split of the devices.
      train_unscored: whether idle devices train unscored proposals, bool ().
    """
    if stage.supernet:
        return (who.sampling > 0) | train_unscored
    return who.evaluating > 0


def new_among(rows: jax.Array, state: SearchState) -> jax.Array:
    """Proposals, int32 (P,), that neither wait nor train nor were evaluated, the first of equal ones; bool (P,)."""
    known = among(rows, state.queue) | among(rows, state.half) | among(rows, state.rows)
    return (rows != EMPTY) & ~known & distinct(rows)


def affordable_scores(
    new: jax.Array, rows: jax.Array, state: SearchState, device_s: jax.Array, score_s: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Which new proposals have a score at the end of the scoring, bool (P,), and the device-seconds that this takes.

    A proposal that was scored before keeps its score for nothing.

    Args:
      new: bool (P,).
      rows: int32 (P,).
      state: of the search.
      device_s: device-seconds that there are for scoring, float32 ().
      score_s: device-seconds of one score, float32 ().
    """
    before = state.scored[jnp.maximum(rows, 0)]
    safe = jnp.where(score_s > 0, score_s, 1.0)
    most = jnp.where(score_s > 0, jnp.floor(device_s / safe), jnp.inf)
    fresh = new & ~before
    scored = fresh & (jnp.cumsum(fresh) <= most) & (device_s > 0)
    return (scored | (new & before)), jnp.sum(scored) * score_s


def remember(state: SearchState, rows: jax.Array, scored: jax.Array) -> SearchState:
    """Note that proposals, int32 (P,), were scored where the mask (P,) is True."""
    place = jnp.where(scored, rows, state.scored.shape[0])
    return state.replace(scored=state.scored.at[place].set(True, mode="drop"))


def rank(
    stage: Stage,
    sizes: SearchSizes,
    state: SearchState,
    catalog: Catalog,
    rows: jax.Array,
    goal: Goal,
    rooms: Sequence[int],
) -> jax.Array:
    """The best Q of those that wait and those that were scored, best first, int32 (Q,).

    Args:
      stage: whose order it is.
      sizes: Q.
      state: what was evaluated.
      catalog: what is known of the architectures.
      rows: int32 (k,), those that wait and then those that were scored; EMPTY in free places.
      goal: reference point of the hypervolume, and budget left.
      rooms: ascending numbers of evaluations for which a stage that refits is compiled (`jcenas.moo.sized`).
    """
    candidates, moment = catalog.candidates(rows), Moment(goal, catalog.candidates(state.half))

    def order_on(size: int):
        def run(state: SearchState):
            past = jnp.maximum(state.rows[:size], 0)
            evaluated = Evaluated(catalog.inputs.at(past), state.observed[:size], state.evaluated[:size])
            return stage.rank(evaluated, candidates, moment, sizes.queue)

        return run

    rooms = tuple(rooms) if stage.refits else (sizes.room,)
    order, counts = by_size(rooms, state.count, [order_on(room) for room in rooms], state)
    return jnp.where(counts, rows[order], EMPTY)


def line_up(
    sizes: SearchSizes,
    state: SearchState,
    seconds: jax.Array,
    waiting: jax.Array,
    proposals: jax.Array,
    untried: jax.Array,
) -> LineUp:
    """Cut trainings, then the queue, then unscored proposals; no more than the room for evaluations holds.

    Args:
      sizes: G, Q and how many unscored proposals may be trained.
      state: of the search.
      seconds: device-seconds of a whole training of each catalogue row, float32 (N,).
      waiting: int32 (Q,), the queue.
      proposals: int32 (P,); the last ones of them are those that idle devices may train.
      untried: bool (P,), new proposals that may be trained unscored.
    """
    last = slice(sizes.proposals - sizes.unscored, None)
    fresh = proposals[last]
    known = jnp.concatenate([state.half, waiting])
    jobs = jnp.concatenate([known, fresh])
    valid = jnp.concatenate([known != EMPTY, untried[last] & ~among(fresh, waiting)])
    needs = seconds[jnp.maximum(jobs, 0)].at[: sizes.devices].set(state.half_s)
    room = state.count + jnp.cumsum(valid) <= sizes.room
    return LineUp(jobs, valid, valid & room, needs)


def settle(
    sizes: SearchSizes,
    line: LineUp,
    started: jax.Array,
    done: jax.Array,
    left_s: jax.Array,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Queue, cut trainings and the seconds that those still need, after an hour: int32 (Q,), int32 (G,), float32 (G,).

    Args:
      sizes: Q and G.
      line: the trainings of the hour.
      started: bool (J,), trainings that a device took.
      done: bool (J,), those of them that ended, well or not.
      left_s: float32 (J,), device-seconds that a started training still needs.
    """
    g, q = sizes.devices, sizes.queue
    cut = started & ~done
    stay = (jnp.arange(line.jobs.shape[0]) < g) & line.valid & ~started
    half = compact(line.jobs, cut | stay, g, EMPTY)
    half_s = compact(jnp.where(cut, left_s, line.needs_s), cut | stay, g, 0.0)
    waits = (line.valid & ~started)[g : g + q]
    return compact(line.jobs[g : g + q], waits, q, EMPTY), half, half_s


def learn(optimizer: Optimizer, state: SearchState, ended: Ended, reference: jax.Array) -> SearchState:
    """Record the evaluations that ended and tell the optimiser, in the order of their end.

    Args:
      optimizer: whose state is in `state`.
      state: of the search.
      ended: the trainings.
      reference: (m,) of the hypervolume.
    """
    order = jnp.argsort(jnp.where(ended.done, ended.finish_s, jnp.inf), stable=True)
    ended = jax.tree.map(lambda leaf: leaf[order], ended)
    mask, n = ended.done, jnp.sum(ended.done, dtype=jnp.int32)
    place = jnp.where(mask, state.count + jnp.cumsum(mask) - 1, state.rows.shape[0])
    # The optimiser's padding are copies of the first that ended.
    genomes = jnp.where(mask[:, None], ended.genomes, ended.genomes[:1])
    values = jnp.where(mask[:, None], ended.observed, ended.observed[:1])
    remembered = state.observed.at[place].set(_infinite(ended.observed), mode="drop")
    true = state.objectives.at[place].set(_infinite(ended.objectives), mode="drop")
    count = state.count + n
    return state.replace(
        optimizer=jax.lax.cond(n > 0, lambda s: optimizer.tell(s, genomes, values), lambda s: s, state.optimizer),
        rows=state.rows.at[place].set(ended.rows, mode="drop"),
        objectives=true,
        observed=remembered,
        finish_s=state.finish_s.at[place].set(ended.finish_s, mode="drop"),
        count=count,
        hypervolume=hypervolume(true, reference, jnp.arange(state.rows.shape[0]) < count),
    )


def _infinite(objectives: jax.Array) -> jax.Array:
    """Objectives (J, m) with failed rows as inf: of no use, and nothing that spoils a sum."""
    return jnp.where(jnp.all(jnp.isfinite(objectives), axis=1, keepdims=True), objectives, jnp.inf)

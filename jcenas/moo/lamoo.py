"""LaMOO: multi-objective search that learns where to sample (Zhao et al., ICLR 2022; JMLR 25(177), 2024).

Each `ask` rebuilds the partition of `jcenas.moo.partition` on all samples told so far, picks a leaf by its upper
confidence bound, and samples in the region that the leaf's path of classifiers describes: uniformly, by a CMA-ES, or by
expected improvement. The first `initial` samples are uniform over the space. Where the region holds too few genomes
that were not seen, the remaining proposals are uniform over the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import jax
import jax.numpy as jnp

from jcenas.moo import candidates, cmaes, history, partition, svm
from jcenas.moo.arrays import reference_point
from jcenas.moo.bayesian import Goal, propose_by_improvement
from jcenas.moo.history import History
from jcenas.moo.surrogate import SurrogateConfig
from jcenas.moo.svm import SvmConfig
from jcenas.moo.types import Optimizer, Space, is_valid


@dataclass(frozen=True, kw_only=True)
class LamooConfig:
    """Settings of LaMOO; the defaults are those of the published search (CE-NAS, `lamoo/`).

    Attributes:
      initial: uniform samples before the first partition; a search takes at most half of its capacity.
      height: most levels of splits.
      leaf_size: a node with at most this many samples does not split.
      exploration: Cp of the bound, in units of hypervolume; None means 10 % of the current hypervolume, which keeps the
        search the same when objectives are rescaled together with the reference.
      selection: "leaf" takes the best bound among all leaves, "mcts" walks down from the root.
      svm: the classifiers.
      sampler: how the region is sampled: "uniform" as published, or "ehvi": of a pool drawn there, half replaced by
        neighbours of the non-dominated samples (`SurrogateConfig.local`), the best by expected hypervolume improvement;
        qNEHVI with `SurrogateConfig(noisy=True)`; or "cmaes", published too: draws of a normal distribution learnt from
        the region's best samples (`jcenas.moo.cmaes`), those in the region first.
      surrogate: settings of "ehvi".
      draws: draws of "cmaes" among which a batch is sought.
    """

    initial: int = 10
    height: int = 3
    leaf_size: int = 10
    exploration: float | None = None
    selection: Literal["leaf", "mcts"] = "leaf"
    svm: SvmConfig = field(default_factory=SvmConfig)
    sampler: Literal["uniform", "ehvi", "cmaes"] = "uniform"
    surrogate: SurrogateConfig = field(default_factory=SurrogateConfig)
    draws: int = 1024

    def __post_init__(self):
        if self.selection not in ("leaf", "mcts"):
            raise ValueError(f"selection must be 'leaf' or 'mcts', got {self.selection!r}")
        if self.sampler not in ("uniform", "ehvi", "cmaes"):
            raise ValueError(f"sampler must be 'uniform', 'ehvi' or 'cmaes', got {self.sampler!r}")
        if min(self.height, self.leaf_size, self.initial, self.draws) < 1:
            raise ValueError(f"height, leaf_size, initial and draws must be at least 1: {self}")


def _propose_by_evolution(
    key: jax.Array,
    space: Space,
    config: LamooConfig,
    *,
    state: History,
    depth: Callable[[jax.Array], jax.Array],
    spare: jax.Array,
    reference: jax.Array,
) -> jax.Array:
    """Choose b genomes among draws of a CMA-ES that the best samples of the region have taught.

    Taught by max(5, b) samples, those deepest inside the region's path first. Where too few unseen draws are in the
    region, its ancestors take its place one after the other, as published; in the end the uniform draws `spare` (b, d).
    """
    batch, n = spare.shape[0], state.told.shape[0]
    best = cmaes.ranking(state.objectives, reference, state.told)
    deepest = jnp.where(state.told, depth(jnp.maximum(state.genomes, 0)), -1)[best]
    rows = best[jnp.argsort(-deepest, stable=True)][: min(max(5, batch), n)]
    rows = rows[jnp.argsort(jnp.argsort(best)[rows])]  # by rank again
    points = cmaes.points(state.genomes[rows], space.cardinalities)
    fresh = cmaes.draw(key, cmaes.update(points, state.told[rows]), space.cardinalities, config.draws)
    pool = jnp.concatenate([fresh, spare])
    known = history.contains(state, pool)
    score = jnp.concatenate([2 + depth(fresh), jnp.ones(batch, jnp.int32)])
    score = jnp.where(known, jnp.where(jnp.arange(pool.shape[0]) < config.draws, -1, 0), score)
    score = jnp.where(history.repeated(pool), -2, score)
    score = jnp.where(is_valid(space, pool), score, -3)  # `spare` alone has enough that are valid
    return pool[jax.lax.top_k(score, batch)[1]]  # integers, and stable: the order of drawing decides


def lamoo(space: Space, config: LamooConfig | None = None, *, capacity: int, batch: int, reference) -> Optimizer:
    """LaMOO over a space.

    Args:
      space: what is searched; its `features` are what the classifiers see.
      config: settings; None means the defaults.
      capacity: number of genomes, evaluated and pending, that the state can remember.
      batch: number of genomes in one `ask`.
      reference: (m,) reference point of the hypervolume, in the units of the objectives.

    Returns:
      An optimiser whose state is a `History`: `ask` marks its proposals as pending, so they are not proposed again
      before they are told; `tell` takes any number of genomes, in any order, also ones that were never proposed (a warm
      start).
    """
    config = config or LamooConfig()
    surrogate = config.surrogate.for_space(space)
    history.check_sizes(capacity, batch)
    reference = reference_point(reference)
    size = max(batch, surrogate.pool) if config.sampler == "ehvi" else batch
    draw = candidates.source(space, lambda genomes: svm.prepare(config.svm, space.features(genomes)))

    def init(key: jax.Array) -> History:
        del key
        return history.empty(capacity, len(space.cardinalities), reference.shape[0])

    def ask(key: jax.Array, state: History) -> tuple[History, jax.Array]:
        target = jnp.asarray(reference)
        features = space.features(jnp.maximum(state.genomes, 0))
        tree = partition.grow(state.objectives, state.told, target, height=config.height, leaf_size=config.leaf_size)
        exploration = 0.1 * tree.volume[0] if config.exploration is None else jnp.float32(config.exploration)
        select = partition.best_leaf if config.selection == "leaf" else partition.descend
        finished = jnp.sum(state.status >= History.TOLD)
        begun = finished >= history.first_phase(config.initial, capacity)
        leaf = jnp.where(begun, select(tree, exploration), 0)
        path = partition.train_path(config.svm, tree, features, leaf)

        def wanted(prepared: jax.Array) -> jax.Array:
            return partition.inside(config.svm, path, prepared).astype(jnp.float32)

        def depth(genomes: jax.Array) -> jax.Array:
            prepared = svm.prepare(config.svm, space.features(genomes))
            return partition.depth_inside(config.svm, path, prepared)

        uniform, pick = jax.random.split(key)
        genomes = draw(uniform, state, size, wanted)
        if config.sampler == "cmaes":
            chosen = _propose_by_evolution(
                pick, space, config, state=state, depth=depth, spare=genomes, reference=target
            )
            genomes = jnp.where(begun, chosen, genomes)
        if config.sampler == "ehvi":
            goal = Goal(target)
            chosen = propose_by_improvement(pick, space, surrogate, state=state, pool=genomes, batch=batch, goal=goal)
            genomes = jnp.where(begun, chosen, genomes[:batch])
        return history.propose(state, genomes), genomes

    return Optimizer(init, ask, history.tell)


def lamoo_ehvi(space: Space, *, capacity: int, batch: int, reference) -> Optimizer:
    """LaMOO that chooses by expected hypervolume improvement among draws of its region."""
    return lamoo(space, LamooConfig(sampler="ehvi"), capacity=capacity, batch=batch, reference=reference)


def lamoo_cmaes(space: Space, *, capacity: int, batch: int, reference) -> Optimizer:
    """LaMOO that samples its region by a CMA-ES."""
    return lamoo(space, LamooConfig(sampler="cmaes"), capacity=capacity, batch=batch, reference=reference)

"""The partition of LaMOO: a tree of classifiers that parts promising regions from poor ones (Zhao et al., ICLR 2022).

Every inner node labels its samples by dominance number *among them*: the better half is good. Its children take the
halves, and a support vector machine trained on the labels says to which side a genome that has not been tried belongs.
Nodes lie in heap order: node i has the good child 2i+1 and the bad child 2i+2. As halves are halves, a node of level l
holds at most ceil(c / 2^l) samples, so each level is one `vmap` over arrays of that length.

Letters: c samples, m objectives, f features, N = 2^(height+1) - 1 nodes, k queries. Masks mean *valid*.
"""

import jax
import jax.numpy as jnp
from flax import struct

from jcenas.moo import svm
from jcenas.moo.hypervolume import hypervolume
from jcenas.moo.pareto import dominance_number
from jcenas.moo.svm import SVM, SvmConfig


class Tree(struct.PyTreeNode):
    """A partition; what it says of nodes that do not exist is without meaning."""

    machines: tuple[SVM, ...]  # one per level with inner nodes, leaves (2^level, ...)
    count: jax.Array  # (N,) int32, samples in the node
    volume: jax.Array  # (N,) float32, hypervolume of the node's samples
    split: jax.Array  # (N,) bool, True where the node exists and has children
    exists: jax.Array  # (N,) bool


def labels_by_dominance(objectives: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Order of the rows, int32 (c,), least dominated first (ties by row, padding last); label +1 in the first half."""
    order = jnp.argsort(dominance_number(objectives, mask), stable=True)
    place = jnp.argsort(order)
    half = (jnp.sum(mask, dtype=jnp.int32) + 1) // 2
    return order, jnp.where(place < half, 1.0, -1.0)


def build(
    config: SvmConfig,
    points: jax.Array,
    objectives: jax.Array,
    mask: jax.Array,
    reference: jax.Array,
    *,
    height: int,
    leaf_size: int,
) -> Tree:
    """Grow the tree on points (c, f) with objectives (c, m) where mask (c,) is True.

    A node splits while its level is below `height` and it holds more than `leaf_size` samples.
    """

    def grow(points, prepared, objectives, mask):
        order, labels = labels_by_dominance(objectives, mask)
        machine = svm.fit(config, points, labels, mask, prepared)
        n = mask.shape[0]
        width, count = (n + 1) // 2, jnp.sum(mask, dtype=jnp.int32)
        half = (count + 1) // 2
        good = order[:width]
        bad = order.at[half + jnp.arange(width)].get(mode="fill", fill_value=0)
        rows = jnp.stack([good, bad])
        within = jnp.stack([jnp.arange(width) < half, jnp.arange(width) < count - half])
        return machine, points[rows], prepared[rows], objectives[rows], within

    machines, counts, volumes, splits, exist = [], [], [], [], []
    data = (points[None], svm.prepare(config, points)[None], objectives[None], mask[None])
    exists = jnp.ones(1, bool)
    for level in range(height + 1):
        *_, objectives, mask = data
        count = jnp.sum(mask, axis=1, dtype=jnp.int32)
        split = exists & (count > leaf_size) if level < height else jnp.zeros_like(exists)
        counts.append(count)
        volumes.append(jax.vmap(hypervolume, (0, None, 0))(objectives, reference, mask))
        splits.append(split)
        exist.append(exists)
        if level < height:
            machine, *data = jax.vmap(grow)(*data)
            machines.append(machine)
            data = [x.reshape(-1, *x.shape[2:]) for x in data]
            exists = jnp.repeat(split, 2)
    return Tree(
        tuple(machines),
        jnp.concatenate(counts),
        jnp.concatenate(volumes),
        jnp.concatenate(splits),
        jnp.concatenate(exist),
    )


def upper_confidence(tree: Tree, exploration: jax.Array) -> jax.Array:
    """Upper confidence bound of each node, volume + 2 Cp sqrt(2 ln(count of the parent) / count), float (N,).

    The root, which has no parent, counts as its own. Nodes that do not exist get -inf.
    """
    parent = (jnp.arange(tree.count.shape[0]) - 1) // 2
    above = tree.count[jnp.maximum(parent, 0)]
    ratio = jnp.log(jnp.maximum(above, 1)) / jnp.maximum(tree.count, 1)
    bound = tree.volume + 2 * exploration * jnp.sqrt(2 * ratio)
    return jnp.where(tree.exists & (tree.count > 0), bound, -jnp.inf)


def best_leaf(tree: Tree, exploration: jax.Array) -> jax.Array:
    """Leaf with the largest bound among all leaves (`leaf` selection), int32 ()."""
    return jnp.argmax(jnp.where(tree.split, -jnp.inf, upper_confidence(tree, exploration))).astype(jnp.int32)


def descend(tree: Tree, exploration: jax.Array) -> jax.Array:
    """Leaf reached from the root by taking the child with the larger bound each time (`mcts` selection), int32 ()."""
    bound = upper_confidence(tree, exploration)
    node = jnp.int32(0)
    for _ in tree.machines:
        left, right = 2 * node + 1, 2 * node + 2  # beyond the end only below a leaf, where the choice is not used
        child = jnp.where(bound[left] >= bound[right], left, right)
        node = jnp.where(tree.split[node], child, node)
    return node


def depth_inside(config: SvmConfig, tree: Tree, node: jax.Array, prepared: jax.Array) -> tuple[jax.Array, jax.Array]:
    """How far along the path from the root to `node` the machines send each query, and how long that path is.

    Args:
      config: the classifiers' settings.
      tree: the partition.
      node: int32 (), a node of it.
      prepared: queries, as from `svm.prepare`, (k, p).

    Returns:
      int32 (k,), the level of the last region on the path that holds the query (0: only the root does), and int32 ().
    """
    level_of = jnp.floor(jnp.log2(node.astype(jnp.float32) + 1) + 1e-3).astype(jnp.int32)
    accepted = jnp.ones(prepared.shape[0], bool)
    depth = jnp.zeros(prepared.shape[0], jnp.int32)
    for level, machines in enumerate(tree.machines):
        up = jnp.maximum(level_of - level, 1)
        child = (node + 1) // 2 ** (up - 1) - 1  # the ancestor of `node`, or node itself, one level below this one
        parent = (child - 1) // 2
        machine = jax.tree.map(lambda x, i=parent - (2**level - 1): x[jnp.clip(i, 0, x.shape[0] - 1)], machines)
        good = svm.decide(config, machine, prepared) >= 0
        accepted &= jnp.where(child % 2 == 1, good, ~good) & (level_of > level)
        depth += accepted
    return depth, level_of


def inside(config: SvmConfig, tree: Tree, node: jax.Array, prepared: jax.Array) -> jax.Array:
    """Mask, bool (k,): which queries, as from `svm.prepare` (k, p), all machines from the root to `node` send there."""
    depth, length = depth_inside(config, tree, node, prepared)
    return depth == length

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

from jcenas.moo import choice, svm
from jcenas.moo.hypervolume import hypervolume
from jcenas.moo.pareto import dominance_number
from jcenas.moo.svm import SVM, SvmConfig


class Tree(struct.PyTreeNode):
    """Tree of classifiers that partitions the space; what it says of nodes that do not exist is without meaning."""

    machines: tuple[SVM, ...]  # one per level with inner nodes, leaves (2^level, ...); empty where none were trained
    count: jax.Array  # (N,) int32, samples in the node
    volume: jax.Array  # (N,) float32, hypervolume of the node's samples
    split: jax.Array  # (N,) bool, True where the node exists and has children
    exists: jax.Array  # (N,) bool
    rows: tuple[jax.Array, ...] = ()  # one per level with inner nodes, (2^level, ceil(c / 2^level)) int32: its samples,
    # least dominated first; those of a node come first, padding behind


class Path(struct.PyTreeNode):
    """Path from the root to one node: a machine and a side for each level."""

    machines: SVM  # leaves (height, ...)
    good: jax.Array  # (height,) bool, whether the path goes to the good child there
    length: jax.Array  # () int32, level of the node; what lies beyond is without meaning


def labels_by_dominance(objectives: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Order of the rows, int32 (c,), least dominated first (ties by row, padding last); label +1 in the first half."""
    order = jnp.argsort(dominance_number(objectives, mask), stable=True)
    place = jnp.argsort(order)
    half = (jnp.sum(mask, dtype=jnp.int32) + 1) // 2
    return order, jnp.where(place < half, 1.0, -1.0)


def grow(objectives: jax.Array, mask: jax.Array, reference: jax.Array, *, height: int, leaf_size: int) -> Tree:
    """Grow the tree on objectives (c, m) where mask (c,) is True, without training any machine.

    A node splits while its level is below `height` and it holds more than `leaf_size` samples.
    """

    def halves(rows, mask):
        order, _ = labels_by_dominance(objectives[rows], mask)
        width, count = (mask.shape[0] + 1) // 2, jnp.sum(mask, dtype=jnp.int32)
        half = (count + 1) // 2
        bad = order.at[half + jnp.arange(width)].get(mode="fill", fill_value=0)
        within = jnp.stack([jnp.arange(width) < half, jnp.arange(width) < count - half])
        return rows[order], rows[jnp.stack([order[:width], bad])], within

    counts, volumes, splits, exist, sorted_rows = [], [], [], [], []
    rows, mask = jnp.arange(mask.shape[0], dtype=jnp.int32)[None], mask[None]
    exists = jnp.ones(1, bool)
    for level in range(height + 1):
        count = jnp.sum(mask, axis=1, dtype=jnp.int32)
        split = exists & (count > leaf_size) if level < height else jnp.zeros_like(exists)
        counts.append(count)
        volumes.append(_volumes(objectives[rows], reference, mask))
        splits.append(split)
        exist.append(exists)
        if level < height:
            ordered, rows, mask = jax.vmap(halves)(rows, mask)
            sorted_rows.append(ordered)
            rows, mask = (x.reshape(-1, x.shape[-1]) for x in (rows, mask))
            exists = jnp.repeat(split, 2)
    whole = [jnp.concatenate(parts) for parts in (counts, volumes, splits, exist)]
    return Tree((), *whole, rows=tuple(sorted_rows))


def _volumes(objectives: jax.Array, reference: jax.Array, mask: jax.Array) -> jax.Array:
    """Hypervolumes, float32 (g,), of g sets of samples (g, n, m) where the mask (g, n) is True."""
    if objectives.shape[2] <= 3:
        return jax.vmap(hypervolume, (0, None, 0))(objectives, reference, mask)
    # Of more objectives one by one: under `vmap` each set would pay for a front of all its samples.
    return jax.lax.map(lambda one: hypervolume(one[0], reference, one[1]), (objectives, mask))


def _train(config: SvmConfig, points: jax.Array, prepared: jax.Array, rows: jax.Array, count: jax.Array) -> SVM:
    """The machine of a node whose `count` samples lead `rows` (k,): the first half is good."""
    place = jnp.arange(rows.shape[0])
    labels = jnp.where(place < (count + 1) // 2, 1.0, -1.0)
    return svm.fit(config, points[rows], labels, place < count, prepared[rows])


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
    """Grow the tree (see `grow`) on points (c, f) and train the machines of all its nodes."""
    tree = grow(objectives, mask, reference, height=height, leaf_size=leaf_size)
    prepared, machines = svm.prepare(config, points), []
    for level, rows in enumerate(tree.rows):
        count = tree.count[2**level - 1 : 2 ** (level + 1) - 1]
        machines.append(jax.vmap(lambda r, n: _train(config, points, prepared, r, n))(rows, count))
    return tree.replace(machines=tuple(machines))


def train_path(config: SvmConfig, tree: Tree, points: jax.Array, node: jax.Array) -> Path:
    """Train only the machines on the way to `node`, int32 (), of a tree that was grown on points (c, f).

    Which leaf is chosen does not depend on the machines, so the others need none. One compiled training, as wide as
    the root, serves all levels; its time follows the samples that a node has (`svm.solve`).
    """
    prepared, width = svm.prepare(config, points), tree.rows[0].shape[1]
    length, nodes = _level(node), []
    for level in range(len(tree.rows)):  # the ancestor at this level, the leftmost node below the end of the path
        nodes.append(jnp.where(level <= length, (node + 1) // 2 ** jnp.maximum(length - level, 0) - 1, 2**level - 1))
    places = [n - (2**level - 1) for level, n in enumerate(nodes)]
    rows = [jnp.pad(r[i], (0, width - r.shape[1])) for r, i in zip(tree.rows, places, strict=True)]
    counts = jnp.where(jnp.arange(len(nodes)) < length, tree.count[jnp.stack(nodes)], 0)
    machines = jax.lax.map(lambda one: _train(config, points, prepared, *one), (jnp.stack(rows), counts))
    return Path(machines, jnp.stack([*nodes[1:], node]) % 2 == 1, length)


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
    return choice.best(upper_confidence(tree, exploration), ~tree.split)


def descend(tree: Tree, exploration: jax.Array) -> jax.Array:
    """Leaf reached from the root by taking the child with the larger bound each time (`mcts` selection), int32 ()."""
    bound = upper_confidence(tree, exploration)
    node = jnp.int32(0)
    for _ in range(tree.count.shape[0].bit_length() - 1):
        left, right = 2 * node + 1, 2 * node + 2  # beyond the end only below a leaf, where the choice is not used
        child = jnp.where(bound[left] >= bound[right], left, right)
        node = jnp.where(tree.split[node], child, node)
    return node


def _level(node: jax.Array) -> jax.Array:
    """Level of a node, int32 ()."""
    return jnp.floor(jnp.log2(node.astype(jnp.float32) + 1) + 1e-3).astype(jnp.int32)


def depth_inside(config: SvmConfig, path: Path, prepared: jax.Array) -> jax.Array:
    """Level of the last region on a path that holds each query, int32 (k,).

    Args:
      config: the classifiers' settings.
      path: as from `train_path`.
      prepared: queries, as from `svm.prepare`, (k, p).

    Returns:
      The level of the last region on the path that holds the query (0: only the root does).
    """

    def decide(machine: svm.SVM) -> jax.Array:
        return svm.decide(config, machine, prepared) >= 0

    explicit = path.machines.landmarks.shape[1] == 0
    good = jax.vmap(decide)(path.machines) if explicit else jax.lax.map(decide, path.machines)  # (height, k)
    on_path = (jnp.arange(good.shape[0]) < path.length)[:, None]
    accepted = jnp.cumprod((good == path.good[:, None]) & on_path, axis=0)
    return jnp.sum(accepted, axis=0, dtype=jnp.int32)


def inside(config: SvmConfig, path: Path, prepared: jax.Array) -> jax.Array:
    """Mask, bool (k,): which queries, as from `svm.prepare` (k, p), all machines of the path send to its node."""
    return depth_inside(config, path, prepared) == path.length

"""The network of DARTS and NASNet cells with the architecture as data: one program trains every genome.

Each edge holds the weights of all operations of the space, and the genome, an array, picks at run time which of them
runs, which node it reads, and which nodes make a cell's output. With one genome throughout, the network is that
candidate, equal to `GenotypeNetwork`; with another genome at every step, it is the single-path weight-sharing supernet
(Guo et al., ECCV 2020, arXiv 1904.00420). An edge keeps its weights whichever node it reads; the arrays of a cell hold
those of all its edges.

A cell's output has room for every node that a genome may put there; the others are zero, so that the convolution of
the next cell skips them. `extract` takes the weights of one genome out.
"""

from typing import Any, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jcenas.nets.genotype import edge
from jcenas.nets.genotype.edge import Choices
from jcenas.nets.genotype.loop import Wiring, run_edges
from jcenas.nets.genotype.network import STEM_MULTIPLIER, Stem, check_images, reductions
from jcenas.nets.genotype.operations import FactorizedReduction, PointwiseNorm, path_masks
from jcenas.nets.layers.block import Block, GlobalPool
from jcenas.nets.layers.norm import Statistics
from jcenas.spaces.genotype import CELL_INPUTS, NUMBER, Cells, from_cells


class CellSpace(Protocol):
    """What the supernet asks of a space; `Darts` and `NasNet` are such."""

    @property
    def operations(self) -> tuple[str, ...]:
        """Names of the operations."""
        ...

    @property
    def blocks(self) -> int:
        """Blocks of a cell."""
        ...

    @property
    def outputs(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Nodes that the output of a normal and of a reduction cell may hold."""
        ...

    def cells(self, genomes: ArrayLike) -> Cells:
        """The arrays of genomes (..., d)."""
        ...


class SuperCell(Block, nn.Module):
    """One cell, of `channels` channels a node."""

    operations: tuple[str, ...]
    outputs: tuple[int, ...]
    channels: int
    reduction: bool
    reduction_before: bool

    reads = (2, 1)

    @nn.compact
    def __call__(
        self,
        before: jax.Array,
        last: jax.Array,
        architecture: tuple[jax.Array, jax.Array, jax.Array],
        statistics: Statistics,
        masks: jax.Array | None,
    ) -> jax.Array:
        """Apply to the outputs of the two cells before, (B, H, W, C).

        Args:
            before: output of the cell before the last.
            last: output of the last cell.
            architecture: operations (N, 2), numbers into `self.operations`; inputs (N, 2); concat (N + 2,) bool; N
                blocks.
            statistics: of the batch norms.
            masks: (2 N, B, 1, 1, 1), multiply the results of the edges but for identities; None drops no path.
        """
        operations, inputs, concat = architecture
        halve = FactorizedReduction if self.reduction_before else PointwiseNorm
        entries = [
            halve(self.channels, name="input0")(before, statistics),
            PointwiseNorm(self.channels, name="input1")(last, statistics),
        ]
        wiring = Wiring(operations.reshape(-1), inputs.reshape(-1), None)
        if masks is not None:
            identity = wiring.operations == _place(self.operations, "skip_connect")
            if self.reduction:
                identity &= wiring.inputs >= CELL_INPUTS
            wiring = wiring._replace(factors=jnp.where(identity[:, None, None, None, None], 1, masks))
        nodes = [*entries, *self._blocks(jnp.stack(entries), wiring, statistics)]
        kept = [jnp.where(concat[node], nodes[node], jnp.zeros((), last.dtype)) for node in self.outputs]
        return jnp.concatenate(kept, axis=-1)

    def _blocks(self, entries: jax.Array, wiring: Wiring, statistics: Statistics) -> jax.Array:
        """The nodes (N, B, H, W, C) of the blocks, from those of the cell's inputs (2, B, H, W, C)."""
        edges, stride = wiring.inputs.shape[0], 1 + self.reduction  # the strided form has all the weights of the other
        named = [name for name in self.operations if edge.has_weights(name, stride, self.channels)]

        def make(name: str, collection: str, key: jax.Array) -> Any:
            return edge.initial(name, stride, self.channels, jax.random.split(key, edges))[collection]

        weights = {name: self.param(name, lambda key, name=name: make(name, "params", key)) for name in named}
        running = {
            name: self.variable("batch_stats", name, lambda name=name: make(name, "batch_stats", jax.random.key(0)))
            for name in named
        }
        if self.is_initializing():
            return jnp.stack([entries[0, :, ::stride, ::stride]] * (edges // 2))
        choices = Choices(self.operations, (1, 2)[:stride])
        values = {name: variable.value for name, variable in running.items()}
        nodes, moved = run_edges(choices, statistics, entries, wiring, weights, values)
        if self.is_mutable_collection("batch_stats"):
            for name in named:
                running[name].value = moved[name]
        return nodes


def _place(operations: tuple[str, ...], name: str) -> int:
    return operations.index(name) if name in operations else -1


class GenotypeSupernet(nn.Module):
    """The whole network; candidate or supernet according to the genomes that it is given.

    Attributes:
        space: where genomes come from.
        classes: number of classes.
        channels: channels of a node in the first cells, even.
        cells: cells.
    """

    space: CellSpace
    classes: int
    channels: int = 16
    cells: int = 8

    @nn.compact
    def __call__(
        self,
        images: jax.Array,
        genome: jax.Array,
        *,
        statistics: Statistics = "running",
        drop_path: jax.Array | float | None = None,
    ) -> jax.Array:
        """Classify images.

        Args:
            images: (B, H, W, C), H and W multiples of 4.
            genome: int32 (d,), of the space.
            statistics: of the batch norms.
            drop_path: rate of dropped paths in [0, 1), with batch statistics only; needs a random stream `drop_path`.

        Returns:
            Logits (B, classes).

        Raises:
            InputError: image sides that two reductions cannot halve, or an odd number of channels.
        """
        check_images(images, self.channels)
        masks = [None] * self.cells
        if drop_path is not None and statistics == "batch" and not self.is_initializing():
            edges = 2 * self.space.blocks
            drawn = path_masks(self.make_rng("drop_path"), self.cells * edges, images.shape[0], drop_path)
            masks = list(drawn.reshape(self.cells, edges, *drawn.shape[1:]))
        cells, operations = self.space.cells(genome), self.space.operations
        place = np.zeros(len(NUMBER), np.int32)
        place[[NUMBER[name] for name in operations]] = np.arange(len(operations))
        chosen = jnp.asarray(place)[cells.operations]
        x = Stem(STEM_MULTIPLIER * self.channels, name="stem")(images, statistics)
        before, last, channels, halved = x, x, self.channels, False
        for i in range(self.cells):
            reduce = i in reductions(self.cells)
            channels *= 2 if reduce else 1
            kind = int(reduce)
            cell = SuperCell(operations, self.space.outputs[kind], channels, reduce, halved, name=f"cell{i}")
            architecture = (chosen[kind], cells.inputs[kind], cells.concat[kind])
            before, last, halved = last, cell(before, last, architecture, statistics, masks[i]), reduce
        return nn.Dense(self.classes, name="classifier")(GlobalPool()(last))


def extract(network: GenotypeSupernet, variables: dict[str, Any], genome: ArrayLike) -> dict[str, Any]:
    """The variables of `GenotypeNetwork` for one genome (d,) out of those of the supernet."""
    cells = network.space.cells(np.asarray(genome))
    genotype = from_cells(cells)
    params, stats = dict(variables["params"]), dict(variables["batch_stats"])
    width, rows = network.channels, [np.arange(STEM_MULTIPLIER * network.channels)] * 2  # rows that each cell reads
    for i in range(network.cells):
        kind = int(i in reductions(network.cells))
        width *= 1 + kind
        edges = (genotype.normal, genotype.reduce)[kind]
        concat = (genotype.normal_concat, genotype.reduce_concat)[kind]
        whole, statistics = params[f"cell{i}"], stats[f"cell{i}"]
        own, moved = {}, {}
        for entry in range(CELL_INPUTS):
            name = f"input{entry}"
            own[name] = whole[name] | {"kernel": whole[name]["kernel"][rows[entry]]}
            moved[name] = statistics[name]
        for e, (operation, node) in enumerate(edges):
            identity = operation == "skip_connect" and not (kind and node < CELL_INPUTS)
            if not identity and operation in whole:
                for of_genome, of_all in ((own, whole), (moved, statistics)):
                    of_genome[f"edge{e}_{operation}"] = jax.tree.map(lambda x, e=e: x[e], of_all[operation])
        params[f"cell{i}"], stats[f"cell{i}"] = own, moved
        places = [network.space.outputs[kind].index(node) for node in concat]
        rows = [rows[1], np.concatenate([np.arange(width * p, width * (p + 1)) for p in places])]
    dense = params["classifier"]
    params["classifier"] = dense | {"kernel": dense["kernel"][rows[1]]}
    return {"params": params, "batch_stats": stats}

"""Cells of two-input blocks, the form that the DARTS and the NASNet space share, and the texts that name them.

A cell has two inputs, nodes 0 (the output of the cell before the last) and 1 (of the last cell), and B blocks, nodes
2..B+1. A block applies an operation to each of two earlier nodes and adds the results; the output of the cell is the
concatenation of some nodes. A network is built of a normal and a reduction cell; in the latter, what reads nodes 0 and
1 has stride 2 (Zoph et al., CVPR 2018, arXiv 1707.07012; Liu et al., ICLR 2019, arXiv 1806.09055).

Two forms: `Genotype`, of names, is what people write; `Cells`, of arrays, is what a jitted count or network takes.
"""

import ast
import hashlib
from typing import Any, NamedTuple

import jax
import numpy as np

from jcenas.errors import InputError

OPERATIONS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "sep_conv_7x7",
    "max_pool_5x5",
    "max_pool_7x7",
    "conv_1x1",
    "conv_3x3",
    "conv_3x1_1x3",
    "conv_7x1_1x7",
)
NUMBER = {name: number for number, name in enumerate(OPERATIONS)}
CELL_INPUTS = 2

Edge = tuple[str, int]  # an operation and the node that it reads


class Genotype(NamedTuple):
    """Both cells of a network: two edges for each block, and the nodes that are concatenated. Hashable."""

    normal: tuple[Edge, ...]
    normal_concat: tuple[int, ...]
    reduce: tuple[Edge, ...]
    reduce_concat: tuple[int, ...]


class Cells(NamedTuple):
    """The same as arrays, for any number of networks; index 0 is the normal cell, index 1 the reduction cell."""

    operations: jax.Array  # (..., 2, B, 2) int32, numbers into OPERATIONS
    inputs: jax.Array  # (..., 2, B, 2) int32, nodes
    concat: jax.Array  # (..., 2, B + 2) bool, nodes that make the output


def checked(genotype: Genotype) -> Genotype:
    """The same genotype, if it describes a network.

    Raises:
        InputError: names the entry that is wrong.
    """
    for part in ("normal", "reduce"):
        edges, concat = getattr(genotype, part), getattr(genotype, f"{part}_concat")
        if not edges or len(edges) % 2:
            raise InputError(f"{part} has {len(edges)} entries; a block needs two, and a cell at least one block")
        for i, (name, node) in enumerate(edges):
            if name not in NUMBER:
                raise InputError(f"{part}: '{name}' is not one of {', '.join(OPERATIONS)}")
            if not 0 <= node < i // 2 + CELL_INPUTS:
                nodes = f"0 to {i // 2 + CELL_INPUTS - 1}"
                raise InputError(f"{part}: entry {i} ('{name}', {node}) may read nodes {nodes} only")
        nodes = len(edges) // 2 + CELL_INPUTS
        first = CELL_INPUTS if part == "reduce" else 0  # a reduction cell's own inputs are twice as large as its output
        for node in concat:
            if not first <= node < nodes:
                raise InputError(f"{part}_concat: node {node} is not one of {first} to {nodes - 1}")
        if not concat or len(set(concat)) != len(concat):
            raise InputError(f"{part}_concat must name at least one node, and none twice: {list(concat)}")
    return genotype


def to_string(genotype: Genotype) -> str:
    """The text that DARTS and its successors print and read: `Genotype(normal=[('sep_conv_3x3', 0), ...], ...)`."""
    parts = []
    for name, value in genotype._asdict().items():
        if name.endswith("concat") and value == tuple(range(value[0], value[-1] + 1)):
            parts.append(f"{name}=range({value[0]}, {value[-1] + 1})")
        else:
            parts.append(f"{name}={list(value)}")
    return f"Genotype({', '.join(parts)})"


def from_string(text: str) -> Genotype:
    """Read the text that `to_string` writes; nothing of it is executed.

    Raises:
        InputError: names what is not understood.
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise InputError(f"not a genotype: {error.msg} in '{text.strip()[:60]}'") from error
    if not isinstance(call, ast.Call) or getattr(call.func, "id", "") != "Genotype" or call.args:
        raise InputError(f"not a genotype: '{text.strip()[:60]}' should be Genotype(normal=[...], ...)")
    parts = {str(keyword.arg): keyword.value for keyword in call.keywords}
    for name in Genotype._fields:
        if name not in parts:
            raise InputError(f"the genotype has no part '{name}'")
    for name in parts:
        if name not in Genotype._fields:
            raise InputError(f"'{name}' is no part of a genotype; the parts are {', '.join(Genotype._fields)}")
    return checked(
        Genotype(
            _edges(parts["normal"], "normal"),
            _nodes(parts["normal_concat"], "normal_concat"),
            _edges(parts["reduce"], "reduce"),
            _nodes(parts["reduce_concat"], "reduce_concat"),
        )
    )


def _edges(node: ast.expr, part: str) -> tuple[Edge, ...]:
    entries = _literal(node, part)
    if not isinstance(entries, list | tuple):
        raise InputError(f"{part} is not a list: {ast.unparse(node)}")
    flat: list[Edge] = []
    for entry in entries:
        pair = entry if isinstance(entry, list | tuple) else ()
        # Some authors put the two edges of a block into a list of their own.
        for edge in [pair] if len(pair) == 2 and isinstance(pair[0], str) else pair or [()]:
            if not (isinstance(edge, list | tuple) and [type(x) for x in edge] == [str, int]):
                raise InputError(f"{part}: {entry!r} is not ('OPERATION', NODE)")
            flat.append((edge[0], edge[1]))
    return tuple(flat)


def _nodes(node: ast.expr, part: str) -> tuple[int, ...]:
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range" and len(node.args) == 2:
        ends = [_literal(end, part) for end in node.args]
        if all(type(end) is int and abs(end) < 100 for end in ends):
            return tuple(range(*ends))
    else:
        nodes = _literal(node, part)
        if isinstance(nodes, list | tuple) and all(type(n) is int for n in nodes):
            return tuple(nodes)
    raise InputError(f"{part} is not a list of nodes: {ast.unparse(node)}")


def _literal(node: ast.expr, part: str):
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError) as error:  # TypeError: such as a set of lists
        raise InputError(f"{part} holds more than names and numbers: {ast.unparse(node)}") from error


def cell_from_blocks(text: str) -> tuple[Edge, ...]:
    """The edges of one cell written `sep_conv_3x3~0;skip_connect~1;...`, two for each block.

    Raises:
        InputError: names the token that is not `operation~node`.
    """
    edges: list[Edge] = []
    for token in text.strip().strip(";").split(";"):
        name, _, node = token.strip().partition("~")
        if name not in NUMBER or not node.isdecimal():
            raise InputError(f"cell '{text.strip()}': token '{token}' should be OPERATION~NODE with a known operation")
        edges.append((name, int(node)))
    return tuple(edges)


def cell_to_blocks(edges: tuple[Edge, ...]) -> str:
    """The text that `cell_from_blocks` reads."""
    return ";".join(f"{name}~{node}" for name, node in edges)


def to_cells(genotype: Genotype) -> Cells:
    """The arrays, as NumPy, of one genotype whose cells have equally many blocks.

    Raises:
        InputError: the cells differ in size.
    """
    if len(genotype.normal) != len(genotype.reduce):
        raise InputError(f"the cells have {len(genotype.normal) // 2} and {len(genotype.reduce) // 2} blocks")
    both = np.array([[(NUMBER[name], node) for name, node in part] for part in (genotype.normal, genotype.reduce)])
    both = both.astype(np.int32).reshape(2, -1, 2, 2)
    concat = np.zeros((2, both.shape[1] + CELL_INPUTS), bool)
    concat[0, list(genotype.normal_concat)] = concat[1, list(genotype.reduce_concat)] = True
    return Cells(both[..., 0], both[..., 1], concat)  # pyright: ignore[reportArgumentType]


def from_cells(cells: Cells) -> Genotype:
    """The genotype of one network (no leading axes)."""
    operations, inputs, concat = (np.asarray(part) for part in cells)
    edges = [
        tuple((OPERATIONS[o], int(i)) for o, i in zip(operations[c].ravel(), inputs[c].ravel(), strict=True))
        for c in range(2)
    ]
    nodes = [tuple(np.flatnonzero(row).tolist()) for row in concat]
    return checked(Genotype(edges[0], nodes[0], edges[1], nodes[1]))


def canonical(genotype: Genotype) -> Genotype:
    """The representative of all genotypes that describe the same network up to the names of its nodes.

    Isomorphic are genotypes that differ by the order of a block's two edges, by the order of blocks or of the
    concatenation, or by what a `none` reads. The representative lists the blocks in the order that is smallest.
    """
    normal, normal_concat = _canonical(genotype.normal, genotype.normal_concat)
    reduce, reduce_concat = _canonical(genotype.reduce, genotype.reduce_concat)
    return Genotype(normal, normal_concat, reduce, reduce_concat)


def genotype_hash(genotype: Genotype) -> str:
    """Name of a network, 32 hexadecimal digits, the same for isomorphic genotypes and for no others."""
    return hashlib.md5(to_string(canonical(genotype)).encode(), usedforsecurity=False).hexdigest()


def _canonical(edges: tuple[Edge, ...], concat: tuple[int, ...]) -> tuple[tuple[Edge, ...], tuple[int, ...]]:
    """Smallest sequence of blocks, each as (in the output, sorted edges), over all orders in which inputs come first.

    Grown block by block: of the blocks whose inputs are placed only the smallest can follow, and every block that ties
    with it is tried.
    """
    blocks = [tuple((n, 0 if n == "none" else i) for n, i in edges[b : b + 2]) for b in range(0, len(edges), 2)]
    # (blocks placed so far, new number of each old node)
    growing: list[tuple[tuple[Any, ...], dict[int, int]]] = [((), {0: 0, 1: 1})]
    for _ in blocks:
        longer = []
        for placed, new in growing:
            for b, block in enumerate(blocks):
                if b + CELL_INPUTS not in new and all(i in new for _, i in block):
                    own = tuple(sorted((new[i], NUMBER[name]) for name, i in block))
                    node = {b + CELL_INPUTS: len(placed) + CELL_INPUTS}
                    longer.append(((*placed, (b + CELL_INPUTS not in concat, own)), {**new, **node}))
        least = min(placed for placed, _ in longer)
        growing = [candidate for candidate in longer if candidate[0] == least]
        unique = {tuple(sorted(new.items())): (placed, new) for placed, new in growing}
        growing = list(unique.values())
    placed = growing[0][0]
    kept = tuple(n for n in range(CELL_INPUTS) if n in concat)
    kept += tuple(b + CELL_INPUTS for b, (left_out, _) in enumerate(placed) if not left_out)
    return tuple((OPERATIONS[o], i) for _, block in placed for i, o in block), kept

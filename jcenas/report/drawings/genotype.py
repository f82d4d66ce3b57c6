"""Drawing a network of normal and reduction cells: both cells, one above the other, each as blocks in a row.

A block is a pair of boxes, one for each operation, which the node that it reads leads to. Grey lines under a cell
collect the blocks that make its output.
"""

from matplotlib.axes import Axes

from jcenas.errors import InputError
from jcenas.report.drawings import row
from jcenas.report.drawings.frame import frame
from jcenas.report.drawings.operations import Style, style_of
from jcenas.report.style import COLOR
from jcenas.spaces.genotype import CELL_INPUTS, Edge, from_string

MOST_BLOCKS = 8  # of a cell that is drawn
INPUTS = ("cₖ₋₂", "cₖ₋₁")  # outputs of the cell before the last and of the last cell
CHIP = 0.62  # height of the box of an operation
GAP = 0.06
SIZE = 6.5  # points, of the labels
BUS = -1.95  # y of the line that collects the output
LOW, HIGH = -2.1, 1.85


def draw(axes: Axes, text: str, title: str = "") -> None:
    """Draw the genotype that `jcenas.spaces.genotype.to_string` wrote into `axes`, emptied of ticks and frame.

    Raises:
      InputError: not such a text, or cells of more than eight blocks.
    """
    genotype = from_string(text)
    cells = (
        ("normal", genotype.normal, genotype.normal_concat),
        ("reduction", genotype.reduce, genotype.reduce_concat),
    )
    most = max(len(edges) // 2 for _, edges, _ in cells)
    if most > MOST_BLOCKS:
        raise InputError(f"a drawing has room for {MOST_BLOCKS} blocks, not {most}")
    frame(axes, title)
    for i, (name, edges, concat) in enumerate(cells):
        part = axes.inset_axes((0.0, 0.5 * (1 - i), 1.0, 0.5))
        part.axis("off")
        part.set(xlim=(-0.5, most + CELL_INPUTS + 0.5), ylim=(LOW, HIGH))
        part.text(-0.42, HIGH - 0.12, name, fontsize=7, color=COLOR["muted"], ha="left", va="top", fontstyle="italic")
        _cell(part, edges, concat)


def _cell(axes: Axes, edges: tuple[Edge, ...], concat: tuple[int, ...]) -> None:
    """One cell: inputs, blocks, output."""
    pairs = [edges[i : i + 2] for i in range(0, len(edges), 2)]
    ways = [
        [_arcs(node, upper, lower) for upper, lower in (pair, pair[::-1])]
        for node, pair in enumerate(pairs, start=CELL_INPUTS)
    ]
    turned = row.fewest_crossings(ways)
    arcs = [arc for (over, under), _ in ways for arc in (*over, *under)]
    longest = max((last - first for first, last in arcs), default=2)
    for node, label in enumerate(INPUTS):
        row.box(axes, (node, 0.0), label, COLOR["muted"], height=CHIP, size=SIZE)
    for node, (pair, turn) in enumerate(zip(pairs, turned, strict=True), start=CELL_INPUTS):
        for (operation, source), up in zip(pair[::-1] if turn else pair, (True, False), strict=True):
            style, middle = style_of(operation), (CHIP + GAP) / 2 * (1 if up else -1)
            row.box(axes, (node, middle), style.label, style.color, height=CHIP, size=SIZE)
            if node - source == 1:
                begin = middle / 2 if source < CELL_INPUTS else middle
                row.arrow(axes, [(source + row.HALF_WIDTH, begin), (node - row.HALF_WIDTH, middle)], style)
            else:
                heights = (_half_height(source), _half_height(node))
                row.arc(axes, (source, node), style, y=heights, longest=longest, up=up)
    _output(axes, concat, len(pairs) + CELL_INPUTS)


def _arcs(node: int, upper: Edge, lower: Edge) -> tuple[list[row.Arc], list[row.Arc]]:
    """Arcs over and under the row that lead to a block; from the node before it the way is straight."""
    over, under = ([(source, node)] if node - source > 1 else [] for _, source in (upper, lower))
    return over, under


def _half_height(node: int) -> float:
    """From the middle of a node's boxes to their edge."""
    return CHIP / 2 if node < CELL_INPUTS else CHIP + GAP / 2


def _output(axes: Axes, concat: tuple[int, ...], place: int) -> None:
    """The output's box, and a line from each node that is in it."""
    line = Style("", COLOR["pale"])
    row.box(axes, (place, 0.0), "out", COLOR["muted"], height=CHIP, size=SIZE)
    for node in concat:
        row.arrow(axes, [(node, -_half_height(node)), (node, BUS)], line, head=False)
    row.arrow(axes, [(min(concat), BUS), (place, BUS)], line, head=False)
    row.arrow(axes, [(place, BUS), (place, -CHIP / 2)], line)

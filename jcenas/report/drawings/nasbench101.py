"""Drawing a NAS-Bench-101 cell: its vertices in a row, in the colour of their operation, and its edges as arrows."""

from matplotlib.axes import Axes

from jcenas.report.drawings import row
from jcenas.report.drawings.frame import frame
from jcenas.report.drawings.operations import Style, style_of
from jcenas.report.style import COLOR
from jcenas.spaces.nasbench101 import INPUT, OUTPUT, from_string

HEIGHT = 0.62  # of a box
FEWEST_COLUMNS = 5  # a drawing is as wide as for so many vertices
SIZE = 8.0  # points, of the labels
LINE = Style("", COLOR["muted"])
ENDS = {INPUT: Style("in", COLOR["muted"]), OUTPUT: Style("out", COLOR["muted"])}


def draw(axes: Axes, text: str, title: str = "") -> None:
    """Draw the cell that `jcenas.spaces.nasbench101.to_string` wrote into `axes`, emptied of ticks and frame.

    Raises:
      InputError: not such a text, or a cell that is larger than the space's.
    """
    cell = from_string(text)
    last = len(cell.operations) - 1
    edges = [(i, j) for j in range(last + 1) for i in range(j) if cell.adjacency[i, j]]
    arcs = [edge for edge in edges if edge[1] - edge[0] > 1]
    sides = row.fewest_crossings([[((arc,), ()), ((), (arc,))] for arc in arcs])
    margin = max(0.0, (FEWEST_COLUMNS - 1 - last) / 2)
    frame(axes, title)
    axes.set(xlim=(-0.5 - margin, last + 0.5 + margin), ylim=(-1.6, 1.6))
    for vertex, operation in enumerate(cell.operations):
        style = ENDS.get(operation) or style_of(operation)
        row.box(axes, (vertex, 0.0), style.label, style.color, height=HEIGHT, size=SIZE)
    for first, second in edges:
        if second - first == 1:
            row.arrow(axes, [(first + row.HALF_WIDTH, 0.0), (second - row.HALF_WIDTH, 0.0)], LINE)
    longest = max((second - first for first, second in arcs), default=2)
    for arc, side in zip(arcs, sides, strict=True):
        row.arc(axes, arc, LINE, y=(HEIGHT / 2, HEIGHT / 2), longest=longest, up=side == 0)

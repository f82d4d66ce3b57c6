"""What every drawing has: axes without ticks and frame, and a title that fits above them."""

from matplotlib.axes import Axes

from jcenas.report.style import COLOR

TITLE_SIZE, TITLE_LENGTH = 10.5, 38  # points; characters of a title that are not wider than a drawing of 3.6 inches


def frame(axes: Axes, title: str) -> None:
    """Empty `axes` of ticks and frame, and write the title, the smaller the longer it is; nothing without one."""
    axes.axis("off")
    if title:
        size = TITLE_SIZE * min(1.0, TITLE_LENGTH / max(map(len, title.splitlines())))
        axes.set_title(title, loc="center", pad=2, color=COLOR["ink"], fontsize=size, parse_math=False)

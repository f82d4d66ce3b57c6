"""Drawing a network of inverted residuals: a stack of layers for each stage, from left to right.

The wider a layer, the larger its expansion, which stands under the stack, and under that SE for squeeze-excite; colour
and label of a layer are the kernel's.
"""

import re
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle

from jcenas.errors import InputError
from jcenas.report.drawings.frame import frame
from jcenas.report.style import COLOR

MOST_STAGES, MOST_LAYERS = 10, 8  # that a drawing has room for
KERNELS = {3: COLOR["blue"], 5: COLOR["violet"], 7: COLOR["red"]}
NARROWEST, WIDEST = 0.3, 0.86  # of a layer, where stages are 1 apart
FEWEST_COLUMNS = 6  # a drawing is as wide as for so many stages
_TEXT = re.compile(
    r"e=([\d ]{1,99});k=([\d ]{1,99});l=([\d ]{1,99});se=([01 ]{1,99})(?:;w=([\d.]{1,9}))?(?:;r=(\d{1,5}))?;?"
)


class Stage(NamedTuple):
    """The choices of one stage."""

    expansion: int
    kernel: int
    layers: int
    squeeze: int


class Network(NamedTuple):
    """What a drawing shows; width and resolution as they were written, or empty."""

    stages: list[Stage]
    width: str
    resolution: str


def parse(text: str) -> Network:
    """A network as `jcenas.spaces.mobilenet.MobileNet.to_string` writes it, whatever the choices of its space are.

    Raises:
      InputError: not such a text, or more than a drawing has room for.
    """
    found = _TEXT.fullmatch(text.strip())
    if found is None:
        raise InputError(f"not a network of inverted residuals: {text[:60]!r}")
    columns = [[int(value) for value in found[i].split()] for i in range(1, 5)]
    if len({len(column) for column in columns}) > 1 or not 1 <= len(columns[0]) <= MOST_STAGES:
        raise InputError(f"e=, k=, l= and se= need equally many values, 1 to {MOST_STAGES}: {text[:60]!r}")
    stages = [Stage(*values) for values in zip(*columns, strict=True)]
    if not all(1 <= stage.layers <= MOST_LAYERS and 1 <= stage.expansion <= 99 for stage in stages):
        raise InputError(f"a drawing has room for 1 to {MOST_LAYERS} layers and expansions of 1 to 99: {text[:60]!r}")
    return Network(stages, found[5] or "", found[6] or "")


def draw(axes: Axes, text: str, title: str = "") -> None:
    """Draw the network into `axes`, emptied of ticks and frame.

    Raises:
      InputError: see `parse`.
    """
    network = parse(text)
    stages, tallest = network.stages, max(4, *(stage.layers for stage in network.stages))
    last = len(stages)
    margin = max(0.0, (FEWEST_COLUMNS - last) / 2)
    left, right = -0.1 - margin, last + 0.9 + margin
    frame(axes, title)
    axes.set(xlim=(left - 0.05, right + 0.05), ylim=(-1.75, tallest + 0.15))
    widest = max(stage.expansion for stage in stages)
    for i, stage in enumerate(stages):
        share = stage.expansion / widest
        _stage(axes, i + 0.5, stage, NARROWEST + share * (WIDEST - NARROWEST))
    arrow = {"arrowstyle": "-|>", "mutation_scale": 7, "color": COLOR["muted"], "linewidth": 1.1}
    axes.add_patch(FancyArrowPatch((-0.1, -0.12), (last + 0.4, -0.12), shrinkA=0, shrinkB=0, **arrow))
    words = {"color": COLOR["muted"], "fontsize": 7, "parse_math": False}
    axes.text(last + 0.45, -0.12, "out", ha="left", va="center", **words)
    width = f"width {network.width}" if network.width else ""
    resolution = f"{network.resolution} px" if network.resolution else ""
    axes.text(left, -1.72, " · ".join(filter(None, (width, resolution))), ha="left", va="bottom", **words)
    axes.text(right, -1.72, "in the layers: kernel · ×: expansion", ha="right", va="bottom", **words)


def _stage(axes: Axes, x: float, stage: Stage, width: float) -> None:
    """A stack of layers with its middle at x, and what is the same for all of them."""
    color = KERNELS.get(stage.kernel, COLOR["ink"])
    for layer in range(stage.layers):
        corner = (x - width / 2, layer + 0.12)
        axes.add_patch(
            Rectangle(corner, width, 0.8, facecolor=COLOR["surface"], edgecolor=color, linewidth=1.2, zorder=3)
        )
    ink = {"ha": "center", "color": COLOR["ink"], "fontsize": 7, "zorder": 4}
    for layer in range(stage.layers):
        axes.text(x, layer + 0.5, f"{stage.kernel}", va="center_baseline", **ink)
    axes.text(x, -0.3, f"×{stage.expansion}", va="top", **ink)
    if stage.squeeze:
        axes.text(x, -0.85, "SE", va="top", **{**ink, "color": COLOR["green"]})

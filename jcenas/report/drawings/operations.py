"""How operations of cells are labelled and coloured in drawings, in the colours of NAS-Bench-201's.

Sides of kernels stand alone: `sep 5` is a separable convolution with kernels of 5×5.
"""

from typing import Any, NamedTuple

from jcenas.report.style import COLOR

DASHED = (0, (4, 2))


class Style(NamedTuple):
    """How an operation is drawn."""

    label: str
    color: str
    line: Any = "-"  # of matplotlib: a name or (offset, dashes)


STYLES = {
    "none": Style("none", COLOR["pale"], (0, (1, 2.5))),
    "skip_connect": Style("skip", COLOR["muted"], DASHED),
    "avg_pool_3x3": Style("avg 3", COLOR["green"]),
    "max_pool_3x3": Style("max 3", COLOR["green"], (0, (6, 1.5))),
    "max_pool_5x5": Style("max 5", COLOR["green"], (0, (6, 1.5))),
    "max_pool_7x7": Style("max 7", COLOR["green"], (0, (6, 1.5))),
    "sep_conv_3x3": Style("sep 3", COLOR["blue"]),
    "sep_conv_5x5": Style("sep 5", COLOR["violet"]),
    "sep_conv_7x7": Style("sep 7", COLOR["red"]),
    "dil_conv_3x3": Style("dil 3", COLOR["amber"]),
    "dil_conv_5x5": Style("dil 5", COLOR["brown"]),
    "conv_1x1": Style("1×1", COLOR["amber"]),
    "conv_3x3": Style("3×3", COLOR["blue"]),
    "conv_3x1_1x3": Style("3×1", COLOR["violet"]),
    "conv_7x1_1x7": Style("7×1", COLOR["red"]),
    "conv3x3-bn-relu": Style("3×3", COLOR["blue"]),
    "conv1x1-bn-relu": Style("1×1", COLOR["amber"]),
    "maxpool3x3": Style("max 3", COLOR["green"]),
}


def style_of(operation: str) -> Style:
    """The style of an operation; of one that nobody knows its name, in ink."""
    return STYLES.get(operation, Style(operation, COLOR["ink"]))

"""Where XLA:CPU stops fusing: a function whose results are computed once, whoever reads them.

XLA:CPU fuses a map into every operation that reads it, and there computes it anew, pixel by pixel, together with all
that it was fused from. In a network whose nodes are sums of sums the same sums run again and again, more at every
cell: most of a step. `jax.lax.optimization_barrier` does not help there, since the compiler drops it before it fuses.
A call that is not inlined does: what enters and what leaves it is written out.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
from jax import lax
from jax.experimental.xla_metadata import set_xla_metadata


def once(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)`, on CPU apart from what computes its arguments and from what reads its results."""
    return lax.platform_dependent(*arguments, cpu=functools.partial(apart, function), default=function)


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)` as a call that is not inlined, on any platform."""
    with set_xla_metadata(inlineable="false"):
        return jax.jit(function)(*arguments)

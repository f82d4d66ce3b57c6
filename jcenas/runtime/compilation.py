"""`jax.jit` with options of XLA under which networks train faster than with its defaults, and programs of devices."""

import copy
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
from jax.errors import JaxRuntimeError

from jcenas.runtime import sharding

# XLA:CPU hands convolutions of more than 16 channels to YNNPACK. Eigen's are up to 1.9 times faster (jaxlib 0.10), so
# that YNNPACK is left with matrix products and sums.
_ON_CPU = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_REDUCE"}


def jit(function: Callable[..., Any], *, platform: str | None = None, **options: Any) -> Any:
    """`jax.jit(function, **options)` for a program that trains or applies networks.

    On CPUs a step of a NAS-Bench-201 candidate takes 0.7 of the time that `jax.jit` alone gives. As with every `jit`
    that has compiler options, JAX accepts no other `jit` around it.

    Args:
        function: pure.
        platform: that it will run on, as `jax.Device.platform`; JAX's default backend if None.
        **options: of `jax.jit`.
    """
    return jax.jit(function, compiler_options=compiler_options(platform or jax.default_backend()), **options)


class Program:
    """A program compiled for one device, which is waited for where it is called; `on` has it on another device too.

    It is traced and lowered where it is made, and compiled beside what comes next: compiling needs no Python.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any, device: sharding.Device, **options: Any):
        """Trace.

        Args:
            function: pure.
            *arguments: trees of arrays, or of their shapes, to compile for.
            device: to compile for.
            **options: of `jax.jit`.
        """
        self.device, self._jitted = device, jit(function, platform=device.platform, **options)
        self._arguments = sharding.abstract(arguments, device)
        lowered = self._jitted.lower(*self._arguments)
        self.results = lowered.out_info  # their shapes, as a tree
        self._compiled = _compilers().submit(lowered.compile)

    def __call__(self, *arguments: Any) -> Any:
        """Run it."""
        return self.wait()(*arguments)

    def wait(self) -> Any:
        """The `jax.stages.Compiled`; raises what the compiler raised."""
        return self._compiled.result()

    def on(self, device: sharding.Device) -> "Program":
        """The same on another device of the same kind: neither traced nor lowered again."""
        if device == self.device:
            return self
        other = copy.copy(self)
        other.device, other._arguments = device, sharding.abstract(self._arguments, device)
        lowered, first = self._jitted.lower(*other._arguments), self._compiled

        def compile_after() -> Any:
            first.result()  # then JAX's cache has it, which knows accelerators of a kind apart by no number
            return lowered.compile()

        other._compiled = _compilers().submit(compile_after)
        return other


@functools.cache
def _compilers() -> ThreadPoolExecutor:
    """The threads that compile: more at once take more memory than time is won."""
    return ThreadPoolExecutor(2, thread_name_prefix="compile")


@functools.cache
def compiler_options(platform: str) -> dict[str, str]:
    """XLA's options for networks on a platform; none on accelerators, nor where this jaxlib does not know them."""
    if platform != "cpu":
        return {}
    try:
        jax.jit(lambda: 0, compiler_options=_ON_CPU).lower().compile()
    except JaxRuntimeError:  # XLA's options come and go between versions
        return {}
    return _ON_CPU

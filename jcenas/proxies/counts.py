"""Counts, such as parameters and multiply-adds, as scores: baselines of any proxy (arXiv 2101.08134; 2110.07432)."""

from collections.abc import Callable

import jax

from jcenas.proxies.zero_shot import Proxy


def counted(count: Callable[[jax.Array], jax.Array]) -> Proxy:
    """A count of genomes int32 (n, d) -> float32 (n,) as a proxy; needs no images and no weights."""
    return Proxy(lambda key, data: (), lambda memory, genomes: count(genomes))

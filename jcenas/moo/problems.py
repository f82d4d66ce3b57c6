"""Continuous test problems with known fronts: ZDT (Zitzler et al. 2000) and DTLZ (Deb et al. 2005).

All are minimised. `evaluate` takes one point of the unit box, (d,), and scales variables itself where the problem's own
box differs; `vmap` it. Letters: d variables, m objectives, n points.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Problem(NamedTuple):
    """A test problem."""

    variables: int
    objectives: int
    evaluate: Callable[[jax.Array], jax.Array]  # (d,) in [0, 1] -> (m,)
    front: Callable[[int], jax.Array]  # n -> (n, m), n points of the true front


def _zdt_front(shape: Callable[[jax.Array], jax.Array], low: float = 0.0):
    def front(n: int) -> jax.Array:
        first = jnp.linspace(low, 1.0, n)
        return jnp.stack([first, shape(first)], axis=1)

    return front


def zdt1(d: int = 30) -> Problem:
    """Convex front f2 = 1 - sqrt(f1)."""

    def evaluate(x: jax.Array) -> jax.Array:
        g = 1 + 9 * jnp.mean(x[1:])
        return jnp.stack([x[0], g * (1 - jnp.sqrt(x[0] / g))])

    return Problem(d, 2, evaluate, _zdt_front(lambda f: 1 - jnp.sqrt(f)))


def zdt2(d: int = 30) -> Problem:
    """Concave front f2 = 1 - f1^2."""

    def evaluate(x: jax.Array) -> jax.Array:
        g = 1 + 9 * jnp.mean(x[1:])
        return jnp.stack([x[0], g * (1 - (x[0] / g) ** 2)])

    return Problem(d, 2, evaluate, _zdt_front(lambda f: 1 - f**2))


def zdt3(d: int = 30) -> Problem:
    """Front in five pieces of f2 = 1 - sqrt(f1) - f1 sin(10 pi f1)."""

    def curve(f: jax.Array) -> jax.Array:
        return 1 - jnp.sqrt(f) - f * jnp.sin(10 * jnp.pi * f)

    def evaluate(x: jax.Array) -> jax.Array:
        g = 1 + 9 * jnp.mean(x[1:])
        ratio = x[0] / g
        return jnp.stack([x[0], g * (1 - jnp.sqrt(ratio) - ratio * jnp.sin(10 * jnp.pi * x[0]))])

    def front(n: int) -> jax.Array:
        fine = jnp.linspace(0.0, 1.0, 100 * n)
        values = curve(fine)
        best = jax.lax.cummin(values)  # a point is on the front when nothing to its left is as low
        on = values <= jnp.concatenate([jnp.full(1, jnp.inf), best[:-1]])
        place = jnp.nonzero(on, size=100 * n, fill_value=0)[0]
        pick = place[jnp.linspace(0, jnp.sum(on) - 1, n).astype(int)]
        return jnp.stack([fine[pick], values[pick]], axis=1)

    return Problem(d, 2, evaluate, front)


def zdt4(d: int = 10) -> Problem:
    """The front of ZDT1 behind 21^9 local ones; the other variables lie in [-5, 5]."""

    def evaluate(x: jax.Array) -> jax.Array:
        rest = 10 * x[1:] - 5
        g = 1 + 10 * (d - 1) + jnp.sum(rest**2 - 10 * jnp.cos(4 * jnp.pi * rest))
        return jnp.stack([x[0], g * (1 - jnp.sqrt(x[0] / g))])

    return Problem(d, 2, evaluate, _zdt_front(lambda f: 1 - jnp.sqrt(f)))


def zdt6(d: int = 10) -> Problem:
    """Concave front from f1 = 0.2807753191 on, thinly covered by uniform points."""

    def evaluate(x: jax.Array) -> jax.Array:
        first = 1 - jnp.exp(-4 * x[0]) * jnp.sin(6 * jnp.pi * x[0]) ** 6
        g = 1 + 9 * jnp.mean(x[1:]) ** 0.25
        return jnp.stack([first, g * (1 - (first / g) ** 2)])

    return Problem(d, 2, evaluate, _zdt_front(lambda f: 1 - f**2, low=0.2807753191))


def _simplex(n: int, m: int) -> jax.Array:
    """Draw n quasi-random points (n, m) of the unit simplex: sorted gaps of an additive recurrence (Roberts 2018)."""
    if m == 1:
        return jnp.ones((n, 1))
    ratio = 2.0
    for _ in range(30):
        ratio = (1 + ratio) ** (1 / m)  # root of r^m = r + 1
    steps = jnp.array([ratio ** -(i + 1) % 1 for i in range(m - 1)])
    cuts = jnp.sort((0.5 + steps[None, :] * jnp.arange(1, n + 1)[:, None]) % 1, axis=1)
    edges = jnp.concatenate([jnp.zeros((n, 1)), cuts, jnp.ones((n, 1))], axis=1)
    return jnp.diff(edges, axis=1)


def _sphere(angles: jax.Array) -> jax.Array:
    """Point (m,) of the unit sphere's positive part from m - 1 angles in units of a right angle, DTLZ's order."""
    cosine, sine = jnp.cos(angles * jnp.pi / 2), jnp.sin(angles * jnp.pi / 2)
    ones = jnp.ones(1)
    return jnp.concatenate([jnp.cumprod(cosine)[::-1], ones]) * jnp.concatenate([ones, sine[::-1]])


def _rastrigin(rest: jax.Array) -> jax.Array:
    """DTLZ's g with 11^k - 1 local minima."""
    return 100 * (rest.shape[0] + jnp.sum((rest - 0.5) ** 2 - jnp.cos(20 * jnp.pi * (rest - 0.5))))


def dtlz1(m: int = 3, k: int = 5) -> Problem:
    """Linear front: objectives add up to 0.5."""

    def evaluate(x: jax.Array) -> jax.Array:
        scale = 0.5 * (1 + _rastrigin(x[m - 1 :]))
        ones = jnp.ones(1)
        return (
            scale * jnp.concatenate([jnp.cumprod(x[: m - 1])[::-1], ones]) * jnp.concatenate([ones, 1 - x[m - 2 :: -1]])
        )

    return Problem(m + k - 1, m, evaluate, lambda n: 0.5 * _simplex(n, m))


def _spherical(m: int, k: int, g: Callable[[jax.Array], jax.Array], bend: float = 1.0) -> Problem:
    """DTLZ2 to 4: the unit sphere's positive part, scaled by 1 + g."""

    def evaluate(x: jax.Array) -> jax.Array:
        return (1 + g(x[m - 1 :])) * _sphere(x[: m - 1] ** bend)

    def front(n: int) -> jax.Array:
        return jnp.sqrt(_simplex(n, m))

    return Problem(m + k - 1, m, evaluate, front)


def dtlz2(m: int = 3, k: int = 10) -> Problem:
    """Spherical front, one basin."""
    return _spherical(m, k, lambda rest: jnp.sum((rest - 0.5) ** 2))


def dtlz3(m: int = 3, k: int = 10) -> Problem:
    """Spherical front behind many local ones."""
    return _spherical(m, k, _rastrigin)


def dtlz4(m: int = 3, k: int = 10) -> Problem:
    """Spherical front whose points crowd at the edges of the box (exponent 100)."""
    return _spherical(m, k, lambda rest: jnp.sum((rest - 0.5) ** 2), bend=100.0)


def _curve(m: int, k: int, g: Callable[[jax.Array], jax.Array]) -> Problem:
    """DTLZ5 and 6: a front that is a curve."""

    def evaluate(x: jax.Array) -> jax.Array:
        away = g(x[m - 1 :])
        angles = (1 + 2 * away * x[1 : m - 1]) / (2 * (1 + away))
        return (1 + away) * _sphere(jnp.concatenate([x[:1], angles]))

    def front(n: int) -> jax.Array:
        first = jnp.linspace(0.0, 1.0, n)
        return jax.vmap(lambda a: _sphere(jnp.concatenate([a[None], jnp.full(m - 2, 0.5)])))(first)

    return Problem(m + k - 1, m, evaluate, front)


def dtlz5(m: int = 3, k: int = 10) -> Problem:
    """A degenerate front, easy to approach (for m > 3 points off the curve can be non-dominated too)."""
    return _curve(m, k, lambda rest: jnp.sum((rest - 0.5) ** 2))


def dtlz6(m: int = 3, k: int = 10) -> Problem:
    """The front of DTLZ5, hard to approach."""
    return _curve(m, k, lambda rest: jnp.sum(rest**0.1))


def dtlz7(m: int = 3, k: int = 20) -> Problem:
    """A front in 2^(m-1) pieces."""

    def last(first: jax.Array, away: jax.Array) -> jax.Array:
        return (1 + away) * (m - jnp.sum(first / (1 + away) * (1 + jnp.sin(3 * jnp.pi * first))))

    def evaluate(x: jax.Array) -> jax.Array:
        away = 1 + 9 * jnp.mean(x[m - 1 :])
        return jnp.append(x[: m - 1], last(x[: m - 1], away))

    def front(n: int) -> jax.Array:
        # The last objective is a sum of one term per variable, so each variable may take the values that no smaller one
        # beats.
        fine = jnp.linspace(0.0, 1.0, 100 * n)
        term = -fine * (1 + jnp.sin(3 * jnp.pi * fine)) / 2
        on = term <= jnp.concatenate([jnp.full(1, jnp.inf), jax.lax.cummin(term)[:-1]])
        place = jnp.nonzero(on, size=100 * n, fill_value=0)[0]
        ratio = jnp.array([2.0 ** (-(i + 1) / m) for i in range(m - 1)])
        spread = (0.5 + ratio[None, :] * jnp.arange(n)[:, None]) % 1
        first = fine[place[(spread * jnp.sum(on)).astype(int)]]
        return jax.vmap(lambda f: jnp.append(f, last(f, jnp.ones(()))))(first)

    return Problem(m + k - 1, m, evaluate, front)

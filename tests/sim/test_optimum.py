"""The bound on allocation: by hand, against every schedule there is, and against the linear program."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog

from jcenas.sim.curves import Curves, advance
from jcenas.sim.optimum import ground_of, optimum, optimum_at_price


def curve_of(levels, widths=(1.0, 2.0), train_s=3600.0):
    levels = jnp.asarray(levels, jnp.float32)
    return Curves(levels, jnp.asarray(widths, jnp.float32), jnp.float32(train_s), jnp.float32(0.0))


def straight(rise=0.1, points=400):
    """A level that rises by as much with every training, whatever runs beside it."""
    return curve_of(np.tile(rise * np.arange(points), (2, 1)))


def concave(points=400):
    """Early trainings bring more, and two at once a fifth less than one after the other."""
    n = np.arange(points)
    return curve_of([np.log1p(n / 3), np.log1p(0.8 * n / 3)])


@functools.partial(jax.jit, static_argnums=4)
def compiled(curve, intensity, power, budget_g, devices):
    return optimum(ground_of(curve, intensity, power, devices=devices, level=jnp.float32(0.0)), budget_g)


def bound(curve, intensity, power, budget_g, devices):
    return compiled(curve, jnp.asarray(intensity, jnp.float32), power, jnp.float32(budget_g), devices)


def test_by_hand(kit):
    # 1 kW each. 400 g pay both devices at 100 g/kWh (200 g, two trainings) and one of them at 200 (one training).
    best = bound(straight(), [100.0, 300.0, 200.0], kit.power_of(), 400.0, 2)
    assert float(best.level) == pytest.approx(0.3, rel=1e-3)
    assert float(best.price) == pytest.approx(0.1 / 200, rel=0.02)  # a training more costs 200 g
    assert float(bound(straight(), [100.0, 300.0, 200.0], kit.power_of(), np.inf, 2).level) == pytest.approx(0.6)
    assert float(bound(straight(), [100.0, 300.0, 200.0], kit.power_of(), np.inf, 2).price) == 0
    assert float(bound(straight(), [100.0, 300.0, 200.0], kit.power_of(), 0.0, 2).level) == pytest.approx(0, abs=1e-3)


def test_a_price_by_hand(kit):
    ground = ground_of(straight(), jnp.array([100.0, 300.0]), kit.power_of(idle=0.5), devices=2, level=jnp.float32(0.0))
    # A training brings 0.1; it costs half of its power more than to idle: 50 g and 150 g. At 1e-3 a g only the first
    # hour pays. Idling: 2 * 0.5 kW in the second hour.
    value = float(jax.jit(optimum_at_price)(ground, jnp.float32(1e-3)))
    assert value == pytest.approx(2 * 0.1 - 1e-3 * (2 * 100 + 300), rel=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_is_the_optimum_of_the_linear_program_where_idling_is_free(kit, seed):
    rng = np.random.default_rng(seed)
    intensity, budget_g = rng.uniform(50, 500, 30), rng.uniform(500, 8000)
    best = linprog(-np.ones(30), A_ub=[4 * intensity], b_ub=[budget_g], bounds=(0, 1))
    found = bound(straight(), intensity, kit.power_of(), budget_g, 4)
    assert float(found.level) == pytest.approx(-best.fun * 4 * 0.1, rel=2e-3)


@pytest.mark.parametrize("idle", [0.0, 0.1])
@pytest.mark.parametrize("budget_g", [300.0, 900.0, 1800.0])
def test_no_schedule_ends_higher(kit, idle, budget_g):
    rng, curve, devices, hours = np.random.default_rng(1), concave(), 2, 7
    intensity = rng.uniform(50, 400, hours)
    step = jax.jit(jax.vmap(lambda level, k, done: advance(curve, level, k, done)))
    plans = np.array(list(itertools.product(range(devices + 1), repeat=hours)))
    level, left = jnp.zeros(len(plans)), np.full(len(plans), budget_g)
    for hour in range(hours):
        cost = intensity[hour] * (idle * devices + (1 - idle) * plans[:, hour])
        part = np.minimum(left / np.maximum(cost, 1e-9), 1.0)  # the budget ends the hour
        level = step(level, jnp.asarray(plans[:, hour]), jnp.asarray(plans[:, hour] * part, jnp.float32))
        left = left - part * cost
    best = float(jnp.max(level))
    found = float(bound(curve, intensity, kit.power_of(idle=idle), budget_g, devices).level)
    assert best * (1 - 1e-3) <= found <= best * 1.15  # seven hours mix plans less well than many

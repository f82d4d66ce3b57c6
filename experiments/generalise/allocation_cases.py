"""Scenarios of allocation, drawn over grids, horizons, devices, budgets, accountings, tables and kinds of forecast.

Of every shape (hours, devices) every combination of accounting, budget and table is drawn equally often, each time on
another grid from another hour, and met with every kind of forecast: so cells compare like with like.
"""

import itertools
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from experiments.generalise.allocation_grids import KINDS, PARTS, WINDOW_H, Grids
from jcenas.alloc.policies import Apply
from jcenas.engine.grid import LEAD_H, PAST_H, WEEK_H
from jcenas.sim.allocation import AllocationConfig, Episode, an_hour, observed
from jcenas.sim.cluster import Power
from jcenas.sim.config import Accounting, TableChoice
from jcenas.sim.curves import MOST_LEVEL, SLOPE, WIDTHS, Curves, measure
from jcenas.sim.optimum import Optimum, ground_of, optimum, optimum_at_price
from jcenas.sim.problem import full_power, released_power
from jcenas.sim.run import given_evaluations

SHAPES = ((12, 4), (24, 8), (24, 1), (48, 2), (80, 8), (168, 16), (168, 1), (336, 64))
BUDGETS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5, np.inf)  # of what all devices emit that train all hours
ACCOUNTINGS: tuple[Accounting, ...] = ("released", "full")
NO_BUDGET = 0.5  # without a budget carbon has the price at which the optimum spends this much
DRAWN = "drawn"  # learning curves of no table
DRAWN_CURVES = 24
TABLES = {
    "fitting": (DRAWN, "toy", "digits"),
    "development": (DRAWN, "toy", "digits", "nasbench201"),
    "test": (DRAWN, "digits", "nasbench201", "nas-bench-macro"),
}
SEARCHES = 8  # that a recorded learning curve is the mean of, at each width
_POINTS = 4096  # of a learning curve


class Case(struct.PyTreeNode):
    """One scenario and its bound; leaves (N, ...) for many."""

    episode: Episode  # before its first hour
    forecast: jax.Array  # (hours, L, q) float32, of the kind
    bound: Optimum  # without a budget: price of carbon, and most of level less price times emissions
    least_g: jax.Array  # () float32, what idling through all hours emits


class Cases(NamedTuple):
    """All scenarios of one shape."""

    hours: int
    devices: int
    case: Case  # leaves (N, ...)
    labels: dict[str, np.ndarray]  # (N,) each


def curves_of(part: str, table: str, accounting: Accounting, folder: pathlib.Path | None) -> list[Curves]:
    """Learning curves, each of one search, levels (W, _POINTS).

    Args:
      part: of the family; each has its own drawn curves.
      table: `DRAWN`, or a table whose searches are recorded.
      accounting: of the recorded searches.
      folder: where earlier runs left recorded curves, and this one leaves its own.
    """
    if table == DRAWN:
        return _drawn_curves(np.random.default_rng(300 + PARTS.index(part)))
    file = None if folder is None else folder / f"{table}_{accounting}.npz"
    if file is not None and file.exists():
        stored = np.load(file)
        curves = Curves(**{name: jnp.asarray(stored[name]) for name in stored.files})
    else:
        curves = measure(TableChoice(table=table), SEARCHES, 0, accounting)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savez(file, **curves.__dict__)
    most = curves.levels.shape[-1]
    curves = curves.padded(_POINTS) if most < _POINTS else curves.replace(levels=curves.levels[..., :_POINTS])
    return [curves.replace(levels=levels) for levels in curves.levels]


def _drawn_curves(rng: np.random.Generator) -> list[Curves]:
    """Curves p log(1 + n w^-b / m) of n trainings, w at once: fast and slow searches, whose trainings help each other.

    They end at the largest level that recorded curves have. A training takes ten minutes to two hours.
    """
    n, widths = np.arange(_POINTS), np.array(WIDTHS, float)
    found = []
    for _ in range(DRAWN_CURVES):
        p, b, m = rng.uniform(0.4, 1.6), rng.uniform(0.0, 0.5), np.exp(rng.uniform(np.log(3), np.log(60)))
        levels = np.minimum(p * np.log1p(n * widths[:, None] ** -b / m), MOST_LEVEL) + SLOPE * n
        train_s = np.exp(rng.uniform(np.log(600), np.log(7200)))
        found.append(
            Curves(
                jnp.asarray(levels, jnp.float32), jnp.asarray(widths, jnp.float32), jnp.float32(train_s), jnp.float32(0)
            )
        )
    return found


def cases_of(
    part: str,
    *,
    repeats: int,
    grids: Grids,
    curves: dict[tuple[str, str], list[Curves]],
    shapes=SHAPES,
    tables: tuple[str, ...] | None = None,
) -> list[Cases]:
    """The scenarios of a part, by shape.

    Args:
      part: fitting, development or test.
      repeats: draws of every combination.
      grids: of the part.
      curves: by table and accounting.
      shapes: (hours, devices).
      tables: instead of the part's.
    """
    rng, found = np.random.default_rng(200 + PARTS.index(part)), []
    for hours, devices in shapes:
        combinations = list(itertools.product(ACCOUNTINGS, BUDGETS, tables or TABLES[part])) * repeats
        n = len(combinations)
        grid = rng.permutation(np.resize(np.arange(len(grids.zones)), n))
        first = rng.integers(WEEK_H, WINDOW_H - hours - LEAD_H + 1, n)
        which = rng.integers(1 << 30, size=n)
        cases = [
            _case(grids, int(g), int(f), combination, curves, hours, devices, int(w))
            for g, f, w, combination in zip(grid, first, which, combinations, strict=True)
        ]
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *cases)
        bound, least = jax.jit(_bounds, static_argnums=1)(stacked, devices)
        forecast = np.concatenate([_slices(grids.forecast[k], grid, first, hours) for k in range(len(KINDS))])
        copies = jax.tree.map(lambda leaf: jnp.concatenate([leaf] * len(KINDS)), (stacked, bound, least))
        labels = {
            "accounting": np.array([c[0] for c in combinations]),
            "budget": np.array([c[1] for c in combinations]),
            "table": np.array([c[2] for c in combinations]),
            "zone": np.array([grids.zones[g] for g in grid]),
            "source": np.where(grids.real[grid], "real", "typical year"),
            "hours": np.full(n, hours),
            "devices": np.full(n, devices),
        }
        labels = {name: np.tile(values, len(KINDS)) for name, values in labels.items()}
        labels["forecast"] = np.repeat(KINDS, n)
        found.append(Cases(hours, devices, Case(copies[0], jnp.asarray(forecast), *copies[1:]), labels))
    return found


def _case(grids, grid, first, combination, curves, hours, devices, which) -> Episode:
    """One episode before its first hour."""
    accounting, budget, table = combination
    power: Power = released_power() if accounting == "released" else full_power()
    intensity = jnp.asarray(grids.intensity[grid, first - PAST_H : first + hours + LEAD_H])
    choice, given = curves[table, accounting], given_evaluations(accounting)
    curve = choice[which % len(choice)]
    need_g = power.training_kw * devices * jnp.sum(intensity[PAST_H : PAST_H + hours])
    return Episode(
        intensity=intensity,
        forecast_error=jnp.zeros(LEAD_H, jnp.float32),
        curve=curve,
        power=power,
        level=curve.levels[-1, given],
        offset=jnp.float32(0.0),
        budget_g=jnp.float32(budget) * need_g,
        hour=jnp.int32(0),
        evaluations=jnp.float32(given),
        emissions_g=jnp.float32(0.0),
        evaluating=jnp.int32(-1),
        halfway=jnp.zeros(devices, jnp.float32),
    )


def _slices(forecast: np.ndarray, grid: np.ndarray, first: np.ndarray, hours: int) -> np.ndarray:
    return np.stack([forecast[g, f - WEEK_H : f - WEEK_H + hours] for g, f in zip(grid, first, strict=True)])


def _bounds(episodes: Episode, devices: int) -> tuple[Optimum, jax.Array]:
    """The bound on every scenario, and what idling through it emits."""

    def one(episode: Episode) -> tuple[Optimum, jax.Array]:
        hours = episode.intensity[PAST_H:-LEAD_H]
        ground = ground_of(episode.curve, hours, episode.power, devices=devices, level=episode.level)
        free = ~jnp.isfinite(episode.budget_g)
        least = jnp.sum(hours) * episode.power.idle_kw * devices
        half = NO_BUDGET * jnp.sum(hours) * episode.power.training_kw * devices
        best = optimum(ground, jnp.where(free, half, episode.budget_g))
        priced = optimum_at_price(ground, best.price)
        return Optimum(jnp.where(free, priced, best.level), jnp.where(free, best.price, 0.0)), least

    return jax.lax.map(one, episodes, batch_size=32)


class Played(NamedTuple):
    """What a policy made of scenarios, (N,) float32 each."""

    level: jax.Array  # final, -log(missing hypervolume)
    emissions_g: jax.Array
    energy: jax.Array  # emissions over intensity, kWh
    regret: jax.Array  # bound less level; without a budget less price times emissions as well


def play(cases: Cases, apply: Apply, params) -> Played:
    """One policy on all scenarios."""
    return jax.tree.map(np.asarray, _play(cases.hours, cases.devices, apply, params, cases.case))


def _play_all(hours: int, devices: int, apply: Apply, params, cases: Case) -> Played:
    config = AllocationConfig(hours=hours, devices=devices)

    def one(case: Case) -> Played:
        def step(carry, hour):
            episode, kwh = carry
            seen = observed(config, episode).replace(forecast=case.forecast[hour])
            done = an_hour(config, episode, apply(jax.random.key(0), params, seen))
            used = done.emissions_g / jnp.maximum(episode.intensity[hour + PAST_H], 1e-3)
            return (done.episode, kwh + used), None

        (end, kwh), _ = jax.lax.scan(step, (case.episode, jnp.float32(0.0)), jnp.arange(hours))
        spent = case.bound.price * end.emissions_g
        return Played(end.level, end.emissions_g, kwh, case.bound.level - (end.level - spent))

    return jax.lax.map(one, cases, batch_size=32)


_play = jax.jit(_play_all, static_argnums=(0, 1, 2))

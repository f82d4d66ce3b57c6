"""Train an allocation policy: grids from the typical-year model, learning curves from real simulated searches.

The zones that the project's experiments test on are left out, and outside the United States all zones of their
countries. Other zones of the United States stay in, although some trade with the four that are tested on. Only January
to June is drawn; the experiments begin in July to December of measured traces.
"""

import datetime
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.alloc.learned import save_policy
from jcenas.alloc.ppo import PpoConfig, PpoState, make_ppo
from jcenas.carbon import generator, zones
from jcenas.carbon.typical_year import zone_statistics
from jcenas.sim.allocation import AccountingCase, AllocationConfig, TrainingGround, make_allocation
from jcenas.sim.cluster import Power
from jcenas.sim.config import Accounting, TrainPolicyConfig
from jcenas.sim.curves import measure
from jcenas.sim.problem import full_power, released_power
from jcenas.sim.run import given_evaluations

TEST_ZONES = ("US-CAL-CISO", "DE", "US-MIDA-PJM", "US-TEX-ERCO", "GB", "AU-NSW", "CA-ON", "KR", "SG", "US-NY-NYIS")
START = datetime.datetime(2022, 1, 1, tzinfo=datetime.UTC)
HOURS = 24 * 181  # January to June


def training_zones(count: int, seed: int) -> list[str]:
    """Zones of the typical-year model that are no test zone, nor, outside the US, of the country of one."""
    forbidden = {zone.split("-")[0] for zone in TEST_ZONES if not zone.startswith("US")} | set(TEST_ZONES)
    allowed = [z for z in zones.zone_names() if z not in forbidden and z.split("-")[0] not in forbidden]
    chosen = np.random.default_rng(seed).permutation(len(allowed))[:count]
    return [allowed[i] for i in sorted(chosen)]


def training_traces(names: list[str], seed: int) -> jax.Array:
    """One realistic half-year for each zone, float32 (Z, HOURS), gCO2eq/kWh."""
    models = [generator.year_model(zone_statistics(name)) for name in names]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)
    calendar = generator.device_calendar(START, HOURS)
    keys = jax.random.split(jax.random.key(seed), len(names))
    draw = jax.jit(jax.vmap(generator.generate, (0, 0, None)))
    return jnp.maximum(draw(keys, stacked, calendar), 1.0)


def measure_accountings(config: TrainPolicyConfig) -> AccountingCase:
    """The accountings that the episodes take turns with, leaves (A, ...), with curves of fresh searches."""
    powers: dict[Accounting, Power] = {"full": full_power(), "released": released_power()}
    found = []
    for accounting, power in powers.items():
        if config.accounting in (accounting, "both"):
            curves = measure(config, config.curves, config.seed, accounting)
            found.append(AccountingCase(curves, power, jnp.int32(given_evaluations(accounting))))
    most = max(one.curves.levels.shape[-1] for one in found)
    found = [one.replace(curves=one.curves.padded(most)) for one in found]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)


def train_policy(
    config: TrainPolicyConfig,
    progress: Callable[[int, float], None] | None = None,
    accountings: AccountingCase | None = None,
) -> tuple[PpoState, list[float]]:
    """Train and write the policy; returns the final state and the mean return of each update.

    Args:
      config: what to train.
      progress: told (updates done, mean return) after each update.
      accountings: to use instead of those of `measure_accountings`.
    """
    if accountings is None:
        accountings = measure_accountings(config)
    traces = training_traces(training_zones(config.zones, config.seed), config.seed)
    ground = TrainingGround(traces, accountings)
    allocation = AllocationConfig(discrete=config.action == "discrete", reward=config.reward)
    ppo = make_ppo(
        PpoConfig(
            environments=config.environments,
            steps=80,
            updates=config.updates,
            learning_rate=1e-3,
            discount=1.0,
            lambda_=0.95,
            minibatches=8,
            entropy=0.003,
        ),
        make_allocation(allocation, ground),
    )
    update = jax.jit(ppo.update, donate_argnums=0)
    state = jax.jit(ppo.init)(jax.random.key(config.seed))
    returns = []
    for i in range(config.updates):
        state, metrics = update(state)
        returns.append(float(metrics.episode_return))
        if progress is not None:
            progress(i + 1, returns[-1])
    save_policy(config.out, state, discrete=allocation.discrete)
    return state, returns

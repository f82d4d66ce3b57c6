"""A small grid whose intensity follows from sun and wind, and a small network trained on it once a session."""

import datetime

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.carbon.forecast import windows
from jcenas.carbon.forecast.fit import train
from jcenas.carbon.forecast.network import ForecastNetwork
from jcenas.carbon.forecast.training import ForecastTraining
from jcenas.carbon.trace import CarbonTrace

START = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
SMALL = ForecastNetwork(zones=1, width=16, layers=1, heads=2)
RECIPE = ForecastTraining(steps=300, chunk_steps=50, batch_size=32, learning_rate=5e-3)


def seasonal_trace(days=150, *, zone="toy", extras=True):
    """Daily and weekly waves, and a wind that the past does not tell: intensity = 300 exp(waves - wind)."""
    random = np.random.default_rng(0)
    hour = np.arange(24 * days)
    gusts = np.repeat(random.uniform(-1, 1, 4 * days), 6)  # a new wind every six hours
    waves = 0.2 * np.sin(2 * np.pi * hour / 24) + 0.1 * (hour // 24 % 7 < 5)
    intensity = 300 * np.exp(waves - 0.3 * gusts)
    wind = 5 + 3 * gusts
    still = {"temperature": 285.0, "dewpoint": 278.0, "dswrf": 200.0, "precipitation": 0.0}
    weather = {"wind_speed": wind} | {name: np.full(hour.size, value) for name, value in still.items()}
    mix = {"gas": 1000 - 100 * gusts, "wind": 500 + 100 * gusts}
    given = {"weather": weather, "generation_mw": mix} if extras else {}
    return CarbonTrace(start=START, intensity_g_per_kwh=intensity, zone=zone, **given)


@pytest.fixture(scope="session")
def toy():
    """The table of the toy grid, and its span."""
    table, (span,) = windows.make_table([seasonal_trace()], [1])
    return table, span


@pytest.fixture(scope="session")
def drawn(toy):
    """Parameters of the small network that are random numbers, none of them zero: nothing is compiled for them."""
    table, _ = toy
    window = jax.eval_shape(windows.cut, table, jax.ShapeDtypeStruct((1,), np.int32))
    one = (jax.ShapeDtypeStruct(part.shape[1:], part.dtype) for part in window[:2])
    shapes = jax.eval_shape(SMALL.init, jax.random.key(0), *one)["params"]
    random = np.random.default_rng(0)

    def number(path, s):
        spread = 0.1 if s.ndim < 2 else s.shape[0] ** -0.5
        return jnp.asarray(float(path[-1].key == "scale") + spread * random.normal(size=s.shape), s.dtype)

    return jax.tree_util.tree_map_with_path(number, shapes)


@pytest.fixture(scope="session")
def trained(toy):
    """Parameters of the small network after training on the first 120 days."""
    table, span = toy
    rows = windows.origins(span, None, START + datetime.timedelta(days=120))
    return train(jax.random.key(0), SMALL, RECIPE, table, rows)

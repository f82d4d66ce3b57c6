"""The main programs lower for GPU and TPU on a machine that has neither, and none of them calls back to the host."""

import jax
import jax.numpy as jnp
import pytest

from jcenas.alloc.environment import Environment, Step
from jcenas.alloc.policies import policy_from_name
from jcenas.alloc.ppo import PpoConfig, make_train
from jcenas.carbon.forecast.forecaster import forecast
from jcenas.carbon.forecast.weights import default_forecaster
from jcenas.engine.stages import stage_from_name
from jcenas.engine.state import SearchSizes
from jcenas.moo import lamoo
from jcenas.nets import CellNetwork, DartsSupernet, GenotypeSupernet
from jcenas.nets.darts.supernet import MIXTURE_SHAPE
from jcenas.proxies import MEASURES
from jcenas.proxies.one_shot import make_score
from jcenas.proxies.zero_shot import make_proxy
from jcenas.sim.problem import make_benchmark, make_scenario
from jcenas.sim.search import make_search
from jcenas.spaces.darts import Darts
from jcenas.tables.toy import toy
from jcenas.train.images import ImageSet, Split
from jcenas.train.population import make_population
from jcenas.train.training import TrainConfig, make_trainer

KEY = jax.random.key(0)
SPLIT = Split(jnp.zeros((16, 8, 8, 3), jnp.uint8), jnp.zeros(16, jnp.int32))
DATA = ImageSet(SPLIT, SPLIT, SPLIT, jnp.zeros(3), jnp.ones(3), classes=3, flip=True)
CELLS = CellNetwork(3, channels=4, cells=1)
RECIPE = TrainConfig(batch_size=8, chunk_steps=2)


def training(network, shape=(6,), dtype=jnp.int32):
    """A chunk of steps, and what it is called with."""
    trainer = make_trainer(network, RECIPE, DATA, genome_size=shape)
    state = jax.eval_shape(trainer.init, KEY, jnp.int32(10))
    return trainer.chunk, (state, jnp.zeros((trainer.chunk_steps, *shape), dtype), DATA)


def population():
    trainer = make_trainer(CellNetwork(3, channels=4, cells=1, choose="blend"), RECIPE, DATA)
    members = make_population(trainer, within="vmap")
    states = jax.eval_shape(members.init, jax.random.split(KEY, 2), jnp.int32(10))
    return members.chunk, (states, jnp.zeros((2, trainer.chunk_steps, 6), jnp.int32), DATA)


def one_shot():
    state = jax.eval_shape(make_trainer(CELLS, RECIPE, DATA).init, KEY, jnp.int32(10))
    return make_score(CELLS, images=8, together=4), (state, jnp.zeros((8, 6), jnp.int32), DATA)


def synflow():
    proxy = make_proxy(MEASURES["synflow"], CELLS, images=2, together=4)
    memory = jax.eval_shape(proxy.prepare, KEY, DATA)
    return proxy.score, (memory, jnp.zeros((8, 6), jnp.int32))


def forecaster():
    model = default_forecaster()
    return lambda *windows: forecast(model, *windows), (jnp.zeros((168, 16)), jnp.zeros((96, 12)))


def ppo():
    bandit = Environment(
        reset=lambda key: (jnp.float32(0), jnp.zeros(1)),
        step=lambda key, state, action: Step(state, jnp.zeros(1), 1.0 * action, jnp.bool_(True), jnp.bool_(False)),
        features=1,
        actions=2,
    )
    return make_train(PpoConfig(environments=4, steps=4, updates=2), bandit), (KEY,)


def search(stage):
    table, chosen = toy(), stage_from_name(stage)
    config = SearchSizes.of_stage(chosen, devices=4, room=64, proposals=16, initial=0)
    benchmark = make_benchmark(table, cost="energy_mj", reference=(100, 60), estimate="oneshot_error")

    def optimizer(capacity):
        return lamoo(table.space, capacity=capacity, batch=16, reference=(100.0, 60.0))

    policy = policy_from_name("ppo")
    run = make_search(config, table, optimizer, policy, stage=chosen)
    return run, (KEY, policy.init_params(KEY), benchmark, make_scenario([250.0] * 8))


PROGRAMS = {
    "a candidate's training": lambda: training(CELLS),
    "the mixed supernet's training": lambda: training(
        CellNetwork(3, channels=4, cells=1, choose="mix"), (6, 5), jnp.float32
    ),
    "a DARTS candidate's training": lambda: training(
        GenotypeSupernet(Darts(), 3, channels=4, cells=3), (len(Darts().cardinalities),)
    ),
    "the mixed DARTS supernet's training": lambda: training(
        DartsSupernet(3, channels=4, cells=3), MIXTURE_SHAPE, jnp.float32
    ),
    "a population's training": population,
    "one-shot scores": one_shot,
    "synflow": synflow,
    "a forecast": forecaster,
    "PPO": ppo,
    "a simulated search with a supernet": lambda: search("one-shot"),
    "a simulated search with the predictor": lambda: search("predictor"),
}


FAST = {"a candidate's training", "one-shot scores", "synflow", "a forecast", "PPO"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in PROGRAMS]
)
def test_it_lowers_and_stays_on_the_device(name):
    function, arguments = PROGRAMS[name]()
    traced = jax.jit(function).trace(*arguments)
    traced.lower(lowering_platforms=("cuda", "tpu"))  # fails where either lacks an operation, and at any callback

"""Training-free scores of every network problem of the registry: finite, and different for different architectures."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas import registry
from jcenas.errors import InputError
from jcenas.nets import GenotypeNetwork, MobileNetwork, Network101
from jcenas.problems import NetworkProblem, Skeleton
from jcenas.proxies import Start, activations, synflow, zero_shot
from jcenas.spaces.genotype import from_string
from jcenas.spaces.mobilenet import ACCEL_NASBENCH
from jcenas.spaces.nasbench101 import NasBench101

LOOKING = ("fisher", "zen-score")  # gradients by maps, and last maps
OTHERS = ("synflow", "naswot", "jacobian-covariance", "ntk-condition")  # weights, ReLUs, by images, by both
IMAGES = 8
GENOTYPE = GenotypeNetwork(
    from_string(
        "Genotype(normal=[('sep_conv_3x3', 0), ('skip_connect', 1), ('dil_conv_3x3', 2), ('max_pool_3x3', 0)], "
        "normal_concat=[2, 3], reduce=[('avg_pool_3x3', 0), ('conv_3x3', 1)], reduce_concat=[2])"
    ),
    10,
    channels=4,
    cells=4,  # a normal one, two that halve, and a normal one after them
)
_MOBILE = "e=1 4 4 1 4 1 1;k=3 5 3 3 3 3 3;l=1 2 1 1 1 1 1;se=0 1 0 0 1 0 0"
MOBILE = MobileNetwork(ACCEL_NASBENCH, tuple(ACCEL_NASBENCH.from_string(_MOBILE).tolist()), 10)


def network_problems():
    loaded = {name: registry.load_entry(entry) for name, entry in registry.built_in("problem").items()}
    return [name for name, kind in loaded.items() if isinstance(kind, type) and issubclass(kind, NetworkProblem)]


@functools.cache
def problem_of(name):
    entry = registry.built_in("problem")[name]
    size = {"channels": entry.options["channels"], "cells": entry.options["cells"]}
    return registry.load_entry(entry)(skeleton=Skeleton(image_size=8, image_channels=1, classes=10, **size))


@pytest.fixture(scope="module")
def start_of(digits):
    """Weights and a few digits for the network of a problem; made once."""

    @functools.cache
    def make(name):
        problem = problem_of(name)
        proxy = zero_shot.make_proxy(
            synflow, problem.network(on_cpu=True), images=IMAGES, variables=len(problem.lightest)
        )
        return jax.jit(proxy.prepare)(jax.random.key(0), digits)

    return make


def cases():
    """Measures that differ in what they ask of a network; most of them for one problem."""
    for problem in network_problems():
        if problem in ("nasbench201", "nasnet"):  # see `test_zero_shot`; and DARTS, whose modules NASNet shares
            continue
        for measure in (*LOOKING, *OTHERS) if problem == "darts" else LOOKING:
            yield pytest.param(problem, measure, id=f"{problem}-{measure}")


@pytest.mark.slow  # to compile; `test_zero_shot` has every measure on a cell of NAS-Bench-201
@pytest.mark.parametrize(("name", "measure"), [*cases()])
def test_scores_are_finite_and_differ(name, measure, start_of):
    problem = problem_of(name)
    proxy = zero_shot.make_proxy(registry.load("proxy", measure), problem.network(on_cpu=True))
    score = jax.jit(proxy.score)
    scores = np.asarray(score(start_of(name), jnp.asarray(problem.population[:3])))
    assert np.isfinite(scores).all()
    assert len(set(scores.tolist())) == 3


def watched(network, images, *, genome=None, **options):
    """Shapes of block outputs, last maps and ReLUs' inputs, and the number of rescaled blocks; computes nothing."""
    whole = jnp.zeros(1, jnp.int32) if genome is None else genome

    def all_of_it(key):
        variables = network.init(key, images, whole)
        start = Start(variables=variables, images=images, labels=None, key=key)
        _, outputs = activations.block_outputs(network, start, whole)
        with activations.rescaling_blocks() as exponents:
            network.apply(variables, images, whole, statistics="running")
        relus = [x for x, _ in activations.relu_inputs(network, start, whole)]
        return outputs, activations.features(network, start, images, whole), relus, jnp.stack(exponents)

    return jax.tree.map(lambda x: x.shape, jax.eval_shape(all_of_it, jax.random.key(0)))


@pytest.mark.parametrize("name", network_problems())
def test_the_blocks_of_every_problem_are_found(name):
    problem = problem_of(name)
    outputs, last, relus, exponents = watched(
        problem.network(on_cpu=True), jnp.zeros((2, 8, 8, 1)), genome=jnp.asarray(problem.population[0])
    )
    assert len(outputs) >= 3
    assert exponents == (len(outputs),)
    assert len(last) == 4
    assert len(relus) >= len(outputs)


def test_the_blocks_of_a_nasbench101_cell_are_found():
    cell = NasBench101().from_string("0100001000010000:input,conv1x1-bn-relu,maxpool3x3,output")
    network = Network101(tuple(cell.tolist()), 10, channels=8, stacks=3, cells=1)
    outputs, last, relus, _ = watched(network, jnp.zeros((2, 8, 8, 1)))
    assert outputs == {"stack0_cell0": (2, 8, 8, 8), "stack1_cell0": (2, 4, 4, 16), "stack2_cell0": (2, 2, 2, 32)}
    assert last == (2, 2, 2, 32)
    assert relus == [(2, 8, 8, 8), (2, 4, 4, 8), (2, 2, 2, 16)]  # at the entries


def test_the_blocks_of_inverted_residuals_are_found():
    outputs, last, relus, _ = watched(MOBILE, jnp.zeros((2, 32, 32, 1)))
    assert len(outputs) == 8
    assert outputs["stage1_layer1"] == (2, 8, 8, 24)
    assert last == relus[-1] == (2, 1, 1, 1280)  # after the head
    assert relus[0] == (2, 16, 16, 32)


def test_a_network_without_marks_is_refused(digits):
    class Plain(nn.Module):
        @nn.compact
        def __call__(self, images, genome, *, statistics="running"):
            return nn.Dense(10)(images.mean(axis=(1, 2)))

    start = jax.eval_shape(zero_shot.make_proxy(synflow, Plain()).prepare, jax.random.key(0), digits)
    for look in (activations.block_outputs, lambda n, s, g: activations.features(n, s, s.images, g)):
        with pytest.raises(InputError, match=r"jcenas\.nets\.layers\.block"):
            jax.eval_shape(lambda s, look=look: look(Plain(), s, jnp.zeros(6, jnp.int32)), start)


def log_synflow_64(network, variables, shape):
    """The definition in float64, without any rescaling."""
    with jax.enable_x64(True):
        own = jax.tree.map(lambda x: np.abs(np.asarray(x, np.float64)), variables)

        def flow(p):
            return jnp.sum(network.apply({**own, "params": p}, jnp.ones((1, *shape))))

        gradient = jax.jit(jax.grad(flow))(own["params"])
        products = jax.tree.map(lambda p, g: float(np.sum(p * g)), own["params"], gradient)
    return np.log(sum(jax.tree.leaves(products)))


def like_fresh(network, images, weight):
    """Variables as after `init`, but for kernels of random numbers up to `weight`: nothing is compiled for them."""
    rng, shapes = np.random.default_rng(0), jax.eval_shape(network.init, jax.random.key(0), images)
    fixed = {"bias": 0.0, "mean": 0.0, "variance": 1.0, "scale": 1.0}

    def value(path, x):
        made = fixed.get(path[-1].key)
        return jnp.asarray(weight * rng.random(x.shape) if made is None else np.full(x.shape, made), x.dtype)

    return jax.tree_util.tree_map_with_path(value, shapes)


@pytest.mark.parametrize(
    ("network", "side", "weight"),
    [
        pytest.param(GENOTYPE, 8, 1e-12, id="two inputs small"),
        pytest.param(GENOTYPE, 8, 100.0, id="two inputs large", marks=pytest.mark.slow),
        pytest.param(MOBILE, 32, 0.5, id="SiLUs", marks=pytest.mark.slow),
        pytest.param(MOBILE, 32, 100.0, id="SiLUs large", marks=pytest.mark.slow),
    ],
)
def test_synflow_of_every_kind_of_block_equals_float64(network, side, weight):
    images = jnp.zeros((1, side, side, 1))
    variables = like_fresh(network, images, weight)
    start = Start(variables=variables, images=images, labels=jnp.zeros(1, jnp.int32), key=jax.random.key(0))
    score = jax.jit(lambda s: synflow(network, s, jnp.zeros(1, jnp.int32)))(start)
    expected = log_synflow_64(network, variables, images.shape[1:])
    assert abs(expected) > 88.8 or weight == 0.5  # beyond float32
    np.testing.assert_allclose(score, expected, rtol=1e-5)

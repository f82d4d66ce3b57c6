"""One program for every genome: the same logits, gradients and statistics as a network of its own."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.nets.genotype.network import GenotypeNetwork
from jcenas.nets.genotype.supernet import GenotypeSupernet, extract
from jcenas.spaces import genotype as g
from jcenas.spaces.nasnet import NasNet

SPACE = NasNet(blocks=2, operations=("skip_connect", "avg_pool_3x3", "conv_1x1"))
IMAGES = jnp.asarray(np.random.default_rng(0).normal(size=(8, 8, 8, 3)), jnp.float32)
NETWORK = GenotypeSupernet(SPACE, 3, channels=2, cells=3)
# Loose inputs of the normal cell; a reduction cell whose second block reads an input and the first block.
GENOMES = np.array(
    [
        [2, 0, 1, 2, 0, 0, 2, 2, 2, 1, 0, 2, 0, 1, 0, 2],
        [1, 1, 0, 2, 1, 0, 0, 1, 0, 2, 2, 0, 1, 1, 2, 2],
    ],
    np.int32,
)


@pytest.fixture(scope="module")
def variables():
    shapes = jax.eval_shape(NETWORK.init, jax.random.key(0), IMAGES, GENOMES[0])
    rng = np.random.default_rng(1)
    # Of NumPy, as all that `extract` takes: no program for each of its slices.
    return jax.tree.map(lambda s: (0.3 + 0.3 * rng.random(s.shape)).astype(s.dtype), shapes)


def training(network, v, genome, **options):
    """Loss, (logits, new statistics), gradient of one batch."""

    def loss(params):
        now = {"params": params, "batch_stats": v["batch_stats"]}
        logits, updated = network.apply(now, IMAGES, genome, statistics="batch", mutable=["batch_stats"], **options)
        return jnp.sum(jnp.sin(logits)), (logits, updated["batch_stats"])

    return jax.value_and_grad(loss, has_aux=True)(v["params"])


@pytest.fixture(scope="module")
def program(variables):
    """The supernet's training as one jitted function of the genome and the rate of dropped paths."""

    @jax.jit
    def run(variables, genome, rate):
        run.traces += 1
        return training(NETWORK, variables, genome, drop_path=rate, rngs={"drop_path": jax.random.key(0)})

    run.traces = 0
    return lambda genome, rate=0.0: (run(variables, genome, rate), run.traces)


@pytest.mark.parametrize("genome", GENOMES, ids=str)
def test_it_equals_the_network_of_the_genome(variables, program, genome):
    ((value, (logits, stats)), gradient), _ = program(genome)
    alone = GenotypeNetwork(SPACE.decode(genome), 3, channels=2, cells=3)
    own = extract(NETWORK, variables, genome)
    shapes = jax.eval_shape(alone.init, jax.random.key(0), IMAGES)
    jax.tree.map(lambda a, s: np.testing.assert_equal(a.shape, s.shape), own, dict(shapes))
    (expected, (own_logits, own_stats)), own_gradient = jax.jit(lambda v: training(alone, v, None))(own)
    np.testing.assert_allclose(logits, own_logits, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(value, expected, rtol=1e-3, atol=1e-4)
    taken = extract(NETWORK, jax.device_get({"params": gradient, "batch_stats": stats}), genome)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), taken["batch_stats"], own_stats)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-2, atol=1e-3), taken["params"], own_gradient)


def test_what_did_not_run_does_not_move_and_gets_no_gradient(variables, program):
    for genome, ran in ((GENOMES[0], True), (GENOMES[1], False)):  # edge 0 of the normal cell is a convolution, a pool
        ((_, (_, stats)), gradient), _ = jax.device_get(program(genome))
        name = ("cell0", "conv_1x1", "first")
        before, after, slope = variables["batch_stats"], stats, gradient
        for part in name:
            before, after, slope = before[part], after[part], slope[part]
        assert (after["norm"]["mean"] != before["norm"]["mean"])[0].all() == ran
        assert np.asarray(slope["kernel"])[0].any() == ran


def test_one_program_serves_every_genome_and_rate(program):
    for genome in SPACE.sample(jax.random.key(2), 4):
        ((value, _), _), traces = program(genome)
        assert np.isfinite(value)
        assert traces == 1
    ((_, (plain, _)), _), _ = program(GENOMES[0], 0.0)
    ((_, (dropped, _)), _), traces = program(GENOMES[0], 0.5)
    assert not np.allclose(plain, dropped)
    assert traces == 1


def test_isomorphic_genomes_share_a_hash():
    swapped = GENOMES[0][[0, 1, 3, 2, 4, 5, 7, 6, *range(8, 16)]]
    assert g.genotype_hash(SPACE.decode(swapped)) == g.genotype_hash(SPACE.decode(GENOMES[0]))

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.nets import CellNetwork, FixedNetwork, Macro, extract
from jcenas.nets.nasbench201 import cost
from jcenas.nets.nasbench201.network import Cell
from jcenas.spaces.nasbench201 import all_cells

GENOMES = np.array([[3, 3, 3, 1, 3, 2], [4, 0, 2, 1, 3, 4], [1, 4, 1, 1, 4, 1]], np.int32)
IMAGES = np.random.default_rng(0).normal(size=(6, 8, 8, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def variables():
    """Weights and statistics that differ from their initial values, so that every one of them matters."""
    network = CellNetwork(5, channels=4, cells=1)
    shapes = jax.eval_shape(network.init, jax.random.key(0), IMAGES, GENOMES[0])
    generator = np.random.default_rng(1)
    # Of NumPy, as what `extract` takes: no program for each of its slices.
    return jax.tree.map(lambda s: (0.2 + 0.2 * generator.random(s.shape)).astype(s.dtype), shapes)


@functools.cache
def program(choose, statistics):
    """One executable for all genomes."""
    network = CellNetwork(5, channels=4, cells=1, choose=choose)
    return jax.jit(lambda v, g: network.apply(v, IMAGES, g, statistics=statistics))


@pytest.mark.accelerator
@pytest.mark.parametrize("statistics", ["running", "batch"])
@pytest.mark.parametrize("genome", GENOMES, ids=str)
def test_branch_and_blend_and_the_fixed_network_agree(variables, genome, statistics):
    branch = program("branch", statistics)(variables, genome)
    blend = program("blend", statistics)(variables, genome)
    fixed = FixedNetwork(tuple(genome.tolist()), 5, channels=4, cells=1)
    own = extract(variables, tuple(genome.tolist()))
    alone = jax.jit(lambda v: fixed.apply(v, IMAGES, statistics=statistics))(own)
    np.testing.assert_allclose(branch, blend, rtol=2e-4, atol=2e-4)
    np.testing.assert_allclose(branch, alone, rtol=2e-4, atol=2e-4)


@pytest.mark.accelerator
@pytest.mark.slow
def test_gradients_of_branch_and_blend_agree_and_unused_weights_get_none(variables):
    own = {name: tree["stage1_cell0"] for name, tree in variables.items()}
    images = jnp.asarray(np.random.default_rng(2).normal(size=(6, 4, 4, 8)), jnp.float32)

    def gradient(choose):
        def loss(params, x):
            v = own | {"params": params}
            out, _ = Cell(choose, 8).apply(v, x, GENOMES[1], "batch", mutable=["batch_stats"])
            return jnp.sum(jnp.sin(out))

        return jax.jit(jax.grad(loss, argnums=(0, 1)))(own["params"], images)

    branch, blend = gradient("branch"), gradient("blend")
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4), branch, blend)
    cell = branch[0]
    assert not np.asarray(cell["conv3x3"])[[0, 1, 2, 3, 5]].any()  # edge 4 alone holds a 3x3 convolution
    assert np.asarray(cell["conv3x3"][4]).any()


def test_only_the_operations_that_ran_move_their_statistics(variables):
    network = CellNetwork(5, channels=4, cells=1)
    _, updated = jax.jit(lambda v: network.apply(v, IMAGES, GENOMES[1], statistics="batch", mutable=["batch_stats"]))(
        variables
    )
    before = variables["batch_stats"]["stage0_cell0"]["mean"]
    moved = np.asarray((updated["batch_stats"]["stage0_cell0"]["mean"] != before).any(-1))
    expected = np.zeros((6, 2), bool)
    expected[2, 0] = expected[4, 1] = True  # edge 2 ran its 1x1, edge 4 its 3x3
    np.testing.assert_array_equal(moved, expected)


def test_images_that_cannot_be_halved_twice_are_refused(variables):
    with pytest.raises(ValueError, match=r"multiples of 4.*\(6, 6, 6, 3\)"):
        CellNetwork(5, channels=4, cells=1).apply(variables, IMAGES[:, :6, :6], GENOMES[0])


@pytest.mark.parametrize("genome", [*GENOMES, np.zeros(6, np.int32)], ids=str)
def test_counted_parameters_equal_those_of_the_network(genome):
    macro = Macro(image_size=8, classes=5, channels=4, cells=1)
    network = FixedNetwork(tuple(genome.tolist()), 5, channels=4, cells=1)
    shapes = jax.eval_shape(network.init, jax.random.key(0), IMAGES)
    built = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
    assert int(cost.parameters(macro, genome)) == built


def test_costs_of_the_benchmark_by_hand():
    # stem 464, reductions 14,464 and 57,600, head norm 128, classifier 650
    assert int(cost.parameters(Macro(), np.zeros(6, int))) == 73_306
    assert int(cost.parameters(Macro(), np.array([3, 3, 3, 1, 3, 2]))) == 1_073_466
    flops = cost.multiply_adds(Macro(), np.array([3, 0, 0, 0, 0, 2]))
    np.testing.assert_allclose(flops, 7_783_050 + 35_389_440 + 3_932_160, rtol=1e-6)


def test_energy_and_bytes_by_hand():
    macro = Macro(image_size=4, image_channels=1, classes=2, channels=1, cells=1)
    none = np.zeros(6, int)
    skip = np.array([1, 0, 0, 0, 0, 0])
    # one skip reads and writes the maps of the three stages: 2 * (16 * 1 + 4 * 2 + 1 * 4) numbers of 4 bytes
    np.testing.assert_allclose(cost.bytes_moved(macro, skip) - cost.bytes_moved(macro, none), 2 * 28 * 4)
    energy = 4.6e-12 * cost.multiply_adds(macro, skip) + 160e-12 * cost.bytes_moved(macro, skip)
    np.testing.assert_allclose(cost.inference_energy_j(macro, skip), energy, rtol=1e-6)


def test_the_largest_cost_is_that_of_the_dearest_cell():
    macro = Macro(image_size=8, channels=4, cells=1)
    uniform = np.repeat(np.arange(5)[:, None], 6, axis=1)  # the costliest cell repeats one operation
    for measure in (cost.parameters, cost.multiply_adds, cost.inference_energy_j):
        dearest = float(measure(macro, uniform).max())
        np.testing.assert_allclose(dearest, float(measure(macro, all_cells()).max()), rtol=1e-6)


@pytest.mark.data
def test_costs_equal_the_columns_of_the_benchmark(data):
    import pandas as pd

    columns = ["ops", "c10_params", "c10_flops"]
    table = pd.read_csv(data / "nasbench201" / "nb201_accuracy_cost.csv.gz", usecols=columns, dtype={"ops": str})
    genomes = np.array([list(map(int, ops)) for ops in table.ops])
    assert len(genomes) == 15625
    published = table.c10_params.to_numpy()
    published = published * 1e6 if published.max() < 100 else published
    np.testing.assert_array_equal(np.asarray(cost.parameters(Macro(), genomes)), np.round(published))
    flops = table.c10_flops.to_numpy()
    flops = flops * 1e6 if flops.max() < 1e4 else flops
    np.testing.assert_allclose(np.asarray(cost.multiply_adds(Macro(), genomes)), flops, rtol=1e-6)

"""What every space promises its optimisers, and the encodings of each community by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.spaces import darts, mixed, mobilenet, named, nasnet
from jcenas.spaces import genotype as g

SPACES = {
    "darts": darts.Darts(),
    "nasnet": nasnet.NasNet(),
    "nasnet-13": nasnet.NasNet(blocks=5, operations=nasnet.NASNET_OPERATIONS),
    "mobilenet": mobilenet.MobileNet(),
    "accel-nasbench": mobilenet.ACCEL_NASBENCH,
    "mobilenet-small": mobilenet.MobileNet.small(8),
    "named": named.Named.of({"depth": [2, 4, 8], "bootstrap": [True, False], "trees": [10, 30, 100, 300]}),
    "mixed": mixed.Mixed((3, 2, 12, 5), (None, 0.0, 1.0, 0.0)),
}
B0 = "e=1 6 6 6 6 6 6;k=3 3 5 3 5 5 3;l=1 2 2 3 3 4 1;se=1 1 1 1 1 1 1"


@pytest.fixture(params=SPACES, scope="module")
def space(request):
    return SPACES[request.param]


def test_samples_cover_every_choice_and_features_stay_in_the_unit_box(space):
    genomes = jax.jit(space.sample, static_argnums=1)(jax.random.key(0), 600)
    assert genomes.dtype == jnp.int32
    assert genomes.shape == (600, len(space.cardinalities))
    for i, size in enumerate(space.cardinalities):
        counts = np.bincount(np.asarray(genomes[:, i]), minlength=size)
        assert len(counts) == size
        assert counts.min() > 600 / size - 5 * np.sqrt(600 / size)
    features = jax.jit(space.features)(genomes)
    assert features.dtype == jnp.float32
    assert features.shape[0] == 600
    assert features.min() == 0.0
    assert features.max() == 1.0
    distinct = len(np.unique(np.asarray(genomes), axis=0))
    assert len(np.unique(np.asarray(features), axis=0)) == distinct  # features tell genomes apart


def test_a_mutation_changes_one_variable_to_each_other_choice(space):
    parent = space.sample(jax.random.key(1), 1)[0]
    n = 200 * len(space.cardinalities)
    children = jax.jit(jax.vmap(space.mutate, in_axes=(0, None)))(jax.random.split(jax.random.key(2), n), parent)
    changed = np.asarray(children != parent[None])
    assert (changed.sum(axis=1) == 1).all()
    for i, size in enumerate(space.cardinalities):
        seen = set(np.asarray(children)[changed[:, i], i].tolist())
        assert seen == set(range(size)) - {int(parent[i])}


@pytest.mark.parametrize("name", ["darts", "nasnet", "nasnet-13"])
def test_arrays_of_genomes_equal_those_of_their_genotypes(name):
    space = SPACES[name]
    decode, encode = (darts.decode, darts.encode) if name == "darts" else (space.decode, space.encode)
    genomes = space.sample(jax.random.key(3), 20)
    cells = jax.jit(space.cells)(genomes)
    for i, genome in enumerate(np.asarray(genomes)):
        genotype = decode(genome)
        np.testing.assert_array_equal(encode(genotype), genome)
        jax.tree.map(np.testing.assert_array_equal, jax.tree.map(lambda a, i=i: a[i], cells), g.to_cells(genotype))


def test_darts_by_hand():
    genome = darts.encode(darts.DARTS_V2)
    # Normal cell: sep 3x3 is operation 3; the edges of the third block are sorted by node: skip from 0, sep from 1.
    assert genome[:11].tolist() == [3, 3, 3, 3, 2, 3, 2, 5, 0, 0, 1]
    size = np.prod([float(c) for c in darts.Darts().cardinalities])
    np.testing.assert_allclose(size, (7.0**8 * 180) ** 2)
    space = darts.Darts()
    assert space.features(jnp.asarray(genome)[None]).shape == (1, 2 * (8 * 7 + 12))


def test_nasbench301_by_hand():
    prefix = "NetworkSelectorDatasetInfo:darts:"
    configuration = darts.to_nasbench301(darts.DARTS_V2)
    assert len(configuration) == 2 * (8 + 3)
    # Node 5 reads nodes 0 and 2; edges 9..13 enter it.
    assert configuration[f"{prefix}inputs_node_normal_5"] == "0_2"
    assert configuration[f"{prefix}edge_normal_9"] == "skip_connect"
    assert configuration[f"{prefix}edge_normal_11"] == "dil_conv_3x3"
    again = darts.from_nasbench301(configuration)
    np.testing.assert_array_equal(darts.encode(again), darts.encode(darts.DARTS_V2))
    with pytest.raises(InputError, match="edge_normal_11"):
        darts.from_nasbench301({k: v for k, v in configuration.items() if not k.endswith("edge_normal_11")})
    with pytest.raises(InputError, match="inputs_node_reduce_3: '3_4'"):
        darts.from_nasbench301({**configuration, f"{prefix}inputs_node_reduce_3": "3_4"})
    with pytest.raises(InputError, match="'none'"):
        darts.from_nasbench301({**configuration, f"{prefix}edge_normal_11": "none"})


def test_what_darts_does_not_have_is_refused():
    with pytest.raises(InputError, match="4 blocks"):
        darts.encode(nasnet.NASNET_A)
    same = (("sep_conv_3x3", 0), ("sep_conv_3x3", 0), *darts.DARTS_V2.normal[2:])
    with pytest.raises(InputError, match=r"block 0 reads nodes \(0, 0\)"):
        darts.encode(darts.DARTS_V2._replace(normal=same))


def test_loose_ends_by_hand():
    space = nasnet.NasNet(blocks=2)
    # Block 2 reads input 0 twice; block 3 reads blocks 2 and 2: input 1 and block 3 are loose.
    genome = np.array([0, 1, 2, 3, 0, 0, 2, 2] * 2)
    cells = space.cells(genome)
    assert cells.concat.tolist() == [[False, True, False, True], [False, False, False, True]]
    assert nasnet.loose_ends([("skip_connect", 0)] * 4, reduce=False) == (1, 2, 3)
    genotype = space.decode(genome)
    assert genotype.normal[0] == ("sep_conv_3x3", 0)
    with pytest.raises(InputError, match=r"normal_concat is \[3\]; what no block reads is \[1, 3\]"):
        space.encode(genotype._replace(normal_concat=(3,)))
    with pytest.raises(InputError, match="10 entries; a cell of 6 blocks"):
        nasnet.NasNet().encode(nasnet.NASNET_A)


def test_lanas_encodings_by_hand():
    space = nasnet.NasNet(blocks=2)
    genome = space.from_lanas("0 1 2 3 0 0 2 2")
    assert genome.tolist() == [0, 1, 2, 3, 0, 0, 2, 2] * 2
    assert space.to_lanas(genome) == "0 1 2 3 0 0 2 2"
    two = [0, 1, 2, 3, 0, 0, 2, 2, 1, 1, 1, 1, 1, 0, 0, 1]
    assert space.from_lanas(str(two)).tolist() == two
    assert space.to_lanas(two) == " ".join(map(str, two))
    for text, message in [("0 1 2", "3 integers"), ("0 1 2 3 0 2 2 2", "entry 5 is 2, at most 1"), ("0 a", "'a'")]:
        with pytest.raises(InputError, match=message):
            space.from_lanas(text)
    with pytest.raises(InputError, match="'conv'"):
        nasnet.NasNet(operations=("skip_connect", "conv"))
    with pytest.raises(InputError, match="at least 1"):
        nasnet.NasNet(blocks=0)


def test_mobilenet_by_hand():
    space = mobilenet.ACCEL_NASBENCH
    genome = space.from_string(B0)
    assert genome.tolist() == [0, *[2] * 6, 0, 0, 1, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 0, *[1] * 7, 0, 0]
    assert space.to_string(genome) == f"{B0};w=1.0;r=224"
    found = space.stages(genome)
    assert found.layers.tolist() == [1, 2, 2, 3, 3, 4, 1]
    assert int(found.resolution) == 224
    wide = mobilenet.MobileNet()
    genomes = np.asarray(wide.sample(jax.random.key(0), 5))
    np.testing.assert_array_equal([wide.from_string(wide.to_string(genome)) for genome in genomes], genomes)
    assert mobilenet.rounded(16 * 0.75) == 16  # 12 is nearest to 16, and 8 would be too little
    assert mobilenet.rounded(24 * 1.25) == 32
    assert wide.channels()[1].tolist() == [32, 16, 24, 40, 80, 112, 192, 320]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("k=3 3", "k=3 7", "k: '7' is not one of 3, 5"),
        ("l=1 2", "l=1", "l= needs 7"),
        ("se=1", "x=1", "token 'x=1"),
        ("e=1", "e=one", "'one'"),
        (B0, f"{B0};{B0}", "token 'e=1"),
        (B0, f"{B0};r=192", "r: '192'"),
    ],
)
def test_a_bad_mobilenet_names_the_token(old, new, message):
    with pytest.raises(InputError, match=message):
        mobilenet.ACCEL_NASBENCH.from_string(B0.replace(old, new))


def test_a_bad_mobilenet_space_is_refused():
    with pytest.raises(InputError, match="r= needs 1"):
        mobilenet.MobileNet().from_string(f"{B0};w=1.0")
    for options in ({"resolutions": (100,)}, {"kernels": (3, 4)}, {"layers": ()}, {"widths": (1.0, 1.0)}):
        with pytest.raises(InputError, match=next(iter(options))[:-1]):
            mobilenet.MobileNet(**options)
    for options in ({"stage_channels": ()}, {"stage_strides": (1, 2)}, {"stem_stride": 0}):
        with pytest.raises(InputError, match="as many: stem 32"):
            mobilenet.MobileNet(**options)


def test_the_skeleton_of_a_small_mobilenet_by_hand():
    space = mobilenet.MobileNet.small(28)
    assert space.cardinalities == (3, 3, 3, 2, 2, 2, 3, 3, 3, 2, 2, 2, 1, 1)
    assert int(np.prod(space.cardinalities)) == 46_656
    assert space.total_stride == 4
    assert space.channels().tolist() == [[8, 8, 16, 24]]
    text = "e=1 4 6;k=3 5 3;l=1 2 3;se=0 1 0;w=1.0;r=28"
    genome = space.from_string(text.removesuffix(";w=1.0;r=28"))
    assert genome.tolist() == [0, 1, 2, 0, 1, 0, 0, 1, 2, 0, 1, 0, 0, 0]
    assert space.to_string(genome) == text
    genomes = jnp.asarray([genome, genome + 2, genome - 1])
    assert space.valid(genomes).tolist() == [True, False, False]
    assert mobilenet.MobileNet.small(8, widths=(2.0,)).channels().tolist() == [[16, 16, 32, 48]]
    with pytest.raises(InputError, match="resolution 30 is not a multiple of 4"):
        mobilenet.MobileNet.small(30)


def test_a_mixed_space_by_hand():
    # A name of three choices; a number 1, 2, ..., 8, whose ratios count: step 1 over the smallest, 1, so log(1 + i).
    space = mixed.Mixed((3, 8), (None, 1.0))
    features = np.asarray(space.features(jnp.array([[0, 0], [2, 1], [1, 3], [0, 7]])))
    expected = [[1, 0, 0, 0], [0, 0, 1, 1 / 3], [0, 1, 0, 2 / 3], [1, 0, 0, 1]]  # log 1, 2, 4 and 8, over log 8
    np.testing.assert_allclose(features, expected, atol=1e-6)
    assert space.ordinal
    assert not mixed.Mixed((3, 2), (None, None)).ordinal
    assert np.asarray(space.valid(jnp.array([[2, 7], [3, 0], [0, 8], [-1, 0]]))).tolist() == [True, False, False, False]


def test_a_number_mostly_moves_to_near_values():
    space = mixed.Mixed((1001,), (0.0,))
    children = jax.vmap(space.mutate, in_axes=(0, None))(jax.random.split(jax.random.key(0), 2000), jnp.array([500]))
    moves = np.abs(np.asarray(children)[:, 0] - 500)
    assert moves.min() >= 1
    assert 60 < np.median(moves) < 110  # a fifth goes anywhere, the others |normal| of 100


@pytest.mark.parametrize(
    ("sizes", "bends", "said"),
    [((), (), "needs variables"), ((2, 3), (None,), "a kind"), ((2,), (-1.0,), "bend"), ((0,), (None,), "a choice")],
)
def test_a_mixed_space_that_cannot_be_is_refused(sizes, bends, said):
    with pytest.raises(InputError, match=said):
        mixed.Mixed(sizes, bends)

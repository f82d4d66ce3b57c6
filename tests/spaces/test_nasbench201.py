import jax
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.spaces import NasBench201
from jcenas.spaces import nasbench201 as nb

BEST = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_1x1~2|"


def test_string_of_a_known_cell():
    assert nb.from_string(BEST) == (3, 3, 3, 1, 3, 2)
    assert nb.to_string((3, 3, 3, 1, 3, 2)) == BEST


def test_strings_round_trip_over_the_whole_space():
    cells = nb.all_cells()
    assert cells.shape == (15625, 6)
    strings = {nb.to_string(cell) for cell in cells[::25]}
    assert len(strings) == 625
    assert all(nb.to_string(nb.from_string(s)) == s for s in strings)


@pytest.mark.parametrize(
    ("cell", "token"),
    [
        (BEST.replace("nor_conv_1x1", "conv_9x9"), "conv_9x9~2"),
        (BEST.replace("skip_connect~0", "skip_connect~1"), "skip_connect~1"),
        (BEST.replace("|+|skip", "+skip").replace("~1|+", "~1+") + "none~3", "none~3"),
        ("|none~0|", "has 1 edges"),
        ("", "edges"),
    ],
)
def test_a_bad_string_names_the_token(cell, token):
    with pytest.raises(InputError, match=token):
        nb.from_string(cell)


def test_connected_by_hand():
    genomes = np.array(
        [
            [0, 0, 0, 0, 0, 0],
            [0, 0, 0, 1, 0, 0],  # 0 -> 3
            [3, 0, 0, 0, 3, 0],  # 0 -> 1 -> 3
            [3, 3, 3, 0, 0, 0],  # nothing enters node 3
            [0, 3, 0, 0, 3, 0],  # 0 -> 2, 1 -> 3: no path
            [3, 0, 4, 0, 0, 2],  # 0 -> 1 -> 2 -> 3
        ]
    )
    assert nb.connected(genomes).tolist() == [False, True, True, False, False, True]


def test_connected_equals_a_walk_of_the_graph():
    # An independent count: walk each graph node by node.
    def reaches(cell):
        alive = {0}
        for j in (1, 2, 3):
            if any(cell[e] != nb.NONE and i in alive for e, (i, k) in enumerate(nb.EDGES) if k == j):
                alive.add(j)
        return 3 in alive

    cells = nb.all_cells()
    expected = np.array([reaches(cell) for cell in cells])
    np.testing.assert_array_equal(np.asarray(nb.connected(cells)), expected)


def test_mutation_changes_exactly_one_edge(key):
    space = NasBench201()
    parents = space.sample(key, 200)
    children = jax.vmap(space.mutate)(jax.random.split(key, 200), parents)
    assert (np.asarray(parents != children).sum(axis=1) == 1).all()
    assert children.min() >= 0
    assert children.max() <= 4


def test_samples_cover_the_space_and_features_stay_in_the_unit_box(key):
    space = NasBench201()
    cells = space.sample(key, 2000)
    assert cells.dtype == np.int32
    counts = np.stack([np.bincount(np.asarray(cells[:, e]), minlength=5) for e in range(6)])
    assert counts.min() > 300  # 400 expected, standard deviation 18
    features = space.features(cells)
    assert features.min() == 0.0
    assert features.max() == 1.0


@pytest.mark.data
def test_strings_of_the_benchmark(data):
    import pandas as pd

    table = pd.read_csv(data / "nasbench201" / "nb201_accuracy_cost.csv.gz", usecols=["arch", "ops"], dtype=str)
    assert all(nb.from_string(a) == tuple(map(int, o)) for a, o in zip(table.arch, table.ops, strict=True))
    assert all(nb.to_string(tuple(map(int, o))) == a for a, o in zip(table.arch, table.ops, strict=True))


def test_isomorphism_by_hand():
    name = nb.isomorphism_class
    through_a_skip, straight = (3, 0, 1, 0, 0, 1), (0, 3, 0, 0, 0, 1)
    assert name(through_a_skip) == name(straight) == "#+#+#+(0)@nor_conv_3x3"
    assert name((3, 0, 3, 0, 0, 1)) == "#+#+#+((0)@nor_conv_3x3)@nor_conv_3x3"
    assert name((2, 0, 0, 4, 1, 0)) == name((4, 0, 0, 2, 1, 0)) == "#+(0)@avg_pool_3x3+(0)@nor_conv_1x1"
    assert name((0, 0, 0, 0, 3, 0)) == name((0, 0, 2, 0, 1, 0)) == name((0,) * 6) == "#+#+#"


def test_one_cell_of_every_isomorphism_class_is_kept_and_it_is_the_cheapest():
    kept = nb.non_isomorphic_cells()
    assert kept.shape == (6466, 6)  # the benchmark's number
    names = [nb.isomorphism_class(cell) for cell in kept]
    assert len(set(names)) == 6466
    chosen = dict(zip(names, map(tuple, kept.tolist()), strict=True))
    assert chosen["#+#+#"] == (0,) * 6
    assert chosen["#+#+(0)@nor_conv_3x3"] == (0, 0, 0, 3, 0, 0)


@pytest.mark.data
def test_isomorphism_classes_equal_the_column_of_the_benchmark():
    import pandas as pd

    from jcenas.tables.store import locate

    frame = pd.read_csv(
        locate("nasbench201/nb201_accuracy_cost.csv.gz"), dtype={"ops": str}, usecols=["ops", "unique_str"]
    )
    ours = frame["ops"].map(nb.isomorphism_class)
    pairs = frame.assign(ours=ours).groupby(["ours", "unique_str"]).ngroups
    assert ours.nunique() == frame["unique_str"].nunique() == pairs == 6466

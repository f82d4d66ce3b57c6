"""Texts of DARTS-like cells by hand, and isomorphism against an exhaustive renumbering."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.spaces import genotype as g
from jcenas.spaces.darts import DARTS_V2
from jcenas.spaces.nasnet import NASNET_A

PUBLISHED = (  # the text as the authors of DARTS print it, with lists where their file has them
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
SMALL = g.Genotype((("sep_conv_3x3", 0), ("skip_connect", 1)), (2,), (("none", 0), ("avg_pool_3x3", 1)), (2,))


def test_texts_by_hand():
    assert g.from_string(PUBLISHED) == DARTS_V2
    assert g.from_string(PUBLISHED.replace("[2, 3, 4, 5]", "range(2, 6)")) == DARTS_V2
    assert "normal_concat=range(2, 6)" in g.to_string(DARTS_V2)
    assert "reduce_concat=range(4, 7)" in g.to_string(NASNET_A)
    paired = "[[('sep_conv_3x3', 0), ('skip_connect', 1)]]"
    text = f"Genotype(normal={paired}, normal_concat=[2], reduce=[('none', 0), ('avg_pool_3x3', 1)], reduce_concat=[2])"
    assert g.from_string(text) == SMALL
    for genotype in (DARTS_V2, NASNET_A, SMALL):
        assert g.from_string(g.to_string(genotype)) == genotype
        assert g.from_cells(g.to_cells(genotype)) == genotype
    assert g.cell_to_blocks(SMALL.normal) == "sep_conv_3x3~0;skip_connect~1"
    assert g.cell_from_blocks("sep_conv_3x3~0;skip_connect~1") == SMALL.normal


def test_arrays_by_hand():
    cells = g.to_cells(SMALL)
    assert cells.operations.tolist() == [[[4, 3]], [[0, 2]]]
    assert cells.inputs.tolist() == [[[0, 1]], [[0, 1]]]
    assert cells.concat.tolist() == [[False, False, True]] * 2
    with pytest.raises(InputError, match="1 and 2 blocks"):
        g.to_cells(SMALL._replace(reduce=SMALL.reduce * 2))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("('dil_conv_3x3', 2)", "('dil_conv_9x9', 2)", "'dil_conv_9x9' is not one of"),
        ("('dil_conv_3x3', 2)", "('dil_conv_3x3', 5)", r"entry 7 \('dil_conv_3x3', 5\) may read nodes 0 to 4"),
        ("('dil_conv_3x3', 2)", "('dil_conv_3x3', 'x')", "is not .'OPERATION', NODE."),
        ("('dil_conv_3x3', 2)", "open('x')", "more than names and numbers"),
        (", ('dil_conv_3x3', 2)", "", "7 entries"),
        ("reduce_concat=[2, 3, 4, 5]", "reduce_concat=[1, 2]", "node 1 is not one of 2 to 5"),
        ("reduce_concat=[2, 3, 4, 5]", "reduce_concat=[2, 2]", "none twice"),
        ("reduce_concat=[2, 3, 4, 5]", "reduce_concat=7", "not a list of nodes: 7"),
        ("reduce_concat=[2, 3, 4, 5]", "reduce_concat=range(0, 10**9)", "more than names"),
        (", reduce_concat=[2, 3, 4, 5]", "", "no part 'reduce_concat'"),
        ("reduce_concat=", "other=[1], reduce_concat=", "'other' is no part"),
        ("Genotype(", "Genome(", "should be Genotype"),
        ("normal_concat", "normal concat", "not a genotype"),
    ],
)
def test_a_bad_text_names_the_token(old, new, message):
    with pytest.raises(InputError, match=message):
        g.from_string(PUBLISHED.replace(old, new, 1))


@pytest.mark.parametrize("text", ["", "sep_conv_3x3", "sep_conv_3x3~x", "sep~0;skip_connect~1"])
def test_a_bad_block_names_the_token(text):
    with pytest.raises(InputError, match=f"token '{text.split(';')[0]}'"):
        g.cell_from_blocks(text)


def renumbered(edges, concat, order):
    """The cell with block order[k] at place k, or None where an input would come later than its reader."""
    place = {0: 0, 1: 1} | {old + 2: new + 2 for new, old in enumerate(order)}
    moved = [(name, place[i]) for b in order for name, i in edges[2 * b : 2 * b + 2]]
    if any(i >= b // 2 + 2 for b, (_, i) in enumerate(moved)):
        return None
    return tuple(moved), tuple(sorted(place[i] for i in concat))


def test_isomorphic_genotypes_share_a_hash_and_others_do_not():
    rng = np.random.default_rng(0)
    names = ("skip_connect", "sep_conv_3x3", "none")
    genotypes = []
    for _ in range(40):
        edges = tuple((names[rng.integers(3)], int(rng.integers(b // 2 + 2))) for b in range(6))
        concat = tuple(n for n in range(2, 5) if rng.random() < 0.7) or (4,)
        genotypes.append(g.Genotype(edges, concat, SMALL.reduce, (2,)))
    classes = {}
    for genotype in genotypes:
        mine = g.genotype_hash(genotype)
        again = g.canonical(genotype)
        assert g.canonical(again) == again
        everything = set()  # by brute force: all orders of blocks, of edges in a block, all inputs of `none`
        for order in itertools.permutations(range(3)):
            cell = renumbered(genotype.normal, genotype.normal_concat, order)
            if cell is None:
                continue
            assert g.genotype_hash(genotype._replace(normal=cell[0], normal_concat=cell[1])) == mine
            blocks = [sorted((n, 0 if n == "none" else i) for n, i in cell[0][2 * b : 2 * b + 2]) for b in range(3)]
            everything.add((str(blocks), cell[1]))
        classes.setdefault(mine, set()).update(everything)
    for one, two in itertools.combinations(classes.values(), 2):
        assert not one & two
    assert len(classes) > 20


def test_sharing_a_block_is_not_having_two_equal_ones():
    twins = (("skip_connect", 0), ("skip_connect", 1)) * 2
    shared = g.Genotype((*twins, ("skip_connect", 2), ("skip_connect", 2)), (2, 3, 4), SMALL.reduce, (2,))
    apart = shared._replace(normal=(*twins, ("skip_connect", 2), ("skip_connect", 3)))
    swapped = shared._replace(normal=(*twins, ("skip_connect", 3), ("skip_connect", 3)))
    assert g.genotype_hash(shared) == g.genotype_hash(swapped) != g.genotype_hash(apart)


@pytest.mark.data
def test_cells_of_a_published_table(data):
    import pandas as pd

    frame = pd.read_csv(data / "darts_space" / "darts_1000_cifar10_swap.csv.gz")
    for text in frame["normal"]:
        edges = g.cell_from_blocks(text)
        assert g.cell_to_blocks(edges) == text
        cells = g.to_cells(g.checked(g.Genotype(edges, (2, 3, 4, 5), edges, (2, 3, 4, 5))))
        np.testing.assert_array_equal(jnp.asarray(cells.inputs).ravel()[:8], [node for _, node in edges])

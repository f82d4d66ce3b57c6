"""The most numbers of maps at once, by hand: the rules, and a cell of every network."""

import numpy as np

from jcenas.nets.genotype import cost as genotype
from jcenas.nets.maps import Maps, Sum, classified
from jcenas.nets.mobilenet import cost as mobilenet
from jcenas.nets.nasbench101 import cost as nasbench101
from jcenas.nets.nasbench201 import cost as nasbench201
from jcenas.spaces import nasbench101 as nb
from jcenas.spaces.genotype import Cells, Genotype, to_cells
from jcenas.spaces.mobilenet import MobileNet


def test_a_map_lives_from_its_step_to_the_last_that_reads_it():
    maps = Maps()
    image = maps.new(10)
    first = maps.new(20, image)
    maps.new(1000, image)  # which no answer needs
    second = maps.new(5, first)
    assert maps.most(second) == 30
    third = maps.new(15, image, second)  # the image lives on
    assert maps.most(third) == 35
    maps.add(third, first)
    assert maps.most(third) == 10 + 20 + 5 + 15
    assert classified(maps, 4, 2, third) == 50


def test_a_sum_takes_the_place_of_its_first_new_term():
    def summed(*kinds):
        maps = Maps()
        image = maps.new(10)
        total = Sum(maps, 10)
        for kind in kinds:
            if kind == "new":
                total.new(maps.new(10, image))
            else:
                total.older(image)
        result = total.result()
        return result if result is None else (result, maps.most(result))

    assert summed() is None
    assert summed("older") == (0, 10)
    assert summed("older", "older") == (1, 20)
    assert summed("new") == (1, 20)
    assert summed("older", "new") == summed("new", "older") == (1, 20)
    assert summed("new", "new") == (1, 30)


def test_nasbench201_by_hand():
    macro = nasbench201.Macro(image_size=8, image_channels=1, channels=8, cells=1)
    cells = np.array([[3] * 6, [1] * 6, [3, 0, 3, 0, 0, 3], [0, 0, 0, 4, 0, 0], [0] * 6])
    found = nasbench201.most_activations(macro, cells)
    # Maps of 8 x 8 x 8 numbers. Full: the input, nodes 1 and 2, and a term of node 2. Skips: the input, nodes 2 and 3,
    # which are sums. A chain, a pool: the input and two halves of it in the reduction block. Nothing: the last cell's
    # zeros, and their means.
    assert found.tolist() == [4 * 512, 3 * 512, 2 * 512, 2 * 512, 128 + 32]


def test_nasbench101_by_hand():
    macro = nasbench101.Macro101(image_size=8, image_channels=1, channels=8, cells=1)
    chain = nb.make_cell([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ("input", "conv3x3-bn-relu", "output"))
    graph = np.zeros((4, 4), int)
    graph[0, 1] = graph[0, 2] = graph[1, 3] = graph[2, 3] = graph[0, 3] = 1
    split = nb.make_cell(graph, ("input", "conv3x3-bn-relu", "maxpool3x3", "output"))
    genomes = np.stack([nb.encode(cell) for cell in (chain, split)])
    found = nasbench101.most_activations(genomes, macro=macro)
    # Chain: the input's projection and the vertex; later the input, half as large, and its projection of as many.
    # Split: input 512, two vertices of 256, and at last the shortcut of 512.
    assert found.tolist() == [2 * 512, 3 * 512]


def test_genotypes_by_hand():
    def most(*edges, cells):
        skips = (("skip_connect", 0), ("skip_connect", 1))
        one = to_cells(Genotype(edges, (2,), skips, (2,)))
        macro = genotype.MacroGenotype(image_size=8, image_channels=1, channels=4, cells=cells)
        return genotype.most_activations(Cells(*(np.asarray(part)[None] for part in one)), macro).tolist()

    # Six cells, the third and fifth of which reduce. The stem's map has 768 numbers, and lives through the first cell,
    # for the second one reads it. There: node 0 of 256 numbers, and two maps of a term, or the sum and one of a term.
    assert most(("sep_conv_3x3", 1), ("sep_conv_3x3", 0), cells=6) == [768 + 3 * 256]
    assert most(("skip_connect", 1), ("max_pool_5x5", 0), cells=6) == [768 + 3 * 256]
    # No normal cell reads the cell before the last: the first reduction has most, the last cell's map and two inputs.
    assert most(("sep_conv_3x3", 1), ("sep_conv_3x3", 1), cells=6) == [256 + 2 * 512]
    # One cell, a reduction: both inputs come from the stem.
    assert most(("none", 0), ("none", 0), cells=1) == [768 + 2 * 512]


def test_mobile_networks_by_hand():
    def most(*, stride, expansion):
        space = MobileNet.small(8, stage_channels=(8,), stage_strides=(stride,), layers=(1,))
        genome = np.zeros((1, len(space.cardinalities)), np.int32)
        genome[0, 0] = space.expansions.index(expansion)
        return mobilenet.most_activations(genome, space, mobilenet.MacroMobile(image_channels=1, classes=10)).tolist()

    # The stem's map has 512 numbers, six times as wide 3072. For the residual the stem's map lives on; at stride 2
    # there is none. Without an expansion the head's map is the largest, four times as wide as the last one.
    assert most(stride=1, expansion=6) == [512 + 2 * 3072]
    assert most(stride=2, expansion=6) == [3072 + 768]
    assert most(stride=1, expansion=1) == [512 + 4 * 512]

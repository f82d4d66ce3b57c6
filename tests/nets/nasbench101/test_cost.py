"""Parameters by hand for the two smallest networks, and of every cell of the benchmark."""

import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.nets.nasbench101 import cost as net
from jcenas.spaces import nasbench101 as nb

C3, C1, MP = nb.OPERATIONS
PAIR = nb.make_cell([[0, 1], [0, 0]], ("input", "output"))
CHAIN = nb.make_cell([[0, 1, 0], [0, 0, 1], [0, 0, 0]], ("input", C3, "output"))
STEM, HEAD = 27 * 128 + 256, 5130
MODULES = [(128, 128)] * 3 + [(128, 256)] + [(256, 256)] * 2 + [(256, 512)] + [(512, 512)] * 2


def genomes(*cells, vertices=7):
    return jnp.asarray(np.stack([nb.encode(cell, vertices) for cell in cells]))


def test_parameters_by_hand():
    projections = sum(a * b + 2 * b for a, b in MODULES)
    convolutions = sum(9 * b * b + 2 * b for _, b in MODULES)
    expected = [STEM + HEAD + projections, STEM + HEAD + projections + convolutions]
    found = net.parameters(genomes(PAIR, CHAIN))
    assert found.tolist() == expected
    assert found.dtype == jnp.int32


def test_channels_by_hand():
    # Vertices 1, 2, 3 feed the output, 128 = 43 + 43 + 42; vertex 1 also feeds 3, so that edge loses a channel.
    graph = np.zeros((5, 5), int)
    graph[0, 1] = graph[0, 2] = graph[1, 3] = graph[1, 4] = graph[2, 4] = graph[3, 4] = 1
    cell = nb.make_cell(graph, ("input", C1, MP, C3, "output"))
    assert net.vertex_channels(net.wiring(genomes(cell, vertices=5), 5), 128).tolist() == [[43, 43, 42]]
    # 1 -> 2 -> output and 3 -> output: vertex 1 has as many channels as vertex 2.
    graph = np.zeros((5, 5), int)
    graph[0, 1] = graph[1, 2] = graph[2, 4] = graph[0, 3] = graph[3, 4] = 1
    cell = nb.make_cell(graph, ("input", C1, MP, C3, "output"))
    assert net.vertex_channels(net.wiring(genomes(cell, vertices=7), 7), 256).tolist() == [[128, 128, 128, 0, 0]]


def test_work_by_hand():
    macro = net.Macro101(image_size=4, channels=2, stacks=1, cells=1, classes=3)
    # Stem 9 * 3 * 2 on 16 pixels; projection 2 * 2 and convolution 9 * 2 * 2 on 16 pixels; classifier 2 * 3.
    assert float(net.multiply_adds(genomes(CHAIN), 7, macro)[0]) == 54 * 16 + 4 * 16 + 36 * 16 + 6
    assert float(net.activations(genomes(CHAIN), 7, macro)[0]) == 16 * 2 * 3
    assert int(net.parameters(genomes(CHAIN), 7, macro)[0]) == 54 + 4 + 4 + 4 + 36 + 4 + 9


def test_the_frame_does_not_matter():
    for count in (net.parameters, net.multiply_adds, net.activations):
        np.testing.assert_array_equal(count(genomes(CHAIN, vertices=4), 4), count(genomes(CHAIN, vertices=7), 7))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "vertices", "cells"),
    [("4V9E_4epochs_raw", 4, 91), ("5V9E_4epochs_raw", 5, 2532), ("7V_4epochs_energy_measured", 7, 4310)],
)
def test_parameters_of_the_benchmark(data, name, vertices, cells):
    import pandas as pd

    frame = pd.read_csv(data / "ec_nas" / f"ecnas_{name}.csv.gz", dtype={"adjacency": str})
    frame = frame.drop_duplicates(["adjacency", "ops"])
    assert len(frame) == cells
    texts = (f"{a}:{o}" for a, o in zip(frame["adjacency"], frame["ops"], strict=True))
    found = net.parameters(genomes(*map(nb.from_string, texts), vertices=vertices), vertices)
    np.testing.assert_array_equal(found, frame["trainable_params"])

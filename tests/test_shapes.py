"""Shapes that would broadcast in silence are refused, and the message names the argument."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.nets import CellNetwork, Macro
from jcenas.nets.mobilenet import cost as mobile_cost
from jcenas.nets.nasbench101 import cost as cost101
from jcenas.nets.nasbench201 import cost as cost201
from jcenas.proxies import PredictorConfig, learning_curve, predictor
from jcenas.proxies.one_shot import path_error
from jcenas.spaces import ACCEL_NASBENCH
from jcenas.spaces.nasbench201.paths import cell_features
from jcenas.tables import Grid, Listed, load_table
from jcenas.train import recipe
from jcenas.train.augment import augment

IMAGES = jnp.zeros((4, 8, 8, 1))
SIX = jnp.zeros((3, 6), jnp.int32)
NETWORK = CellNetwork(10, channels=2, cells=1)
KEY = jax.random.key(0)


def fit_predictor(features, targets):
    return predictor.fit(KEY, PredictorConfig(), features, targets, jnp.ones(3, bool))


CASES = {
    "genome of a network": (lambda: NETWORK.init(KEY, IMAGES, SIX[:1]), "genome"),
    "genomes of NAS-Bench-201": (lambda: cost201.parameters(Macro(), SIX[:, :5]), "genomes"),
    "genomes of NAS-Bench-101": (lambda: cost101.parameters(SIX), "genomes"),
    "genomes of MobileNets": (lambda: mobile_cost.parameters(SIX, ACCEL_NASBENCH), "genomes"),
    "labels, one for all": (lambda: recipe.cross_entropy(jnp.zeros((4, 10)), jnp.zeros((1,), jnp.int32)), "labels"),
    "labels of a path": (lambda: path_error(NETWORK, {}, IMAGES, jnp.zeros((), jnp.int32), SIX[0]), "labels"),
    "one image": (lambda: augment(KEY, IMAGES[0], flip=False), "images"),
    "one cell": (lambda: cell_features(SIX[0]), "genomes"),
    "targets": (lambda: fit_predictor(jnp.zeros((3, 2)), jnp.zeros((3, 1))), "targets"),
    "one curve": (lambda: learning_curve.fit(jnp.zeros(3), jnp.zeros(3), jnp.ones(3, bool)), "curves"),
    "genome of a grid": (lambda: Grid((2, 3)).features(SIX), "genomes"),
    "genome of a list": (lambda: Listed(np.zeros((2, 3), np.int32)).rows(SIX), "genomes"),
    "genomes of a table": (lambda: load_table("toy").rows(SIX[:, :1]), "genomes"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_shape_is_named(case):
    call, argument = CASES[case]
    with pytest.raises(AssertionError, match=rf"failed: .*\[{argument}"):
        call()


def test_queries_take_shapes_that_are_meant():
    query = predictor.fit(KEY, PredictorConfig(members=2), jnp.ones((3, 2)), jnp.arange(3.0), jnp.ones(3, bool))
    assert predictor.predict(PredictorConfig(members=2), query, jnp.ones((5, 2)))[0].shape == (5,)
    with pytest.raises(AssertionError, match="features"):
        predictor.predict(PredictorConfig(members=2), query, jnp.ones((5, 1)))

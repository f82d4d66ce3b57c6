"""Bad shapes: every public function raises ValueError, before anything is traced, and names both shapes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jcenas import moo
from jcenas.moo import Box

POINTS, TWO = jnp.zeros((5, 3)), jnp.zeros(2)
BOX, SIZES = Box(variables=2, levels=5), {"capacity": 8, "batch": 2}
# Name -> call with shapes that do not fit, and the two shapes that the message must name.
PAIRS = {
    "additive_epsilon": (lambda: moo.additive_epsilon(POINTS, jnp.zeros((4, 2))), "(4, 2)", "(5, 3)"),
    "attainment_surface": (lambda: moo.attainment_surface(np.zeros((4, 5, 2)), np.ones((4, 3))), "(4, 3)", "(4, 5, 2)"),
    "contributions": (lambda: moo.contributions(POINTS, TWO), "(2,)", "(5, 3)"),
    "crowding_distance": (lambda: moo.crowding_distance(POINTS, front=TWO), "(2,)", "(5, 3)"),
    "dominance_number": (lambda: moo.dominance_number(POINTS, TWO > 0), "(2,)", "(5, 3)"),
    "dominates": (lambda: moo.dominates(POINTS[0], TWO), "(3,)", "(2,)"),
    "expected_improvement": (
        lambda: moo.expected_improvement(jnp.zeros((4, 2)), jnp.ones((3, 2)), POINTS[:, :2], TWO),
        "(4, 2)",
        "(3, 2)",
    ),
    "extremes": (lambda: moo.extremes(POINTS, TWO > 0), "(2,)", "(5, 3)"),
    "hypervolume": (lambda: moo.hypervolume(POINTS, TWO), "(2,)", "(5, 3)"),
    "igd_plus": (lambda: moo.igd_plus(POINTS, TWO), "(2,)", "(5, 3)"),
    "improvement": (lambda: moo.improvement(jnp.zeros((4, 2)), POINTS, jnp.zeros(3)), "(3,)", "(4, 2)"),
    "knee": (lambda: moo.knee(POINTS, TWO > 0), "(2,)", "(5, 3)"),
    "non_dominated": (lambda: moo.non_dominated(POINTS, TWO > 0), "(2,)", "(5, 3)"),
    "ranks": (lambda: moo.ranks(POINTS, TWO > 0), "(2,)", "(5, 3)"),
}


def with_goals(*, reference=TWO, **more):
    """SEMOA behind goals."""
    return moo.with_goals(functools.partial(moo.semoa, BOX, **(SIZES | more)), moo.Goals.of(reference))


FACTORIES = {
    "bayesian": lambda **more: moo.bayesian(BOX, **(SIZES | {"reference": TWO} | more)),
    "lamoo": lambda **more: moo.lamoo(BOX, **(SIZES | {"reference": TWO} | more)),
    "lamoo_ehvi": lambda **more: moo.lamoo_ehvi(BOX, **(SIZES | {"reference": TWO} | more)),
    "ms_ehvi": lambda **more: moo.ms_ehvi(BOX, (None, lambda g: g[:, 0] * 1.0), **(SIZES | {"reference": TWO} | more)),
    "nsga2": lambda **more: moo.nsga2(BOX, **(SIZES | more)),
    "nsga2_by_reference": lambda **more: moo.nsga2_by_reference(BOX, **(SIZES | {"reference": TWO} | more)),
    "random_by_reference": lambda **more: moo.random_by_reference(BOX, **(SIZES | {"reference": TWO} | more)),
    "random_search": lambda **more: moo.random_search(BOX, **(SIZES | more)),
    "semoa": lambda **more: moo.semoa(BOX, **(SIZES | {"reference": TWO} | more)),
    "sh_emoa": lambda **more: moo.sh_emoa(BOX, (1, 2), **(SIZES | {"reference": TWO} | more)),
    "with_goals": with_goals,
}
CONFIGS = {"LamooConfig", "ShEmoaConfig", "SurrogateConfig", "SvmConfig"}
CLASSES = {"Box", "Budgeted", "Goals", "History", "Optimizer", "Results", "Space", "Study"} | CONFIGS


def test_every_public_name_is_covered():
    assert set(moo.__all__) == set(PAIRS) | set(FACTORIES) | CLASSES


@pytest.mark.parametrize("name", PAIRS)
def test_both_shapes_are_named(name):
    call, one, other = PAIRS[name]
    with pytest.raises(ValueError) as error:
        call()
    assert one in str(error.value)
    assert other in str(error.value)


@pytest.mark.parametrize("name", sorted(set(PAIRS) - {"attainment_surface"}))
def test_raised_before_anything_is_traced(name):
    with pytest.raises(ValueError, match="shape"):
        jax.eval_shape(PAIRS[name][0])  # under a trace the same message, not one of the tracer


@pytest.mark.parametrize("name", FACTORIES)
def test_optimisers_name_bad_sizes_and_references(name):
    with pytest.raises(ValueError, match="got batch 9, capacity 8"):
        FACTORIES[name](batch=9)
    with pytest.raises(ValueError, match="got batch 0, capacity 8"):
        FACTORIES[name](batch=0)
    if name not in ("nsga2", "random_by_reference", "random_search"):
        with pytest.raises(ValueError, match="reference must be finite and of shape"):
            FACTORIES[name](reference=jnp.zeros((2, 2)))


@pytest.mark.parametrize("name", FACTORIES)
def test_told_shapes_are_named(name):
    optimizer = FACTORIES[name]()
    state = optimizer.init(jax.random.key(0))
    d = 3 if name == "sh_emoa" else 2
    with pytest.raises(ValueError) as error:
        optimizer.tell(state, jnp.zeros((4, d), jnp.int32), jnp.zeros((3, 2)))
    assert f"(4, {d})" in str(error.value)
    assert "(3, 2)" in str(error.value)

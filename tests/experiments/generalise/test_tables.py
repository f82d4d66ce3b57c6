"""Synthetic tables: what the generator promises."""

import numpy as np
import pytest

from experiments.generalise import tables
from experiments.generalise.tables import Shape, make, reference_of, shape_of, synthetic, synthetic_of
from jcenas.tables.grid import Grid, Listed

SMALL = Shape(
    choices=(3, 4, 2, 3),
    size_effect=1.0,
    pairs=0.5,
    floor=5.0,
    steepness=0.5,
    plateau=0.0,
    failing=0.0,
    trainings=640,
    seconds_range=8.0,
    noise=0.02,
    score=0.8,
)


def columns(**changes):
    made = make(SMALL._replace(**changes), np.random.default_rng(0), "small")
    return made, {name: np.asarray(values, float) for name, values in made.columns.items()}


def test_a_table_is_what_its_shape_says():
    table, column = columns()
    assert table.space == Grid((3, 4, 2, 3))
    assert column["train_seconds"].mean() == pytest.approx(3600, rel=1e-4)  # 640 device-hours, 640 trainings
    assert column["train_seconds"].max() / column["train_seconds"].min() == pytest.approx(8, rel=1e-3)
    assert np.argmax(column["train_seconds"]) == np.argmax(column["flops"])
    assert column["error"].min() > 5
    np.testing.assert_allclose(column["noise"], 0.02 * column["error"], rtol=1e-5)
    ranks = [np.argsort(np.argsort(column[name])) for name in ("log_synflow", "error")]
    assert np.corrcoef(*ranks)[0, 1] < -0.5
    size = np.corrcoef(np.log(column["flops"]), column["error"])[0, 1]
    assert size < np.corrcoef(*[columns(size_effect=0.0)[1][name] for name in ("flops", "error")])[0, 1]


def test_plateaus_and_failures():
    _, column = columns(plateau=0.3)
    assert np.mean(column["error"] == column["error"].max()) == pytest.approx(0.3, abs=0.03)
    _, column = columns(failing=0.5)
    assert 0.3 < np.mean(column["error"] == 90) < 0.7
    assert "log_synflow" not in columns(score=0.0)[1]


def test_without_pairs_and_size_the_choices_add_up():
    table, column = columns(pairs=0.0, size_effect=0.0)
    quality = -np.log(column["error"] / 5.0 - 1)
    ones = np.concatenate([np.eye(n)[np.asarray(table.genomes)[:, i]] for i, n in enumerate((3, 4, 2, 3))], axis=1)
    fitted = ones @ np.linalg.lstsq(ones, quality, rcond=None)[0]
    np.testing.assert_allclose(fitted, quality, atol=1e-3)


def test_tables_repeat_and_parts_differ():
    one, again = (np.asarray(synthetic("fitting", 1).column("error")) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert len({shape_of(part, seed) for part in tables.PARTS for seed in range(4)}) == 12
    table, objectives = synthetic_of("development-2")
    assert table.size == 4**7
    assert objectives["reference"][0] == pytest.approx(1.02 * float(table.column("error").max()))
    assert reference_of(table, tight=False)[1] == pytest.approx(2 * float(table.column("flops").max()))
    assert isinstance(synthetic("test", 1).space, Grid | Listed)
    assert not tables.is_synthetic("nasbench201")
    with pytest.raises(ValueError, match="part must be one of"):
        shape_of("training", 0)

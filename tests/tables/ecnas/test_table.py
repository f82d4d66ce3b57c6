"""The EC-NAS spaces as tables against the benchmark's own queries."""

import jax.numpy as jnp
import numpy as np
import pytest

from jcenas.errors import InputError
from jcenas.spaces import nasbench101
from jcenas.tables import load_table
from jcenas.tables.ecnas import read as ecnas_read
from jcenas.tables.ecnas import table as ecnas_table

pytestmark = pytest.mark.data


@pytest.fixture(scope="module", autouse=True)
def _folder(data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JCENAS_DATA", str(data))
        yield


@pytest.mark.parametrize(("name", "size", "space"), [("ecnas-4v", 91, "4V"), ("ecnas-5v", 1525, "5V")])
def test_rows_equal_queries(name, size, space):
    table, bench = load_table(name), ecnas_read.load(space, linear_scaling=True)
    assert table.size == size
    for row in (0, size // 2, size - 1):
        genome = np.asarray(table.genomes[row])
        answer = bench.query(nasbench101.decode(genome, bench.catalog.vertices), 108)
        assert float(table.column("error")[row]) == pytest.approx(100 - answer["test_accuracy"], rel=1e-5)
        assert float(table.column("energy_kwh")[row]) == pytest.approx(answer["energy_kwh"], rel=1e-6)
        assert float(table.column("train_seconds")[row]) == pytest.approx(answer["train_time_s"], rel=1e-6)
        assert int(table.rows(jnp.asarray(genome[None]))[0]) == row


def test_what_is_not_known_is_left_out_or_marked():
    table = load_table("ecnas-5v")
    assert table.incomplete == ("short_error",)
    with pytest.raises(InputError, match="'short_error' is missing for"):
        table.column("short_error")
    with pytest.raises(InputError, match="no EC-NAS space '6V'"):
        ecnas_table.ecnas_table("6V")

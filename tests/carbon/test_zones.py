import subprocess
import sys

import pytest

from jcenas.carbon.zones import DEFAULT_ZONE, FILE, check_zone, zone_names
from jcenas.errors import InputError


def test_there_are_many_zones_in_a_small_file():
    assert len(zone_names()) >= 100
    assert {DEFAULT_ZONE, "DE", "FR", "US-MIDA-PJM"} <= set(zone_names())
    assert FILE.stat().st_size <= 300_000


@pytest.mark.parametrize(("name", "close"), [("CAL", "US-CAL-CISO"), ("us-cal-cis", "US-CAL-CISO"), ("de", "DE")])
def test_unknown_zone_names_close_ones(name, close):
    with pytest.raises(InputError, match=rf"unknown zone '{name}'; did you mean .*{close}.*trace --zones"):
        check_zone(name)


def test_hopeless_zone_has_no_false_hint():
    with pytest.raises(InputError, match="unknown zone '@@'; `jcenas trace"):
        check_zone("@@")


LIGHT = [
    "import jcenas.carbon, jcenas.alloc, jcenas.tables.store, jcenas.carbon.power, jcenas.alloc.names",
    "import jcenas.carbon.zones as z; z.check_zone('DE')",
    "from jcenas.carbon import read_csv, CarbonTrace",
    "from jcenas.carbon.typical_year import typical_year; typical_year('DE')",
]


@pytest.mark.parametrize("code", LIGHT)
def test_validation_imports_neither_jax_nor_pandas(code):
    check = f"{code}; import sys; assert not {{'jax', 'flax', 'pandas', 'scipy'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)

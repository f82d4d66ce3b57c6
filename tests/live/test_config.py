from pathlib import Path

import pytest

from jcenas.carbon.power import PowerModel
from jcenas.errors import InputError
from jcenas.live.config import SearchConfig


def test_json_round_trip():
    config = SearchConfig(name="a", trace=Path("x.csv"), power=PowerModel(training_w=300.0), carbon_budget=2.5)
    assert SearchConfig.from_json(config.to_json()) == config
    assert SearchConfig.from_json(SearchConfig().to_json()) == SearchConfig()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("hours", 0, "--hours 0: must be at least 1"),
        ("hour_seconds", -1.0, "--hour-seconds -1.0: must be a positive number"),
        ("hour_seconds", float("nan"), "--hour-seconds nan"),
        ("carbon_budget", 0.0, "--carbon-budget 0.0"),
        ("evaluations", 0, "--evaluations 0"),
        ("seed", -1, "--seed -1"),
        ("name", "../elsewhere", "--name ../elsewhere: must be a plain folder name"),
        ("devices", 0, "--devices 0"),
        ("reference_error", 1.5, "--reference-error 1.5"),
    ],
)
def test_a_bad_number_names_its_flag(field, value, message):
    with pytest.raises(InputError, match=message.replace(".", r"\.")):
        SearchConfig(**{field: value})


def test_unknown_fields_are_refused():
    with pytest.raises(InputError, match="unknown fields colour"):
        SearchConfig.from_json(SearchConfig().to_json() | {"colour": 1})

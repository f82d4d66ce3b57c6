import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest

from jcenas.carbon.power import STATES, PowerModel
from jcenas.errors import InputError
from jcenas.live import prepare
from jcenas.live.config import FUNCTION, SearchConfig


def test_json_round_trip():
    config = SearchConfig(name="a", trace=Path("x.csv"), power=PowerModel(training_w=300.0), carbon_budget=2.5)
    assert SearchConfig.from_json(config.to_json()) == config
    assert SearchConfig.from_json(SearchConfig().to_json()) == SearchConfig()


@pytest.mark.parametrize("value", ["auto", 1, 16])
def test_the_number_at_once_is_auto_or_a_number(value):
    config = SearchConfig(side_by_side=value)
    assert SearchConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    for wrong in ("many", 1.5, True):
        with pytest.raises(InputError, match=r"config\.json is damaged"):
            SearchConfig.from_json(config.to_json() | {"side_by_side": wrong})


def test_it_can_be_a_key():
    """Programs are kept by what decides them."""
    one, other = SearchConfig(seed=1), SearchConfig(seed=1)
    assert {one: "programs"}[other] == "programs"
    assert one != dataclasses.replace(other, channels=9)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("hours", 0, "--hours 0: must be at least 1"),
        ("hour_seconds", -1.0, "--hour-seconds -1.0: must be a positive number"),
        ("hour_seconds", float("nan"), "--hour-seconds nan"),
        ("hour_seconds", float("inf"), "--hour-seconds inf: must be a positive number"),
        ("carbon_budget", 0.0, "--carbon-budget 0.0"),
        ("evaluations", 0, "--evaluations 0"),
        ("proposals", 0, "--proposals 0: must be at least 1"),
        ("supernet_epochs", 0, "--supernet-epochs 0: must be at least 1"),
        ("seed", -1, "--seed -1: must be at least 0"),
        ("seed", 2**31, "--seed 2147483648: must be at most 2147483647"),
        ("hours", 10**20, "--hours 100000000000000000000: must be at most 87840"),
        ("channels", 10**20, "must be at most"),
        ("name", "../elsewhere", "--name ../elsewhere: must be a plain folder name"),
        ("devices", 0, "--devices 0"),
        ("side_by_side", 0, "--side-by-side 0: must be at least 1"),
        ("reference_error", 1.5, "--reference-error 1.5"),
        ("stage", "one-shto", "unknown stage 'one-shto'; did you mean 'one-shot'"),
        ("stage", "zero-shot", "needs a NAME after a colon"),
        ("cost", "money", "unknown cost 'money'"),
        ("cost", ("params", "latencey"), "unknown cost 'latencey'; did you mean 'latency'"),
        ("cost", ("params", "params"), "--cost params params: 'params' is named twice"),
        ("cost", ("params", "flops", "latency", "energy"), "these are 4 costs, and a search takes at most 3"),
        ("cost", (), "--cost: name at least one"),
        ("cost", "measured-energy", "--cost measured-energy needs a meter; name one with --meter, such as auto"),
        ("meter", "nvm", "unknown meter 'nvm'; did you mean 'nvml'"),
        ("meter", "", "unknown meter ''"),
        ("executor", "locl", "unknown executor 'locl'; did you mean 'local'"),
        ("executor", "workers", "--executor workers does not run networks; leave it out"),
        ("optimizer", "nsga3", "unknown optimizer 'nsga3'; did you mean 'nsga2'"),
        ("images", "digit", "'digit'"),
        ("image_size", 0, "--image-size 0"),
    ],
)
def test_a_bad_value_names_its_flag(field, value, message):
    with pytest.raises(InputError, match=message.replace(".", r"\.")) as refused:
        SearchConfig(**{field: value})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("field", ["colour", "queue", "oversample", "window"])
def test_fields_of_another_version_are_refused(field):
    with pytest.raises(InputError, match=rf"fields that this version does not know \({field}\).*go on with that"):
        SearchConfig.from_json(SearchConfig().to_json() | {field: 1})


@pytest.mark.parametrize(
    ("given", "hour_s"), [({}, 1.3), ({"problem": "nasnet"}, 2.2), ({"problem": "nasnet", "hour_seconds": 5.0}, 5.0)]
)
def test_an_hour_is_as_given_or_as_the_problem_has_it(given, hour_s):
    config = SearchConfig(**given)
    assert config.hour_s == hour_s
    assert SearchConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(("hour_seconds", "real"), [(3.0, False), (3599.0, False), (3600.0, True), (7200.0, True)])
def test_an_hour_of_an_hour_is_real_time(hour_seconds, real):
    assert SearchConfig(hour_seconds=hour_seconds).real_time == real


@pytest.mark.parametrize("value", ["3", 3.5, [3]])
def test_a_program_gives_integers(value):
    with pytest.raises(InputError, match=r"--hours .*: must be an integer"):
        SearchConfig(hours=value)
    assert SearchConfig(hours=np.int64(3)).hours == 3


def test_devices_of_a_cpu_share_the_power_of_one_unless_it_is_given():
    devices = jax.devices("cpu")[:2]
    shared = prepare.power_of_each(PowerModel(), devices)
    assert [shared.power_w(state) for state in STATES] == [83.5, 83.5, 8.5, 83.5, 83.5]
    assert shared.pue == PowerModel().pue
    given = PowerModel(training_w=300.0)
    assert prepare.power_of_each(given, devices) == given
    # A run goes on with another number of them than it began with.
    assert prepare.power_of_each(shared, devices[:1], shared_by=2) == PowerModel().shared_by(1)
    assert prepare.power_of_each(PowerModel().shared_by(4), devices, shared_by=4) == shared
    assert prepare.power_of_each(given, devices[:1], shared_by=2) == given


def test_an_executor_and_a_meter_of_a_file():
    assert SearchConfig().executor == SearchConfig(executor="local").executor == "local"
    assert SearchConfig(problem=FUNCTION, cost=("mine",)).executor == "workers"
    with pytest.raises(InputError, match="--executor local does not run a function of your own"):
        SearchConfig(problem=FUNCTION, cost=("mine",), executor="local")
    assert SearchConfig(meter="plug.py").meter == str(Path("plug.py").absolute())
    assert SearchConfig(meter="auto", cost=("params", "measured-energy")).metered_costs == ("measured-energy",)
    assert SearchConfig().metered_costs == ()


def test_costs_are_a_tuple_however_they_are_given():
    assert SearchConfig().cost == SearchConfig(cost="params").cost == ("params",)
    several = SearchConfig(cost=["params", "latency"])
    assert several.cost == ("params", "latency")
    assert SearchConfig.from_json(json.loads(json.dumps(several.to_json()))) == several
    hash(several)

"""Cheap estimates of a candidate's quality.

`MEASURES` are the scores of untrained networks by name; `one_shot`, `few_shot` and `low_fidelity` make proxies that
train something first; the modules `predictor` and `learning_curve` learn from finished evaluations.
"""

from jcenas import registry
from jcenas.proxies.few_shot import few_shot
from jcenas.proxies.fisher import fisher
from jcenas.proxies.gradient_kernel import kernel_mean, ntk_condition
from jcenas.proxies.gradient_norm import gradient_norm
from jcenas.proxies.jacobian_covariance import jacobian_covariance
from jcenas.proxies.learning_curve import CurveModel
from jcenas.proxies.low_fidelity import low_fidelity
from jcenas.proxies.naswot import naswot
from jcenas.proxies.one_shot import one_shot
from jcenas.proxies.predictor import Predictor, PredictorConfig
from jcenas.proxies.snip import snip
from jcenas.proxies.synflow import synflow
from jcenas.proxies.zen import zen
from jcenas.proxies.zero_shot import Measure, Proxy, Start, make_proxy

MEASURES: dict[str, Measure] = {
    entry.options["label"]: registry.load_entry(entry) for entry in registry.built_in("proxy").values()
}

__all__ = [
    "MEASURES",
    "CurveModel",
    "Predictor",
    "PredictorConfig",
    "Proxy",
    "Start",
    "few_shot",
    "fisher",
    "gradient_norm",
    "jacobian_covariance",
    "kernel_mean",
    "low_fidelity",
    "make_proxy",
    "naswot",
    "ntk_condition",
    "one_shot",
    "snip",
    "synflow",
    "zen",
]


def __dir__() -> list[str]:
    return __all__

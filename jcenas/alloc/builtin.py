"""The built-in allocation policies as the registry's factories: each binds a decision to its number."""

from jcenas.alloc.planning import oracle, pace, plan
from jcenas.alloc.policies import Policy, constant, linear, queue_aware, sample_then_evaluate, static, threshold
from jcenas.alloc.price import price


def heuristic() -> Policy:
    """CE-NAS's linear heuristic."""
    return Policy("heuristic", constant(None), linear)


def heuristic_queue() -> Policy:
    """The linear heuristic that looks at the queue too."""
    return Policy("heuristic-queue", constant(None), queue_aware(linear))


def threshold_at(fraction: float) -> Policy:
    """Evaluate where the relative intensity is at most a fraction."""
    return Policy(f"threshold:{fraction:g}", constant(fraction), threshold)


def threshold_queue(fraction: float) -> Policy:
    """The threshold that looks at the queue too."""
    return Policy(f"threshold-queue:{fraction:g}", constant(fraction), queue_aware(threshold))


def plan_of(fraction: float) -> Policy:
    """The plan that trains in at most a fraction of the hours."""
    return Policy(f"plan:{fraction:g}", constant(fraction), plan, frozenset({"forecast"}))


def pace_of(share: float) -> Policy:
    """The plan that trains on a share of the devices, more if that leaves carbon over."""
    return Policy(f"pace:{share:g}", constant(share), pace, frozenset({"forecast"}))


def price_of(fraction: float) -> Policy:
    """The cleanest hours that the carbon left pays, more devices in cleaner ones."""
    return Policy(f"price:{fraction:g}", constant(fraction), price, frozenset({"forecast"}))


def oracle_of(fraction: float) -> Policy:
    """The plan that knows the future."""
    return Policy(f"oracle:{fraction:g}", constant(fraction), oracle, frozenset({"future"}))


def static_at(share: float) -> Policy:
    """The same evaluation share in every hour."""
    return Policy(f"static:{share:g}", constant(share), static)


def evaluate_all() -> Policy:
    """All devices train candidates."""
    return Policy("evaluate-all", constant(1.0), static)


def sample_all(fraction: float) -> Policy:
    """All devices sample until a fraction of the time is spent, then all train."""
    return Policy(f"sample-all:{fraction:g}", constant(fraction), sample_then_evaluate)

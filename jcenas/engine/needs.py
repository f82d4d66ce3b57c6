"""Whether a runner can tell a policy what it decides by; refused in one line before anything is computed."""

from collections.abc import Set

from jcenas.alloc.policies import Policy
from jcenas.errors import InputError

_REASONS = {
    "future": "the true coming intensities, which only `jcenas simulate` knows; use plan",
    "forecast": "a forecast of the coming hours; choose another --forecast, or another policy",
    "budget": "a carbon budget; set --carbon-budget, or choose another policy",
}


def check_needs(policy: Policy, available: Set[str], *, where: str) -> None:
    """Refuse a policy that needs a forecast, a budget or the future where the runner has none.

    Args:
      policy: as named.
      available: what the runner can tell: of "forecast", "budget" and "future".
      where: the runner, for the message.

    Raises:
      InputError: says what is missing and the remedy.
    """
    for need in sorted(policy.needs - available):
        raise InputError(f"--policy {policy.name}: {where} cannot tell it {_REASONS.get(need, need)}")

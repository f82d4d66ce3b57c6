"""What may change when a run goes on: its budgets, its devices, their slots and where they are; all is noted."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jcenas.errors import InputError
from jcenas.live.config import SearchConfig, flag_of

CHANGEABLE = ("hours", "carbon_budget", "evaluations", "devices", "side_by_side", "address")


def check_changes(given: Mapping[str, Any]) -> None:
    """Refuse what cannot change in a run that has begun.

    Args:
        given: values by field of `SearchConfig`.

    Raises:
        InputError: names the first field that cannot change.
    """
    for field in given:
        if field not in CHANGEABLE:
            flags = ", ".join(flag_of(name) for name in CHANGEABLE)
            raise InputError(
                f"{flag_of(field)} cannot change in a run that has begun ({flags} can); leave it out beside --resume, "
                "or start a new run"
            )


def as_changed(config: SearchConfig, noted: Sequence[Mapping[str, Any]]) -> SearchConfig:
    """The configuration with all changes that a run database notes, the latest last."""
    for change in noted:
        config = dataclasses.replace(config, **{change["field"]: change["after"]})
    return config


def differences(config: SearchConfig, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a run database notes of the fields that get another value: when, the field, before and after."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return [
        {"at_utc": now, "field": field, "before": getattr(config, field), "after": value}
        for field, value in given.items()
        if getattr(config, field) != value
    ]


def said(change: Mapping[str, Any]) -> str:
    """One change in words."""
    before, after = ("not given" if value is None else value for value in (change["before"], change["after"]))
    return f"{flag_of(change['field'])} {after} from now on; it was {before}"

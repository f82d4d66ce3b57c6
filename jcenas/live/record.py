"""config.json of a run folder: read whole and in the form in which it was written, or refused in one line."""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

from jcenas.errors import InputError, without_breaks

FILE = "config.json"
KEPT = (FILE, "trace.csv", "history.csv")  # files that no run changes once it has begun
_MOST_BYTES = 4 << 20
_REMEDY = "restore it, or start a new run under another --name"
_FORMS: dict[str, type] = {"config": dict, "versions": dict, "trace": dict, "devices": list, "images": dict}
_NEEDED = ("config", "versions")


def read_record(folder: Path) -> dict[str, Any]:
    """The record of a run.

    Returns:
        `config` and `versions`; and as far as the version that made the run wrote them `trace`, `devices`, `images` and
        `created_utc`.

    Raises:
        InputError: no run folder, or a damaged record.
    """
    file = folder / FILE
    try:
        status = file.stat()
    except OSError as error:
        raise InputError(f"{folder} is no run folder (no {FILE}); `ls {folder.parent}` shows what there is") from error
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
        raise InputError(f"{file} is damaged (no small regular file); {_REMEDY}")
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file} is damaged ({without_breaks(error)}); {_REMEDY}") from error
    if not isinstance(record, dict):
        raise InputError(f"{file} is damaged (no JSON object); {_REMEDY}")
    for name, form in _FORMS.items():
        if name in record and not isinstance(record[name], form):
            raise InputError(f"{file} is damaged ({name!r} is no {form.__name__}); {_REMEDY}")
    if lacking := next((name for name in _NEEDED if name not in record), None):
        raise InputError(f"{file} is damaged ({lacking!r} is missing); {_REMEDY}")
    if not isinstance(record["versions"].get("jcenas"), str):
        raise InputError(f"{file} is damaged (it does not say which version made it); {_REMEDY}")
    return record


def sums(folder: Path) -> dict[str, str]:
    """SHA-256 of each of `KEPT` that a run folder has, in hexadecimal by name."""
    paths = [folder / name for name in KEPT if (folder / name).is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def check_sums(folder: Path, known: dict[str, str] | None) -> None:
    """Refuse a run whose files are not those with which it began: its books would disagree with them.

    Args:
        folder: of the run.
        known: what `sums` gave when it began; None in folders of versions that did not note it.

    Raises:
        InputError: names the first file that was changed, added or lost.
    """
    found = sums(folder)
    for name in KEPT if known is not None else ():
        if found.get(name) != (known or {}).get(name):
            raise InputError(
                f"{folder / name} is not what the run began with (it was edited, damaged or lost), and what was "
                f"charged so far would not agree with it; {_REMEDY}"
            )

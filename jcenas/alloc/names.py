"""Names of allocation policies and their arguments; checked before anything heavy is imported.

A name is `KIND`, `KIND:NUMBER`, for example `heuristic` or `static:0.5`, or a file FILE.npz of `jcenas train-policy`.
"""

import pathlib

from jcenas import registry
from jcenas.errors import InputError

DEFAULT_POLICY = "heuristic"
FILE_SUFFIX = ".npz"


def policy_names() -> tuple[str, ...]:
    """How every policy may be written, for help texts and errors."""
    return registry.names("policy")


def check_policy(text: str) -> registry.Choice | None:
    """The entry of a policy's name and its number; None for a file, which is read when it is loaded.

    Raises:
      InputError: if the name is unknown, its number is missing, superfluous or out of range, or there is no such file.
    """
    if not text.endswith(FILE_SUFFIX):
        return registry.check("policy", text)
    if not pathlib.Path(text).is_file():
        raise InputError(f"policy {text}: there is no such file; `jcenas train-policy --out {text}` makes one")
    return None

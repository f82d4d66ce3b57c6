"""Public names of a package that are imported on first use (PEP 562), written once, where type checkers read them.

A package lists its names as imports that only a type checker runs, one line a name, and gets the rest from here:

    if TYPE_CHECKING:
        from jcenas.live.config import SearchConfig as SearchConfig
    else:
        __all__, __getattr__, __dir__ = lazy_exports(__name__)

So `import jcenas.live` imports neither JAX nor pandas, and yet a type checker sees the real types. A name must not be
that of a module of the package: whoever imports the module binds the name to it.
"""

import ast
import importlib
import sys
from collections.abc import Callable
from typing import Any


def lazy_exports(package: str) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """What a package that lists its names under `if TYPE_CHECKING` assigns to `__all__`, `__getattr__`, `__dir__`.

    Args:
        package: its `__name__`, while it is being imported.

    Returns:
        Sorted names; a function that imports one and keeps it in the package; a function that lists them.
    """
    module = sys.modules[package]
    homes = type_checking_imports(module.__spec__.loader.get_source(package))  # pyright: ignore
    names = sorted(homes)

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(homes[name]), name)
        setattr(module, name, value)
        return value

    return names, load, lambda: names


def type_checking_imports(source: str) -> dict[str, str]:
    """Module of each name that a source text imports by `from module import name` under `if TYPE_CHECKING`."""
    homes = {}
    for block in ast.parse(source).body:
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING":
            for line in block.body:
                assert isinstance(line, ast.ImportFrom), "only `from module import name` can be loaded on first use"
                homes |= {alias.name: line.module for alias in line.names}
    return homes

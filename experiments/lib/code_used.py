"""Which code a record was made with: its commit, and a digest of the modules that its process had loaded.

A digest counts what the modules say, not how: comments, docstrings and line breaks change nothing.
"""

import ast
import functools
import hashlib
import pathlib
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

ROOT = pathlib.Path(__file__).parents[2]
PARTS = ("jcenas", "experiments")


def commit(root: pathlib.Path = ROOT) -> str | None:
    """Short name of the commit that is checked out, "+" behind it where a file of it has changed; None without git."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        name = git("rev-parse", "--short=10", "HEAD")
        return name + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def used(whole_package: bool = False) -> dict[str, str]:
    """The modules of this project that are loaded and their digest, JSON-ready.

    Args:
      whole_package: count all modules of `jcenas` too: where other processes ran them.
    """
    names = {name for name in sys.modules if name.split(".")[0] in PARTS and _file(name).is_file()}
    if whole_package:
        files = (path.relative_to(ROOT).with_suffix("") for path in (ROOT / "jcenas").rglob("*.py"))
        names |= {".".join(file.parts).removesuffix(".__init__") for file in files}
    return {"digest": digest(names), "modules": " ".join(sorted(names))}


def digest(modules: Iterable[str]) -> str:
    """Digest of what modules say now, 16 hexadecimal digits; a module that is gone counts as one that changed."""
    said = "\0".join(f"{name} {_said(name)}" for name in sorted(modules))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def is_older(made_with: Mapping[str, Any] | None) -> bool:
    """Whether the code has changed since a record was made with what `used` gave; False where it did not say."""
    return made_with is not None and digest(made_with["modules"].split()) != made_with["digest"]


def _file(module: str) -> pathlib.Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@functools.cache
def _said(module: str) -> str:
    file = _file(module)
    if not file.is_file():
        return ""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _docstring(node):
            del node.body[0]
    return ast.unparse(tree)


def _docstring(node: Any) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)

"""The walls of the architecture, read from the syntax trees: imports go down only, and some doors are few."""

import ast
import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parents[1] / "jcenas"
LAYERS = (
    {"units", "errors", "__init__"},
    {"runtime", "registry"},
    {"moo", "spaces"},
    {"nets"},
    {"train", "carbon"},
    {"proxies", "tables"},
    {"problems", "alloc"},
    {"engine"},
    {"live", "sim"},
    {"report"},
    {"cli"},
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
FILES = sorted(PACKAGE.rglob("*.py"))


def part(path: pathlib.Path) -> str:
    """The top-level part of the package that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: pathlib.Path):
    """Dotted names of everything that the file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def outside(path: pathlib.Path) -> set[str]:
    """Top-level names of the imported packages other than jcenas."""
    return {name.split(".")[0] for name in imports(path) if not name.startswith("jcenas")}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_down(path):
    here = part(path)
    if here == "__init__":
        return  # the headline names of all parts, loaded on first use
    for name in imports(path):
        assert name.split(".")[0] not in {"experiments", "tests"}, f"{path.name} imports {name}"
        if name.startswith("jcenas."):
            there = name.split(".")[1]
            if there == "__version__":
                continue
            assert there == here or RANK[there] < RANK[here], f"{here} imports {there}: {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_doors_are_few(path):
    here, name = part(path), str(path.relative_to(PACKAGE))
    found = set(imports(path))
    packages = outside(path) - set(sys.stdlib_module_names)
    if here == "moo":
        assert packages <= {"jax", "numpy", "optax", "flax"}, f"moo imports {packages}"
        assert all(f == "flax.struct" for f in found if f.startswith("flax")), "moo may import flax.struct only"
    if here in {"spaces", "engine", "sim", "units"} or (here == "carbon" and not name.startswith("carbon/forecast/")):
        assert "optax" not in packages, f"{name} imports optax"
        assert not any(f.startswith("flax.linen") for f in found), f"{name} imports Linen"
    if name != "runtime/checkpoint.py":
        assert "orbax" not in packages, f"{name} imports orbax"
    if here != "report":
        assert "matplotlib" not in packages, f"{name} imports matplotlib"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_one_space_is_not_welded_in(path):
    rooms = ("spaces/nasbench201/", "nets/nasbench201/", "problems/nasbench201.py", "tables/", "spaces/__init__.py")
    if str(path.relative_to(PACKAGE)).startswith(rooms):  # the last of them lists every space's headline name
        return
    for name in imports(path):
        assert not name.startswith(("jcenas.spaces.nasbench201", "jcenas.spaces.NasBench201")), f"imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_runtime_names_devices_and_meshes(path):
    if part(path) == "runtime":
        return
    names = {"devices", "local_devices", "device_count", "local_device_count", "make_mesh", "Mesh", "NamedSharding"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "jax":
            assert node.attr not in names, f"{path.name}:{node.lineno} names jax.{node.attr}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_hold_one_idea(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("command", [["-c", "import jcenas, jcenas.live"], ["-m", "jcenas.cli", "--help"]])
def test_fast_start_imports_no_jax(command):
    code = ["-X", "importtime", *command]
    done = subprocess.run([sys.executable, *code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert not loaded & {"jax", "flax", "pandas", "matplotlib", "sklearn"}

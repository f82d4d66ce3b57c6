"""The walls of the architecture, read from the syntax trees: imports go down only, and some doors are few."""

import ast
import functools
import graphlib
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
    {"report", "integrations"},
    {"cli"},
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
FILES = sorted(PACKAGE.rglob("*.py"))


@functools.cache
def tree(path: pathlib.Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text())


def part(path: pathlib.Path) -> str:
    """The top-level part of the package that a file belongs to."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(path: pathlib.Path):
    """Dotted names of everything that the file imports, anywhere in it."""
    for node in ast.walk(tree(path)):
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
    for name in imports(path):
        assert name.split(".")[0] not in {"experiments", "tests"}, f"{path.name} imports {name}"
        if name.startswith("jcenas.") and here != "__init__":  # that has headline names of all, loaded on first use
            there = name.split(".")[1]
            if there == "__version__":
                continue
            assert there == here or RANK[there] < RANK[here], f"{here} imports {there}: {name}"


NOT_EVERYWHERE = {"fcntl", "grp", "msvcrt", "posix", "pty", "pwd", "resource", "termios", "tty", "winreg"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_doors_are_few(path):
    here, name = part(path), str(path.relative_to(PACKAGE))
    found = set(imports(path))
    packages = outside(path) - set(sys.stdlib_module_names)
    assert not outside(path) & NOT_EVERYWHERE, (
        f"{name}: some systems lack that; runtime/lock.py looks whether it is there"
    )
    if here == "moo":
        assert packages <= {"jax", "numpy", "optax", "flax"}, f"{name} imports {packages}"
        assert all(f == "flax.struct" for f in found if f.startswith("flax")), f"{name}: of flax, struct only"
        own = {f.split(".")[1] for f in found if f.startswith("jcenas.")}
        assert own <= {"moo", "units", "runtime"}, f"{name} imports {own}"
    if here in {"spaces", "engine", "sim", "units"} or (here == "carbon" and not name.startswith("carbon/forecast/")):
        assert "optax" not in packages, f"{name} imports optax"
        assert not any(f.startswith("flax.linen") for f in found), f"{name} imports Linen"
    if here != "runtime":
        assert "orbax" not in packages, f"{name} imports orbax"
    if here != "report":
        assert "matplotlib" not in packages, f"{name} imports matplotlib"
    if name != "report/tensorboard.py":
        assert "tensorboardX" not in packages, f"{name} imports tensorboardX"
    if not name.startswith("carbon/meters"):
        assert not packages & {"pynvml", "psutil", "codecarbon", "zeus", "pyRAPL"}, f"{name} imports a meter's library"
    if name != "live/executors/ray.py":
        assert "ray" not in packages, f"{name} imports ray"
    if not name.startswith("integrations/optuna/"):
        assert "optuna" not in packages, f"{name} imports Optuna"


ASK_FOR_DEVICES = {"devices", "local_devices", "device_count", "local_device_count"}
MAKE_SHARDINGS = {"make_mesh", "Mesh", "AxisType", "NamedSharding", "SingleDeviceSharding", "PositionalSharding"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_one_space_is_not_welded_in(path):
    rooms = ("spaces/nasbench201/", "nets/nasbench201/", "problems/nasbench201.py", "tables/", "spaces/__init__.py")
    if str(path.relative_to(PACKAGE)).startswith(rooms):  # the last of them lists every space's headline name
        return
    for name in imports(path):
        assert not name.startswith(("jcenas.spaces.nasbench201", "jcenas.spaces.NasBench201")), f"imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_runtime_names_devices_and_meshes(path):
    # A sharding that is handed in may be named as a type; it is made in runtime.
    if part(path) == "runtime":
        return
    called = {id(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
    for name in imports(path):
        if name.startswith("jax."):
            assert name.split(".")[-1] not in ASK_FOR_DEVICES | MAKE_SHARDINGS, f"{path.name} imports {name}"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("jax."):
            where = f"{path.name}:{node.lineno} names {ast.unparse(node)}"
            assert node.attr not in ASK_FOR_DEVICES, where
            assert id(node) not in called or node.attr not in MAKE_SHARDINGS, where


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_hold_one_idea(path):
    assert len(path.read_text().splitlines()) <= 400


LINES, PARAMETERS = 60, 7


def functions(path: pathlib.Path):
    """Name, lines and parameters of each function, `self` and `cls` not counted."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            own = len([name for name in names if name not in ("self", "cls")])
            yield node.name, node.end_lineno - node.lineno + 1, own


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_functions_fit_a_screen(path):
    for name, lines, parameters in functions(path):
        assert lines <= LINES, f"{path.name}: {name} has {lines} lines"
        assert parameters <= PARAMETERS, f"{path.name}: {name} takes {parameters} parameters"


def loaded_with(path: pathlib.Path, modules: dict[str, pathlib.Path]) -> set[str]:
    """Modules of the package that are imported when the file is; not those that a function imports when called."""
    found = set()

    def walk(nodes):
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                walk(node.orelse)
                continue
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                whole = (f"{node.module}.{alias.name}" for alias in node.names)
                found.update(name if name in modules else node.module for name in whole)
            walk(ast.iter_child_nodes(node))

    walk(tree(path).body)
    return found & set(modules)


def test_imports_make_no_circle():
    parts = {path: path.relative_to(PACKAGE.parent).with_suffix("").parts for path in FILES}
    modules = {".".join(p[:-1] if p[-1] == "__init__" else p): path for path, p in parts.items()}
    graph = {name: loaded_with(path, modules) - {name} for name, path in modules.items()}
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


@pytest.mark.parametrize(
    "command",
    [
        ["-c", "import jcenas"],
        ["-c", "import jcenas.live"],
        ["-c", "from jcenas import Problem, SearchConfig, search; import jcenas.live.executors.worker"],
        ["-c", "import jcenas.live.greener.terminal, jcenas.live.greener.waiting"],
        ["-m", "jcenas.cli", "--help"],
    ],
)
def test_fast_start_imports_no_jax(command):
    code = ["-X", "importtime", *command]
    done = subprocess.run([sys.executable, *code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert not loaded & {"jax", "flax", "pandas", "matplotlib", "sklearn"}

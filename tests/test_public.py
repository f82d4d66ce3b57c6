"""The public surface: what a user may import, that a type checker knows it, and that every name is one thing."""

import importlib
import importlib.resources
import importlib.util
import inspect
import json
import subprocess
import sys

import pytest

from jcenas.runtime.exports import type_checking_imports

PACKAGES = (
    "jcenas",
    *(f"jcenas.{part}" for part in ("moo", "spaces", "nets", "train", "carbon", "carbon.forecast", "carbon.providers")),
    *(f"jcenas.{part}" for part in ("tables", "proxies", "alloc", "engine", "sim", "live", "report")),
)
CONSTANTS = {"ACCEL_NASBENCH", "MEASURES"}  # described in their modules: an instance's docstring is its class's

PROGRAM = """
from jcenas import Problem, SearchConfig, SimulateConfig, Table, load_table, search, simulate
from jcenas.carbon import read_csv
from jcenas.live import SearchResult
from jcenas.moo import hypervolume, lamoo
from jcenas.proxies import MEASURES, Start, make_proxy, synflow
from jcenas.nets import CellNetwork
from jcenas.spaces import NasBench201
from jcenas.train import TrainConfig

space = NasBench201()
optimizer = lamoo(space, capacity=64, batch=8, reference=(1.0, 1.0))
network = CellNetwork(10, channels=8)
proxy = make_proxy(synflow, network)
config = SearchConfig(hours=24)
result = search(config)
done = simulate(SimulateConfig(seeds=2))
table = load_table("toy")
trace = read_csv("trace.csv")
recipe = TrainConfig(batch_size=32)


def evaluate(genome, seed, budget, folder):
    return 0.5


problem = Problem.from_function({"depth": [1, 2]}, evaluate, costs={"size": len}, retries=1)
found = search(problem=problem, optimizer="random", hours=3, trace="grid.csv")

reveal_type(space)  # NasBench201
reveal_type(optimizer)  # Optimizer
reveal_type(network)  # CellNetwork
reveal_type(proxy)  # Proxy
reveal_type(config)  # SearchConfig
reveal_type(result)  # SearchResult
reveal_type(result.pareto)
reveal_type(done)  # Simulation
reveal_type(table)  # Table
reveal_type(trace)  # CarbonTrace
reveal_type(recipe)  # TrainConfig
reveal_type(problem)  # FunctionProblem
reveal_type(found)  # SearchResult
reveal_type(hypervolume(table.genomes, table.genomes[0]))  # Array
reveal_type(MEASURES["synflow"](network, Start(**{}), table.genomes))  # Array

SearchConfig(nonsense=3)  # error: reportCallIssue
lamoo(space, capcity=3)  # error: reportCallIssue
search(problem=problem, channels=3)  # error: reportCallIssue
Problem.from_function({"depth": [1]}, lambda genome: 0.5, costs={})  # error: reportArgumentType
TrainConfig(batch_size="many")  # error: reportArgumentType
from jcenas import serch  # error: reportAttributeAccessIssue
"""


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_exists_and_says_what_it_is(package):
    module = importlib.import_module(package)
    assert module.__all__, "no public names"
    assert set(dir(module)) == set(module.__all__)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        value = getattr(module, name)
        if name in CONSTANTS:
            continue
        assert inspect.isclass(value) or callable(value), f"{package}.{name} is a {type(value).__name__}"
        assert value.__name__ == name, f"{package}.{name} is called {value.__name__} at home"
        first = (inspect.getdoc(value) or "").split("\n\n")[0].strip()
        assert first.endswith("."), f"{package}.{name}: {first!r} is not a sentence"
        assert first[0].isupper(), f"{package}.{name}: {first!r} does not begin as a sentence"


def test_a_public_name_means_one_object():
    homes: dict[str, tuple[str, object]] = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            first, value = homes.setdefault(name, (package, getattr(module, name)))
            assert getattr(module, name) is value, f"{name} is one thing in {first} and another in {package}"


@pytest.mark.parametrize("package", PACKAGES)
def test_unknown_names_are_attribute_errors(package):
    with pytest.raises(AttributeError, match="serch"):
        importlib.import_module(package).serch  # noqa: B018


def test_names_are_read_from_the_imports_of_the_type_checker():
    source = "if TYPE_CHECKING:\n    from a.b import C as C\n    from a import d as d\nelse:\n    from e import f"
    assert type_checking_imports(source) == {"C": "a.b", "d": "a"}
    with pytest.raises(AssertionError, match="can be loaded on first use"):
        type_checking_imports("if TYPE_CHECKING:\n    import a")


def test_no_package_hides_a_name_behind_a_module_of_its_own():
    """A module that has been imported takes its name in the package, before `__getattr__` is asked."""
    lazy = [module for module in map(importlib.import_module, PACKAGES) if hasattr(module, "__getattr__")]
    assert len(lazy) > 5
    for package, name in ((module.__name__, name) for module in lazy for name in module.__all__):
        assert importlib.util.find_spec(f"{package}.{name}") is None, f"{package}.{name} is a module too"


@pytest.mark.slow
def test_a_type_checker_sees_real_types(tmp_path):
    pytest.importorskip("pyright", reason="pyright is not installed: pip install 'jcenas[dev]'")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "basic"}))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    found = json.loads(done.stdout)["generalDiagnostics"]
    lines = PROGRAM.split("\n")
    errors = {(d["range"]["start"]["line"], d["rule"]) for d in found if d["severity"] == "error"}
    expected = {(i, line.split("# error: ")[1]) for i, line in enumerate(lines) if "# error: " in line}
    assert errors == expected, json.dumps(found, indent=1)
    revealed = {d["range"]["start"]["line"]: d["message"] for d in found if d["severity"] == "information"}
    asked = [i for i, line in enumerate(lines) if line.startswith("reveal_type")]
    for i in asked:
        kind = revealed[i].rsplit(" is ", 1)[1].strip('"')
        assert "Any" not in kind, lines[i]
        assert "Unknown" not in kind, lines[i]
        if "  # " in lines[i]:
            assert kind == lines[i].rsplit("# ", 1)[1]


def test_the_package_says_that_it_is_typed():
    assert (importlib.resources.files("jcenas") / "py.typed").is_file()

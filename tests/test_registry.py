"""The registry: built-in targets, names and arguments, and entries that other packages bring."""

import importlib.util
import inspect
import os
import subprocess
import sys
import textwrap

import pytest

from jcenas import registry
from jcenas.errors import InputError
from jcenas.registry import plugins

BUILT_IN = [entry for kind in registry.KINDS for entry in registry.built_in(kind).values()]


def is_written(entry):
    """Whether the module of the target exists."""
    return importlib.util.find_spec(entry.target.partition(":")[0]) is not None


def test_all_kinds_have_entries():
    assert {entry.kind for entry in BUILT_IN} == set(registry.KINDS)


@pytest.mark.parametrize("entry", [e for e in BUILT_IN if e.kind != "stage" or is_written(e)], ids=lambda e: e.name)
def test_every_target_is_there(entry):
    target = registry.load_entry(entry)
    assert callable(target)
    assert inspect.getdoc(target)
    assert entry.help
    assert "\n" not in entry.help
    assert entry.source == "jcenas"


def test_every_name_can_be_chosen_as_it_is_written():
    for entry in BUILT_IN:
        example = {"PATH": "x.csv", "NAME": "synflow", "SHARE": "0.5"}
        text = entry.name
        if entry.argument is not None and entry.argument.required:
            text += ":" + example[entry.argument.placeholder]
        choice = registry.check(entry.kind, text)
        assert choice.entry == entry
        assert (choice.argument is None) == (entry.argument is None)


@pytest.mark.parametrize(
    ("kind", "text", "argument", "arguments"),
    [
        ("policy", "heuristic", None, ()),
        ("policy", "threshold", 0.5, (0.5,)),
        ("policy", "pace:0.125", 0.125, (0.125,)),
        ("stage", "zero-shot:snip", "snip", ("snip",)),
        ("provider", "file:a:b.csv", "a:b.csv", ("a:b.csv",)),
    ],
)
def test_arguments_by_hand(kind, text, argument, arguments):
    choice = registry.check(kind, text)
    assert (choice.argument, choice.arguments) == (argument, arguments)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("optimizer", "lamo", "unknown optimizer 'lamo'; did you mean 'lamoo'[?] the optimizers are lamoo, lamoo-ehvi"),
        ("optimizer", "", "unknown optimizer ''; the optimizers are"),
        ("optimizer", "lamoo:3", "optimizer 'lamoo' takes nothing after a colon"),
        ("optimizer", "lamoo:", "optimizer 'lamoo' takes nothing after a colon"),
        ("proxy", "NASWOT", "did you mean 'naswot'"),
        ("images", "minst", "unknown data set 'minst'; did you mean 'mnist'[?] the data sets are digits"),
        ("policy", "oracle:2", r"2 is not in \[0, 1\]; write, for example, oracle:0.5"),
        ("policy", "static", r"policy 'static' needs a number in \[0, 1\]"),
        ("stage", "zero-shot", "stage 'zero-shot' needs a NAME after a colon: zero-shot:NAME"),
        ("stage", "zero-shot:synflo", "unknown proxy 'synflo'; did you mean 'synflow'"),
        ("provider", "file:", "carbon provider 'file:' needs a PATH"),
        ("meter", "nvlm", "unknown meter 'nvlm'; did you mean 'nvml'[?] the meters are none, auto, nvml, rapl"),
        ("executor", "remote", "unknown executor 'remote'; the executors are local, ray, workers"),
        ("optimiser", "lamoo", "unknown kind 'optimiser'; did you mean 'optimizer'"),
    ],
)
def test_bad_names_are_one_line(kind, text, message):
    with pytest.raises(InputError, match=message) as said:
        registry.check(kind, text)
    assert "\n" not in str(said.value)


def test_importing_it_imports_little():
    code = "import sys, jcenas.registry; jcenas.registry.names('policy'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"jax", "numpy", "pandas", "tyro"}


# Entries of other packages.

MODULE = '''
"""Another package's search."""
from jcenas.registry import Argument, describe


def optimizer(space, *, capacity, batch, reference):
    """Their optimiser: uniform draws."""
    from jcenas.moo import random_search

    return random_search(space, capacity=capacity, batch=batch)


@describe(argument=Argument("SHARE", 0.75, limits=(0.5, 1.0)))
def policy(share):
    """Their policy: a constant share.

    More about it.
    """
    from jcenas.alloc.policies import Policy, constant, static

    print("their policy decides", share)
    return Policy("theirs", constant(share), static)


def proxy(network, start, genome):
    """Their proxy."""
    return genome.sum()


class Provider:
    """Their provider."""

    name = "theirs"


@describe(options={"unit": "edges", "how": "counted"})
def cost(problem, genomes):
    """Their cost."""
    return (genomes > 0).sum(axis=-1)


def stage():
    """Their stage."""


class Meter:
    """Their meter."""

    name, measures = "theirs", "a constant"

    def open(self, devices):
        from jcenas.carbon.meters.meter import Counter

        return [Counter("theirs", tuple(range(len(devices))))]

    def read(self, places):
        return [1.0]

    def close(self):
        pass


@describe(options={"run": "networks"})
def executor(parts):
    """Their executor."""
    from jcenas.live.executors.local import LocalExecutor

    return LocalExecutor.of(parts)
'''
POINTS = {"optimizer": "optimizer", "policy": "policy", "proxy": "proxy", "provider": "Provider", "cost": "cost"}
POINTS |= {"stage": "stage", "meter": "Meter", "executor": "executor"}


def install(folder, distribution, points, **modules):
    """A package as an installer leaves it: modules, and a `.dist-info` with entry points (group, name, value)."""
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    text = "\n".join(f"[jcenas.{kind}]\n{name} = {value}\n" for kind, name, value in points)
    (info / "entry_points.txt").write_text(text)
    return info


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """A folder on the path for other packages; the registry reads entry points anew before and after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins.plugins.cache_clear()
    yield tmp_path
    plugins.plugins.cache_clear()


def jcenas(folder, *arguments):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(folder), *filter(None, sys.path)]))
    command = [sys.executable, "-m", "jcenas.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)


@pytest.mark.slow
def test_a_package_brings_one_of_each_kind(tmp_path):
    points = [(kind, "theirs", f"their_search:{name}") for kind, name in POINTS.items()]
    install(tmp_path, "their-package", points, their_search=MODULE)
    listed = jcenas(tmp_path, "list")
    assert listed.returncode == 0, listed.stderr
    rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines() if "their-package" in line]
    assert rows == [
        ["theirs", "their-package", text]
        for text in (
            "Their optimiser: uniform draws.",
            "Their policy: a constant share.",
            "Their stage.",
            "Their provider.",
            "Their executor.",
            "Their meter.",
            "Their proxy.",
            "Their cost.",
        )
    ]
    sizes = "--table toy --stage none --seeds 2 --hours 2 --devices 2 --quiet"
    small = f"simulate {sizes} --optimizer theirs --policy".split()
    done = jcenas(tmp_path, *small, "theirs")
    assert done.returncode == 0, done.stderr
    assert "their policy decides 0.75" in done.stdout
    assert "toy, optimizer theirs, stage none, policy theirs" in done.stdout
    done = jcenas(tmp_path, *small, "theirs:0.25")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "0.25 is not in [0.5, 1]" in done.stderr


def test_entries_of_a_package_by_name(packages):
    points = [(kind, "theirs", f"their_search_2:{name}") for kind, name in POINTS.items()]
    install(packages, "their-package", points, their_search_2=MODULE)
    assert registry.entries("optimizer")["theirs"].source == "their-package"
    assert list(registry.built_in("optimizer")) == list(registry.entries("optimizer"))[:-1]
    assert "their_search_2" not in sys.modules  # names are known before anything is imported
    assert registry.check("stage", "zero-shot:theirs").argument == "theirs"
    from jcenas.carbon.providers import provider_from_name
    from jcenas.live import SearchConfig

    assert provider_from_name("theirs").name == "theirs"
    assert registry.check("cost", SearchConfig(cost="theirs").cost[0]).entry.options["unit"] == "edges"
    from jcenas.carbon.meters.names import meter_from_name

    config = SearchConfig(meter="theirs", executor="theirs")
    assert meter_from_name(config.meter).read([0]) == [1.0]
    with pytest.raises(InputError, match="--executor theirs does not run a function of your own"):
        SearchConfig(problem="function", cost=("x",), executor="theirs")


def test_a_broken_package_fails_only_where_it_is_chosen(packages):
    points = [
        ("optimizer", "raises", "their_broken:optimizer"),
        ("optimizer", "lacks", "jcenas.errors:nothing"),
        ("optimizer", "nowhere", "no_such_module:optimizer"),
        ("optimizer", "malformed", "jcenas.errors"),
    ]
    install(packages, "broken-package", points, their_broken="raise RuntimeError('two\\nlines')")
    assert registry.check("optimizer", "lamoo").entry.name == "lamoo"
    for name, reason in (
        ("raises", "RuntimeError: two lines"),
        ("lacks", "AttributeError"),
        ("nowhere", "ModuleNotFoundError"),
        ("malformed", "no attribute"),
    ):
        with pytest.raises(InputError, match=f"the package broken-package cannot be loaded.*{reason}") as said:
            registry.load("optimizer", name)
        assert "\n" not in str(said.value)
        assert registry.help_line(registry.entries("optimizer")[name]) == str(said.value)


def test_no_package_takes_a_name_that_is_taken(packages):
    install(packages, "greedy", [("policy", "ppo", "a:b"), ("policy", "twice", "a:b"), ("policy", "x:y", "a:b")])
    install(packages, "late", [("policy", "twice", "c:d")])
    assert registry.entries("policy") == registry.built_in("policy")
    for name, reason in (
        ("ppo", "'ppo' is built in, but the package greedy claims the name; uninstall greedy"),
        ("twice", "two packages, greedy and late, have a policy 'twice'"),
    ):
        with pytest.raises(InputError, match=reason):
            registry.check("policy", name)
    assert "has a colon or a comma in its name" in registry.conflicts("policy")["x:y"]
    assert registry.check("policy", "heuristic").entry.source == "jcenas"


def test_a_damaged_distribution_hides_no_other(packages):
    damaged = install(packages, "damaged", [])
    (damaged / "entry_points.txt").write_text("[jcenas.policy]\nno equals sign\n")
    install(packages, "whole", [("policy", "theirs", "a:b")])
    assert registry.entries("policy")["theirs"].source == "whole"

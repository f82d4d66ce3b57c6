"""Registry of everything that is chosen by name: optimisers, policies, stages, tables, data sets, meters, costs.

An entry says where the object is ("module:attribute"), what it is in one line, and what may follow its name after a
colon. Nothing is imported before it is chosen: the registry imports no JAX, and other packages' entry points are read
on first use. Command-line choices, error messages, `jcenas list` and the contract tests all read it.

Other packages add entries by entry points of the groups `jcenas.optimizer`, `jcenas.policy` and so on:

    [project.entry-points."jcenas.optimizer"]
    mine = "my_package.search:mine"

The object must be what the built-in ones of its kind are:

    optimizer   factory(space, *, capacity, batch, reference) -> jcenas.moo.Optimizer
    policy      factory() -> jcenas.alloc.Policy; factory(number) where the entry takes one
    stage       factory of jcenas.engine.stages
    table       factory() -> jcenas.tables.Table; its options: see `jcenas.tables.names`
    images      reader(*files) -> parts; its options: see `jcenas.train.images.ImageSource`
    provider    factory() -> jcenas.carbon.providers.Provider; factory(text) where the entry takes one; its option:
                service, False where it needs no network and so is not bound to real hours
    executor    factory(parts: Parts) -> jcenas.live.executors.executor.Executor on `parts.devices` devices, which
                charges all that they do to `parts.ledger`; its option: run, "networks" or "function"
    meter       factory() -> jcenas.carbon.meters.meter.Meter
    proxy       measure(network, start, genome) -> score, see `jcenas.proxies.zero_shot`
    problem     subclass of jcenas.problems.NetworkProblem; its options: channels, cells, drawing
    cost        formula(problem, genomes) -> cost of each, float32 (n,); its options: unit, how

`describe` tells what an entry point cannot: the argument and the options.
"""

from jcenas.registry.entry import KINDS, Argument, Choice, Entry, describe
from jcenas.registry.lookup import (
    built_in,
    check,
    conflicts,
    entries,
    help_line,
    load,
    load_entry,
    names,
    written,
)

__all__ = [
    "KINDS",
    "Argument",
    "Choice",
    "Entry",
    "built_in",
    "check",
    "conflicts",
    "describe",
    "entries",
    "help_line",
    "load",
    "load_entry",
    "names",
    "written",
]

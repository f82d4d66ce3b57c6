"""`jcenas list`."""

import dataclasses
from typing import ClassVar

import tyro

from jcenas import registry
from jcenas.cli.printing import print_table


@dataclasses.dataclass(frozen=True)
class ListNames:
    """List what can be chosen by name: optimizers, policies, tables and so on, and which package each comes from.

    Attributes:
        kind: one of optimizer, policy, stage, problem, table, images, provider, executor, meter, proxy, cost; all if
            left out.
    """

    computes: ClassVar[bool] = False
    kind: tyro.conf.Positional[str] = ""

    def __post_init__(self):
        if self.kind:
            registry.built_in(self.kind)  # refuses an unknown kind

    def run(self) -> int:
        """Print a table a kind."""
        blocks = [kind for kind in registry.KINDS if registry.entries(kind) or registry.conflicts(kind)]
        for i, kind in enumerate([self.kind] if self.kind else blocks):
            if i:
                print()
            rows = [
                (registry.written(entry), entry.source, registry.help_line(entry))
                for entry in registry.entries(kind).values()
            ]
            print_table((kind, "from", ""), rows)
            for line in registry.conflicts(kind).values():
                print(f"refused: {line}")
        return 0

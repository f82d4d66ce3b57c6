"""`jcenas report`."""

import dataclasses
from pathlib import Path
from typing import ClassVar

import tyro


@dataclasses.dataclass(frozen=True)
class Report:
    """Rebuild report.html and the plots of a run folder.

    Attributes:
        folder: the run folder, such as runs/NAME.
    """

    computes: ClassVar[bool] = False
    folder: tyro.conf.Positional[Path]

    def run(self) -> int:
        """Write them and print where the page is."""
        from jcenas.report import write_report

        print(write_report(self.folder))
        return 0

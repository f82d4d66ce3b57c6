"""The tests marked `accelerator`, on this device: how each ended, how long it took, and what it said.

Pytest runs in this process without any plug-in of others, and collects only files that have the mark, so that a package
that only other tests need may be absent.
"""

import os
import pathlib
from typing import Any

import pytest

from experiments.accelerator.table import REASON_LENGTH, Table
from experiments.lib.recording import NOT_APPLICABLE

COLUMNS = ("outcome", "seconds", "message")
EXPECTED = "all pass but those that need several devices, within three minutes"
NOTES = ("`pytest -m accelerator`; seconds include compilation.",)
ROW_S = 60.0
ROOT = pathlib.Path(__file__).parents[2]
MARK = "mark.accelerator"
OPTIONS = ("-o", "addopts=", "--strict-markers", "--import-mode=importlib", "-p", "no:cacheprovider", "-q")
SMOKE = "by_hand"  # of the marked tests, by name: the quick ones


class Rows:
    """A pytest plug-in that makes every test a row, and leaves out those that the table has."""

    def __init__(self, table: Table):
        """Fill `table`."""
        self.table = table
        self.seconds: dict[str, float] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Drop what an earlier process has run."""
        items[:] = [item for item in items if not self.table.seen(item.nodeid)]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Tell the runner which test begins."""
        self.seconds[nodeid] = 0.0
        self.table.begin(nodeid, ROW_S)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a test that has ended, one way or another."""
        self.seconds[report.nodeid] += report.duration
        if self.table.find(report.nodeid) is None and (report.when == "call" or report.outcome != "passed"):
            self.add(report.nodeid, report.outcome, self.seconds[report.nodeid], _message(report))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep a file that could not be collected."""
        if report.failed and not self.table.seen(report.nodeid):
            self.add(report.nodeid, "not collected", 0.0, _message(report))

    def add(self, name: str, outcome: str, seconds: float, message: str) -> None:
        """A row."""
        self.table.add(name, dict(zip(COLUMNS, (outcome, seconds, message), strict=True)))


def _message(report: Any) -> str:
    """The last line of what went wrong, or why a test was skipped."""
    if report.outcome == "passed":
        return NOT_APPLICABLE
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return report.longrepr[2][:REASON_LENGTH]
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash else str(report.longrepr).strip()
    return " ".join((text if crash else text.splitlines()[-1]).split())[:REASON_LENGTH]


def marked_files() -> list[str]:
    """Files of tests with the mark, relative to the root."""
    found = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in found if MARK in path.read_text(encoding="utf-8")]


def measure(table: Table, *, smoke: bool) -> None:
    """Run them.

    Raises:
      RuntimeError: a test did not pass, or there was none.
    """
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    chosen = ["-k", SMOKE] if smoke else []
    code = pytest.main([*OPTIONS, "-m", "accelerator", *chosen, *marked_files()], plugins=[Rows(table)])
    bad = [row for row in table.rows if row["outcome"] not in ("passed", "skipped")]
    if bad or not table.rows:
        raise RuntimeError(f"{len(bad)} of {len(table.rows)} marked tests did not pass; pytest ended with {code!r}")

"""Plots and the self-contained HTML report of one run folder, finished, interrupted or still running."""

from jcenas.report import matplotlib_start as matplotlib_start
from jcenas.report.page import write_report

__all__ = ["write_report"]


def __dir__() -> list[str]:
    return __all__

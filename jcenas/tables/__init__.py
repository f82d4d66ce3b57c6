"""Tabular NAS benchmarks as device arrays; where data lives, fetching, integrity.

Names are loaded on first use, so that `import jcenas.tables` imports neither JAX nor pandas.
"""

from typing import TYPE_CHECKING

from jcenas.runtime.exports import lazy_exports

if TYPE_CHECKING:
    from jcenas.tables.grid import Grid as Grid
    from jcenas.tables.grid import Listed as Listed
    from jcenas.tables.names import Objectives as Objectives
    from jcenas.tables.names import check_table as check_table
    from jcenas.tables.names import load_table as load_table
    from jcenas.tables.names import table_names as table_names
    from jcenas.tables.own_table import from_csv as from_csv
    from jcenas.tables.store import locate as locate
    from jcenas.tables.table import Table as Table
else:
    __all__, __getattr__, __dir__ = lazy_exports(__name__)

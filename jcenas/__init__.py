"""jcenas: carbon-aware, multi-objective neural architecture search on JAX.

    from jcenas import SearchConfig, search
    print(search(SearchConfig(hours=24)).pareto)

The headline names are here, all others in their packages: `jcenas.moo`, `.spaces`, `.nets`, `.train`, `.carbon`,
`.tables`, `.proxies`, `.alloc`, `.engine`, `.sim`, `.live`. Names are loaded on first use, so that importing the
package imports no JAX.
"""

from typing import TYPE_CHECKING

from jcenas.runtime.exports import lazy_exports

__version__ = "0.2.0"

if TYPE_CHECKING:
    from jcenas.carbon.trace import CarbonTrace as CarbonTrace
    from jcenas.carbon.typical_year import typical_year as typical_year
    from jcenas.errors import InputError as InputError
    from jcenas.live.config import SearchConfig as SearchConfig
    from jcenas.live.entry import search as search
    from jcenas.live.finish import SearchResult as SearchResult
    from jcenas.live.greener.decorator import greenest as greenest
    from jcenas.problems.problem import Problem as Problem
    from jcenas.sim.config import SimulateConfig as SimulateConfig
    from jcenas.sim.run import Simulation as Simulation
    from jcenas.sim.run import simulate as simulate
    from jcenas.tables.names import load_table as load_table
    from jcenas.tables.table import Table as Table
else:
    __all__, __getattr__, __dir__ = lazy_exports(__name__)

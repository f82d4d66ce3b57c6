"""The real cluster: a carbon-aware search on the devices of this machine.

    from jcenas.live import SearchConfig, search
    result = search(SearchConfig(hours=24))
    print(result.pareto)

Names are loaded on first use, so that the command line can read the configuration without importing JAX.
"""

from typing import TYPE_CHECKING

from jcenas.runtime.exports import lazy_exports

if TYPE_CHECKING:
    from jcenas.live.config import SearchConfig as SearchConfig
    from jcenas.live.entry import search as search
    from jcenas.live.finish import SearchResult as SearchResult
    from jcenas.live.greener.config import GreenerConfig as GreenerConfig
else:
    __all__, __getattr__, __dir__ = lazy_exports(__name__)

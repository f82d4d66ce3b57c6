"""Providers of carbon intensity for a running search: live services, a file, or the typical year.

Every provider has `history` and `forecast`. Names are loaded on first use.
"""

from typing import TYPE_CHECKING

from jcenas.runtime.exports import lazy_exports

if TYPE_CHECKING:
    from jcenas.carbon.providers.base import Fallback as Fallback
    from jcenas.carbon.providers.base import Provider as Provider
    from jcenas.carbon.providers.base import ProviderError as ProviderError
    from jcenas.carbon.providers.base import ProviderWarning as ProviderWarning
    from jcenas.carbon.providers.electricity_maps import ElectricityMaps as ElectricityMaps
    from jcenas.carbon.providers.great_britain import GreatBritain as GreatBritain
    from jcenas.carbon.providers.http_client import HttpClient as HttpClient
    from jcenas.carbon.providers.local import File as File
    from jcenas.carbon.providers.local import TypicalYear as TypicalYear
    from jcenas.carbon.providers.names import provider_from_name as provider_from_name
    from jcenas.carbon.providers.watttime import WattTime as WattTime
else:
    __all__, __getattr__, __dir__ = lazy_exports(__name__)

"""Grid carbon: traces, the typical-year model, power of devices, and the accounting of energy and emissions.

Names are loaded on first use, so that `import jcenas.carbon` imports neither JAX nor pandas. `typical_year` is
the name of a module here; the function is `jcenas.typical_year`.
"""

from typing import TYPE_CHECKING

from jcenas.runtime.exports import lazy_exports

if TYPE_CHECKING:
    from jcenas.carbon.accounting import Charge as Charge
    from jcenas.carbon.accounting import charge as charge
    from jcenas.carbon.csv_file import read_csv as read_csv
    from jcenas.carbon.json_file import read_json as read_json
    from jcenas.carbon.mix_file import read_mix_csv as read_mix_csv
    from jcenas.carbon.power import PowerModel as PowerModel
    from jcenas.carbon.trace import CarbonTrace as CarbonTrace
    from jcenas.carbon.trace_file import read_trace as read_trace
    from jcenas.carbon.zones import check_zone as check_zone
    from jcenas.carbon.zones import zone_names as zone_names
else:
    __all__, __getattr__, __dir__ = lazy_exports(__name__)

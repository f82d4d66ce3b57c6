"""Who decides the split of the devices between sampling and evaluating: policies of one signature.

    policy(key, params, observation) -> evaluation share in [0, 1]

Names are loaded on first use, so that `import jcenas.alloc` imports no JAX.
"""

from typing import TYPE_CHECKING

from jcenas.runtime.exports import lazy_exports

if TYPE_CHECKING:
    from jcenas.alloc.devices import devices_for_share as devices_for_share
    from jcenas.alloc.environment import Environment as Environment
    from jcenas.alloc.learned import load_policy as load_policy
    from jcenas.alloc.names import check_policy as check_policy
    from jcenas.alloc.names import policy_names as policy_names
    from jcenas.alloc.observation import Observation as Observation
    from jcenas.alloc.policies import Policy as Policy
    from jcenas.alloc.policies import policy_from_name as policy_from_name
    from jcenas.alloc.ppo import PpoConfig as PpoConfig
else:
    __all__, __getattr__, __dir__ = lazy_exports(__name__)

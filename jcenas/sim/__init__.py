"""The simulated cluster and the whole carbon-aware search as one scan."""

from typing import TYPE_CHECKING

from jcenas.runtime.exports import lazy_exports

if TYPE_CHECKING:
    from jcenas.sim.config import SimulateConfig as SimulateConfig
    from jcenas.sim.config import TrainPolicyConfig as TrainPolicyConfig
    from jcenas.sim.many import carbon_to_reach as carbon_to_reach
    from jcenas.sim.run import Simulation as Simulation
    from jcenas.sim.run import simulate as simulate
    from jcenas.sim.run import summary_rows as summary_rows
else:
    __all__, __getattr__, __dir__ = lazy_exports(__name__)

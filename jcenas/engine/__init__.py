"""What the simulated and the live search share: observation, stages, queue, budgets, the search's state."""

from typing import TYPE_CHECKING

from jcenas.runtime.exports import lazy_exports

if TYPE_CHECKING:
    from jcenas.engine.candidates import Inputs as Inputs
    from jcenas.engine.grid import GridHours as GridHours
    from jcenas.engine.observe import Budget as Budget
    from jcenas.engine.observe import Outlook as Outlook
    from jcenas.engine.observe import Status as Status
    from jcenas.engine.process import Prediction as Prediction
    from jcenas.engine.stages import Stage as Stage
    from jcenas.engine.stages import stage_from_name as stage_from_name
    from jcenas.engine.state import Catalog as Catalog
    from jcenas.engine.state import SearchSizes as SearchSizes
    from jcenas.engine.state import SearchState as SearchState
else:
    __all__, __getattr__, __dir__ = lazy_exports(__name__)

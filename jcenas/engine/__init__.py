"""What the simulated and the live search share: observation, stages, queue, budgets, the search's state."""

from typing import TYPE_CHECKING

from jcenas.runtime.exports import lazy_exports

if TYPE_CHECKING:
    from jcenas.engine.predictor import Inputs as Inputs
    from jcenas.engine.predictor import Prediction as Prediction
else:
    __all__, __getattr__, __dir__ = lazy_exports(__name__)

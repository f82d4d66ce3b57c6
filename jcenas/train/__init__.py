"""Training on device: images, augmentation, the recipe, jitted chunks of steps, and several networks side by side."""

from typing import TYPE_CHECKING

from jcenas.runtime.exports import lazy_exports

if TYPE_CHECKING:
    from jcenas.train.images import ImageSet as ImageSet
    from jcenas.train.images import ImageSource as ImageSource
    from jcenas.train.images import Split as Split
    from jcenas.train.images import image_set as image_set
    from jcenas.train.images import load_images as load_images
    from jcenas.train.population import Population as Population
    from jcenas.train.population import make_population as make_population
    from jcenas.train.recipe import TrainConfig as TrainConfig
    from jcenas.train.training import Trainer as Trainer
    from jcenas.train.training import TrainState as TrainState
    from jcenas.train.training import make_trainer as make_trainer
else:
    __all__, __getattr__, __dir__ = lazy_exports(__name__)

"""Search spaces: integer genomes, sampling, mutation, validity and the strings of each community.

Names are loaded on first use: worker processes that evaluate a user's function import no JAX.
"""

from typing import TYPE_CHECKING

from jcenas.runtime.exports import lazy_exports

if TYPE_CHECKING:
    from jcenas.spaces.darts import Darts as Darts
    from jcenas.spaces.genotype import Genotype as Genotype
    from jcenas.spaces.mixed import Mixed as Mixed
    from jcenas.spaces.mobilenet import ACCEL_NASBENCH as ACCEL_NASBENCH
    from jcenas.spaces.mobilenet import MobileNet as MobileNet
    from jcenas.spaces.named import Named as Named
    from jcenas.spaces.nasbench101 import NasBench101 as NasBench101
    from jcenas.spaces.nasbench201 import NasBench201 as NasBench201
    from jcenas.spaces.nasnet import NasNet as NasNet
else:
    __all__, __getattr__, __dir__ = lazy_exports(__name__)

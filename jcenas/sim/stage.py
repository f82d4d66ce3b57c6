"""The cheap stage: what a search believes about proposals that nobody has trained yet.

- `none`: nothing; proposals are trained in the order in which they were proposed (vanilla LaMOO).
- `supernet`: the table's estimate of the error; scoring a proposal takes a sampling device's time (CE-NAS).
- `predictor`: a Gaussian process on scores that need no training, conditioned on the finished evaluations anew in each
  interval (`jcenas.engine.predictor`). Scoring the whole space takes device time before the search, the process none.
  Supernets do not rank good cells (few-shot NAS's own tables: Kendall's tau about 0 among the best half).

The cost of a candidate is known exactly at all stages: it is measured or counted without training.
"""

from typing import Literal

Stage = Literal["none", "supernet", "predictor"]
STAGES: tuple[Stage, ...] = ("none", "supernet", "predictor")

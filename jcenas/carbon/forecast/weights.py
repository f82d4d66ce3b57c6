"""Forecasters as files: one compressed `.npz`, weights in half precision, read with NumPy; and the one that ships.

`jcenas/carbon/data/forecaster.npz` was trained by `experiments/forecast/weights.py` on intensity histories only, of all
zones of the typical-year model and more; it serves any zone that has a week of hourly history.
"""

import dataclasses
import functools
import json
import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.errors import FlaxError
from flax.traverse_util import flatten_dict, unflatten_dict

from jcenas.carbon.forecast import features
from jcenas.carbon.forecast.forecaster import Forecaster, log_forecast
from jcenas.carbon.forecast.linear import LinearBase
from jcenas.carbon.forecast.network import ForecastNetwork
from jcenas.errors import InputError, without_breaks
from jcenas.runtime.archive import read_arrays
from jcenas.runtime.paths import replacing

FILE = pathlib.Path(__file__).parents[1] / "data" / "forecaster.npz"
_CONFIG = ("zones", "width", "layers", "heads", "patch_h", "own_scale")
_REMEDY = "give a file that `jcenas forecast --train --weights FILE` wrote"
_LINEAR = tuple(field.name for field in dataclasses.fields(LinearBase))


def save(path: str | os.PathLike, forecaster: Forecaster, *, about: str = "") -> None:
    """Write a forecaster, atomically; the network's weights are rounded to float16, the rest stays float32.

    Args:
      path: the file, `.npz`.
      forecaster: what to write.
      about: where it comes from, one line.
    """
    arrays = {
        f"params/{name}": np.asarray(x, np.float16) for name, x in flatten_dict(forecaster.params, sep="/").items()
    }
    arrays |= {"scale": np.asarray(forecaster.scale), "share": np.asarray(forecaster.share)}
    if forecaster.linear is not None:
        arrays |= {f"linear/{name}": np.asarray(getattr(forecaster.linear, name)) for name in _LINEAR}
    config = {name: getattr(forecaster.network, name) for name in _CONFIG}
    arrays |= {"config": np.array(json.dumps(config)), "about": np.array(about)}
    with replacing(pathlib.Path(path)) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]


def load(path: str | os.PathLike) -> Forecaster:
    """Read a forecaster.

    Raises:
      InputError: if the file cannot be read, is none that `save` wrote, or its arrays do not fit together.
    """
    made = _read(path)
    history = jax.ShapeDtypeStruct((features.WINDOW_H, len(features.HISTORY)), jnp.float32)
    known = jax.ShapeDtypeStruct((features.HORIZON_H, len(features.KNOWN)), jnp.float32)
    try:
        jax.eval_shape(log_forecast, made, history, known)
    except (FlaxError, TypeError, ValueError) as error:
        said = without_breaks(error)[:200]
        raise InputError(f"{path} is no forecaster (its arrays do not fit together: {said}); {_REMEDY}") from error
    return made


def _read(path: str | os.PathLike) -> Forecaster:
    stored = read_arrays(path, kind="forecaster", remedy=_REMEDY)
    try:
        network = ForecastNetwork(**json.loads(str(stored["config"])))
        flat = {name.removeprefix("params/"): x for name, x in stored.items() if name.startswith("params/")}
        params: Any = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), unflatten_dict(flat, sep="/"))
        linear = None
        if "linear/weights" in stored:
            linear = LinearBase(**{name: jnp.asarray(stored[f"linear/{name}"]) for name in _LINEAR})
        return Forecaster(
            params=params,
            scale=jnp.asarray(stored["scale"]),
            share=jnp.asarray(stored["share"]),
            linear=linear,
            network=network,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is no forecaster ({without_breaks(error)}); {_REMEDY}") from error


@functools.cache
def default_forecaster() -> Forecaster:
    """The forecaster that ships: any zone, from a week of hourly intensities alone."""
    return _read(FILE)

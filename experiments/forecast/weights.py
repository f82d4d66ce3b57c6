"""Train the forecaster that ships and write jcenas/carbon/data/forecaster.npz (<= 3 MB).

Command:  JCENAS_DATA=FOLDER python -m experiments.forecast.weights [--held-out --out FILE] [--smoke]
Expected: a file below 1 MB. Cost: about five minutes on 2 CPU cores; `--smoke` some seconds, and writes to --out only.

Trained on every series that there is, all years, intensities only: how well such a network does on zones and months
that it has not seen is measured by `experiments/forecast/zero_shot.py`, with trainings that had not. The quantiles are
calibrated on a network of the same recipe that had not seen the last year of each series. `--held-out` leaves out July
to December of 2021 to 2023 altogether: `--out experiments/forecast/held_out.npz` is the file of the studies that are
tested there, which hand it to `GridHours(forecaster=...)`.
"""

import argparse
import datetime
import pathlib
import sys
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from experiments.forecast.protocol import cut
from experiments.forecast.zero_shot import NETWORK, RECIPE
from experiments.forecast.zones import further_traces, until, without_test_months, zone_traces
from jcenas.carbon.forecast import weights, windows
from jcenas.carbon.forecast.conformal import fit_scale
from jcenas.carbon.forecast.fit import train
from jcenas.carbon.forecast.forecaster import uncalibrated
from jcenas.carbon.forecast.network import ForecastNetwork, log_intensity
from jcenas.carbon.forecast.training import ForecastTraining

CALIBRATE = datetime.datetime(2022, 10, 1, tzinfo=datetime.UTC)
ATTRIBUTION = "trained on data of Electricity Maps (electricitymaps.com, ODbL 1.0) and CarbonCast (Apache-2.0)"


def main(arguments: Sequence[str] | None = None) -> pathlib.Path:
    """Train, write, and return the path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="a few steps on a few zones")
    parser.add_argument("--held-out", action="store_true", help="leave out July to December of 2021 to 2023")
    parser.add_argument("--out", type=pathlib.Path, default=None, help="default: the package's own file")
    given = parser.parse_args(arguments)
    traces, recipe, network = [*zone_traces().values(), *further_traces()], RECIPE, NETWORK
    if given.smoke:
        traces, recipe = traces[:6], ForecastTraining(steps=4, chunk_steps=2, batch_size=8)
        network = ForecastNetwork(width=16, layers=1)
        if given.out is None:
            parser.error("--smoke needs --out: the shipped file is not overwritten by a toy")
    if given.held_out:
        if given.out is None:
            parser.error("--held-out needs --out: the file that ships has seen all hours")
        traces = without_test_months(traces)

    def progress(done, steps, loss):
        sys.stdout.write(f"{done}/{steps} loss {loss:.4f}\n")
        sys.stdout.flush()

    early = until(traces, CALIBRATE)
    table, spans = windows.make_table(early, [0] * len(early))
    rows = np.concatenate([windows.origins(span, None, None) for span in spans])
    params = train(jax.random.key(0), network, recipe, table, rows, progress=progress)
    table, spans = windows.make_table(traces, [0] * len(traces))
    later = np.concatenate([windows.origins(span, CALIBRATE, None, every_h=24 * 7) for span in spans])
    forecast = jax.jit(lambda p, w: jax.vmap(lambda h, k: network.apply({"params": p}, h, k))(w.history, w.known))
    batch = cut(table, jnp.asarray(later))
    scale = fit_scale(forecast(params, batch), log_intensity(batch.target))
    rows = np.concatenate([windows.origins(span, None, None) for span in spans])
    params = train(jax.random.key(1), network, recipe, table, rows, progress=progress)
    path = given.out or weights.FILE
    weights.save(path, uncalibrated(params, network).replace(scale=scale), about=ATTRIBUTION)
    sys.stdout.write(f"{len(traces)} series, {path.stat().st_size} bytes -> {path.name}\n")
    return path


if __name__ == "__main__":
    main()

"""Draw one forecast of the shipped forecaster against what came, as PNG.

Command:  JCENAS_DATA=FOLDER python -m experiments.forecast.plot [--zone ZONE] [--origin TIME] [--out FILE] [--smoke]
Expected: the dotted line of what came lies in the 90 % band nine hours of ten. Cost: some seconds; `--smoke` uses the
made-up grid of `experiments/forecast/toy.py` and needs no data.

The zone's series was part of the forecaster's training: the picture shows the form of a forecast, not its skill, which
`experiments/forecast/zero_shot.py` measures.
"""

import argparse
import datetime
import pathlib
import sys
from collections.abc import Sequence

from jcenas.carbon.forecast.predict import HOUR, forecast_trace, index_of_origin
from jcenas.report.forecast_plot import write_forecast_plot


def main(arguments: Sequence[str] | None = None) -> pathlib.Path:
    """Forecast, draw, and return the path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zone", default="US-CAL-CISO")
    parser.add_argument("--origin", type=datetime.datetime.fromisoformat, default="2022-09-01T00:00+00:00")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("forecast.png"))
    parser.add_argument("--smoke", action="store_true", help="a made-up grid")
    given = parser.parse_args(arguments)
    if given.smoke:
        from experiments.forecast.toy import toy_trace

        trace = toy_trace(hours=24 * 20)
        origin = trace.start + 24 * 10 * HOUR
    else:
        from experiments.forecast.zones import zone_traces

        trace, origin = zone_traces()[given.zone], given.origin
    row = index_of_origin(trace, origin)
    found = forecast_trace(trace, origin)
    actual = trace.intensity_g_per_kwh[row : row + len(found.point_g_per_kwh)]
    path = write_forecast_plot(
        given.out,
        origin,
        trace.intensity_g_per_kwh[:row],
        found.quantiles_g_per_kwh,
        found.point_g_per_kwh,
        actual_g_per_kwh=actual if actual.size == found.point_g_per_kwh.size else None,
        title=f"{trace.zone}, forecast of {origin:%Y-%m-%d %H:%M} UTC",
    )
    sys.stdout.write(f"wrote {path.name}\n")
    return path


if __name__ == "__main__":
    main()

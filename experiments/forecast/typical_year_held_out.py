"""The typical-year model against a year that it has not seen, beside the year before as a forecast; one table.

The model is fitted to 2021-2023 of the nine zones with four years of data; its draws and the real 2023 are then
compared with the real 2024.

Command: JCENAS_DATA=FOLDER python -m experiments.forecast.typical_year_held_out
Expected: about as far from 2024 as 2023 was, closer in the autocorrelation (stated before measuring).
Cost: half a minute on one core. `--smoke`: one zone.
"""

import sys

import jax
import numpy as np

from experiments.forecast.fit_typical_year import LONG, fit, read_all
from experiments.forecast.typical_year_match import NAMES, YEARS, errors, many_years, statistics
from experiments.lib.recording import record
from jcenas.carbon import generator

HOURS_2024 = 366 * 24


def held_out(names: list[str], years: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors against 2024, (zones, 6) each: of the model's draws, and of the real 2023."""
    traces = read_all()
    keys = jax.random.split(jax.random.key(2), years)
    drawn, before = {}, {}
    for name in names:
        start, values, _ = traces[name]
        past, real = values[:-HOURS_2024], values[-HOURS_2024:]
        fitted = fit(start, past)
        model = generator.YearModel(
            mean_g_per_kwh=fitted["mean"],
            scale_g_per_kwh=fitted["scale"],
            **{field: fitted[field] for field in ("knots", "quantiles", "weights", "volatility")},
        )
        model = jax.tree.map(lambda x: np.asarray(x, np.float32), model)
        calendar = generator.device_calendar(start.replace(year=2024), HOURS_2024)
        sample = [statistics(x) for x in np.asarray(many_years(keys, model, calendar), float)]
        drawn[name] = np.stack((statistics(real), np.mean(sample, axis=0)))
        before[name] = np.stack((statistics(real), statistics(past[-365 * 24 :])))
    return errors(drawn), errors(before)


def main(smoke: bool) -> None:
    names = LONG[:1] if smoke else LONG
    model, last = (np.abs(error) for error in held_out(names, 2 if smoke else YEARS))
    rows = []
    for i, name in enumerate(NAMES):
        rows.append([name, np.median(model[:, i]), model[:, i].max(), np.median(last[:, i]), last[:, i].max()])
        print("{:22s} model {:.4f} (worst {:.4f})   2023 {:.4f} (worst {:.4f})".format(*rows[-1]))
    if smoke:
        return
    record(
        "typical_year_held_out",
        title="Typical-year model of 2021-2023 against 2024, nine zones",
        command="JCENAS_DATA=FOLDER python -m experiments.forecast.typical_year_held_out",
        expected="about as far from 2024 as 2023 was, closer in the autocorrelation",
        columns=["statistic", "model: median error", "model: worst", "2023: median error", "2023: worst"],
        rows=rows,
        notes=[
            "Errors of mean, standard deviation and daily range are relative; of autocorrelations, differences.",
            f"Zones: {', '.join(names)}. {YEARS} draws a zone.",
            "Level, spread and daily range: the expectation is missed. The grids change (California's mean fell "
            "from 273 to 226 gCO2eq/kWh from 2021 to 2024, Ontario's rose from 50 to 88), and the last year is "
            "nearer to the next one than the mean of three. The model makes realistic years; it does not foresee "
            "the level of the next one.",
            "Data: Electricity Maps, ODbL 1.0.",
        ],
    )


if __name__ == "__main__":
    main("--smoke" in sys.argv[1:])

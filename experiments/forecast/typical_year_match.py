"""How well years drawn from the typical-year model match the real traces that it was fitted to; one table.

Command: JCENAS_DATA=FOLDER python -m experiments.forecast.typical_year_match
Expected: in the median zone, mean within 1 %, standard deviation and daily range within 3 %, autocorrelation at 1 h
within 0.01, at 24 h within 0.03, at 168 h within 0.06. Cost: about a minute on one core. `--smoke`: one zone.
"""

import sys

import jax
import numpy as np

from experiments.forecast.fit_typical_year import autocorrelation, daily_range, read_all
from experiments.lib.recording import record
from jcenas.carbon import generator
from jcenas.carbon.year_statistics import zone_statistics

YEARS = 16
NAMES = ("mean", "standard deviation", "mean daily range", "autocorrelation 1 h", "autocorrelation 24 h")
NAMES += ("autocorrelation 168 h",)
SMOKE = ("FR",)

many_years = jax.jit(jax.vmap(generator.generate, in_axes=(0, None, None)))


def statistics(x: np.ndarray) -> np.ndarray:
    """The six statistics of `NAMES` of an hourly trace (T,)."""
    along = autocorrelation(x, 168)
    return np.array([x.mean(), x.std(), daily_range(x), along[1], along[24], along[168]])


def match(names: tuple[str, ...] | None = None, years: int = YEARS) -> dict[str, np.ndarray]:
    """Real and mean simulated statistics, (2, 6), of each zone (default: all)."""
    traces = read_all()
    result = {}
    for name in names or sorted(traces):
        start, values, _ = traces[name]
        keys = jax.random.split(jax.random.key(1), years)  # not the keys of the fit
        calendar = generator.device_calendar(start, values.size)
        drawn = np.asarray(many_years(keys, generator.year_model(zone_statistics(name)), calendar), float)
        result[name] = np.stack((statistics(values), np.mean([statistics(x) for x in drawn], axis=0)))
    return result


def errors(matched: dict[str, np.ndarray]) -> np.ndarray:
    """Error of each statistic, (zones, 6): relative for the first three, a difference for the autocorrelations."""
    real, drawn = np.stack(list(matched.values()), axis=1)
    return np.concatenate((drawn[:, :3] / real[:, :3] - 1, drawn[:, 3:] - real[:, 3:]), axis=1)


def main(smoke: bool) -> None:
    matched = match(SMOKE if smoke else None, 2 if smoke else YEARS)
    error = errors(matched)
    names = list(matched)
    rows = []
    for i, name in enumerate(NAMES):
        size = np.abs(error[:, i])
        worst = int(size.argmax())
        rows.append([name, np.median(size), np.quantile(size, 0.9), size[worst], names[worst], error[:, i].mean()])
    for row in rows:
        print("{:22s} median {:.4f}  90 % {:.4f}  worst {:.4f} ({})  bias {:+.4f}".format(*row))
    if smoke:
        return
    record(
        "typical_year_match",
        title=f"Typical-year model against the real traces, {len(names)} zones",
        command="JCENAS_DATA=FOLDER python -m experiments.forecast.typical_year_match",
        expected="median error: mean 1 %, spread and daily range 3 %; autocorrelation 0.01, 0.03, 0.06 at 1, 24, 168 h",
        columns=["statistic", "median error", "90th percentile", "worst", "worst zone", "bias"],
        rows=rows,
        notes=[
            "Errors of mean, standard deviation and daily range are relative; of autocorrelations, differences.",
            f"{YEARS} draws a zone, as long as its data (2022, or 2021-2024 for nine zones); keys not of the fit.",
            "The same data were used for the fit: this shows what the model can express, not how the next year is.",
            "Data: Electricity Maps, ODbL 1.0.",
        ],
    )


if __name__ == "__main__":
    main("--smoke" in sys.argv[1:])

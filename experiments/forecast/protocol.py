"""The protocol of the forecast tables: which series, which periods, and our forecaster fitted by it.

Origins are 00:00 UTC of every day. A fit for selection sees targets before January 2021 only; January to June 2021
choose the network's share and calibrate the quantiles; then everything before July 2021 is fitted anew, with those
choices, and July to December 2021 is forecast once. No statistic of a later period enters: the network scales each
window by itself, the linear base by its training windows.
"""

import datetime
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jcenas.carbon.forecast import features, linear, losses, windows
from jcenas.carbon.forecast.conformal import apply_scale, fit_scale
from jcenas.carbon.forecast.fit import train
from jcenas.carbon.forecast.forecaster import blend
from jcenas.carbon.forecast.network import ForecastNetwork, log_intensity
from jcenas.carbon.forecast.training import ForecastTraining
from jcenas.carbon.forecast.windows import Span, Table, Windows
from jcenas.carbon.prepared import read_prepared
from jcenas.carbon.trace import CarbonTrace
from jcenas.tables.store import locate

REGIONS = ("CISO", "PJM", "ERCO", "ISNE", "MISO", "EPE", "DE", "SE")
FACTORS = ("direct", "life-cycle")
SELECT = datetime.datetime(2021, 1, 1, tzinfo=datetime.UTC)
TEST = datetime.datetime(2021, 7, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2022, 1, 1, tzinfo=datetime.UTC)
SHARES = np.arange(0, 1.01, 0.1)
ROLLING_DAYS = 180
NETWORK = ForecastNetwork(zones=len(REGIONS), own_scale=False)
RECIPE = ForecastTraining(steps=2000)


class Fitted(NamedTuple):
    """Forecasts of one series: uncalibrated log quantiles (n, 96, 7) in the selection period and in the test period."""

    validation: jax.Array
    test: jax.Array
    share: float  # of the network, chosen in the selection period


def read_regions(regions: tuple[str, ...] = REGIONS) -> tuple[Table, list[Span]]:
    """The table of all regions with both kinds of factors, and its spans (named "CISO direct" and so on)."""
    traces = [
        read_prepared(locate(f"carbon/carboncast_hourly/{region}.csv.gz"), factors=factors, zone=region)
        for region in regions
        for factors in FACTORS
    ]
    return table_of(traces, regions)


def table_of(traces: list[CarbonTrace], regions: tuple[str, ...]) -> tuple[Table, list[Span]]:
    """The table of given traces, whose zones are numbered from 1 in the order of `regions`."""
    return windows.make_table(traces, [1 + regions.index(trace.zone) for trace in traces])


cut = jax.jit(windows.cut)


def daily(table: Table, span: Span, begin: datetime.datetime | None, end: datetime.datetime | None) -> Windows:
    """The windows of a series at 00:00 UTC whose targets lie in [begin, end)."""
    return cut(table, jnp.asarray(windows.origins(span, begin, end, every_h=24)))


def fit_ours(
    seed: int,
    table: Table,
    spans: list[Span],
    *,
    network: ForecastNetwork = NETWORK,
    recipe: ForecastTraining = RECIPE,
    say: Callable[[str], Any] = print,
) -> dict[str, Fitted]:
    """Our forecaster by the protocol: one network for all series, a linear base for each, the share chosen on 2021-H1.

    Args:
      seed: of the network.
      table: the series.
      spans: where they lie.
      network: the module.
      recipe: of its training.
      say: takes lines of progress.
    """
    forecast = jax.jit(lambda params, batch: jax.vmap(lambda *w: network.apply({"params": params}, *w))(*batch[:3]))
    quantiles, bases = {}, {}
    for stage, (begin, end) in enumerate(((SELECT, TEST), (TEST, END))):  # fitted to what lies before `begin`
        key = jax.random.fold_in(jax.random.key(seed), stage)
        rows = np.concatenate([windows.origins(span, None, begin) for span in spans])
        head = f"seed {seed}, before {begin:%Y-%m}"

        def progress(done, steps, loss, head=head):
            say(f"{head}: {done}/{steps}, loss {loss:.4f}")

        params = train(key, network, recipe, table, rows, progress=progress)
        for span in spans:
            past, ahead = daily(table, span, None, begin), daily(table, span, begin, end)
            base = linear.fit(past.history, past.known, past.target)
            quantiles[span.name, stage] = forecast(params, ahead)
            bases[span.name, stage] = linear.apply(base, ahead.history, ahead.known)
    many = jax.jit(jax.vmap(blend, in_axes=(0, 0, None)))
    fitted = {}
    for span in spans:
        target = daily(table, span, SELECT, TEST).target

        def blended(stage: int, share: float, name: str = span.name) -> jax.Array:
            return many(quantiles[name, stage], bases[name, stage], jnp.full((4,), share, jnp.float32))

        errors = [float(losses.mape_by_day(jnp.exp(blended(0, s)[..., 3]), target).mean()) for s in SHARES]
        share = float(SHARES[int(np.argmin(errors))])
        fitted[span.name] = Fitted(blended(0, share), blended(1, share), share)
    return fitted


def generation_ahead(
    table: Table, span: Span, begin: datetime.datetime | None, end: datetime.datetime | None
) -> jax.Array:
    """What every source generated in the target hours of `daily`, MW (n, 96, 8): only to train source forecasts on."""
    rows = windows.origins(span, begin, end, every_h=24)
    mix = jnp.nan_to_num(table.history[rows[:, None] + np.arange(features.HORIZON_H)][..., features.MIX])
    return mix[..., :-1] * mix[..., -1:]


def calibrate_once(fitted: Fitted, validation_target: jax.Array) -> jax.Array:
    """Test quantiles calibrated on the selection period, (n, 96, 7)."""
    scale = fit_scale(fitted.validation, log_intensity(validation_target))
    return jax.vmap(apply_scale, in_axes=(0, None))(fitted.test, scale)


def calibrate_daily(fitted: Fitted, validation_target: jax.Array, test_target: jax.Array) -> jax.Array:
    """Test quantiles calibrated every day on the last 180 origins whose four days are over, as in use; (n, 96, 7)."""
    forecasts = jnp.concatenate((fitted.validation, fitted.test))
    targets = log_intensity(jnp.concatenate((validation_target, test_target)))
    first = len(fitted.validation)
    # The targets of the origin four days before are just complete; those of the selection period are at the first one.
    ends = np.maximum(np.arange(len(fitted.test)) + first - 3, first)

    return _calibrate_each(forecasts, targets, jnp.asarray(ends), fitted.test, min(ROLLING_DAYS, first))


@functools.partial(jax.jit, static_argnums=4)
def _calibrate_each(
    forecasts: jax.Array, targets: jax.Array, ends: jax.Array, test: jax.Array, window: int
) -> jax.Array:
    """Each test forecast calibrated on the `window` origins before its end; see `calibrate_daily`."""

    def one(end: jax.Array, quantiles: jax.Array) -> jax.Array:
        def take(x):
            return jax.lax.dynamic_slice_in_dim(x, end - window, window)

        return apply_scale(quantiles, fit_scale(take(forecasts), take(targets)))

    return jax.lax.map(lambda pair: one(*pair), (ends, test))

"""The plot of a job in its greener hours, read back from the artists."""

import datetime

import numpy as np
import pytest
from matplotlib.dates import date2num

from jcenas.report import greener_plot


def test_what_is_drawn(tmp_path, monkeypatch):
    drawn = []
    save = greener_plot.save_png
    monkeypatch.setattr(greener_plot, "save_png", lambda figure, path: save(drawn.append(figure) or figure, path))
    start = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    path = greener_plot.write_greener_plot(
        tmp_path / "new" / "plan.png",
        start,
        np.array([300.0, 100.0, 200.0]),
        [(1.0, 1.5), (2.0, 2.25)],
        begin_h=0.5,
        deadline_h=2.5,
        title="plan",
    )
    assert path.read_bytes().startswith(b"\x89PNG")
    (axes,) = drawn[0].axes
    assert axes.get_title(loc="left") == "plan"
    zero, hour = date2num(np.datetime64("2024-01-01T00:00")), 1 / 24
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    assert set(handles) == {"grid", "runs", "deadline"}
    np.testing.assert_array_equal(handles["grid"].get_data().values, [300, 100, 200])
    spans = [patch for patch in axes.patches if patch is not handles["grid"]]
    ends = [(span.get_x(), span.get_x() + span.get_width()) for span in spans]
    np.testing.assert_allclose(
        ends, [(zero + hour, zero + 1.5 * hour), (zero + 2 * hour, zero + 2.25 * hour)], rtol=0, atol=1e-6
    )
    (at,) = set(handles["deadline"].get_xdata())
    assert at == pytest.approx(zero + 2.5 * hour, abs=1e-6)

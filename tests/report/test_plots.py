"""What the plots draw, read back from the artists."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from jcenas.live.kinds import KINDS
from jcenas.report import plots
from jcenas.report.drawings.nasbench201 import draw, parse_cell
from jcenas.report.pairs_plot import pairs_figure
from jcenas.report.run import pareto_front, read_run, readable_costs

CELL = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_1x1~2|"


def labelled(axes):
    return {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}


def test_pareto_plot_shows_each_point_once(finished):
    (axes,) = plots.pareto_figure(read_run(finished)).axes
    drawn = labelled(axes)
    np.testing.assert_allclose(drawn["Pareto front"].get_offsets(), [(5000, 90), (12000, 95), (20000, 97.5)])
    np.testing.assert_allclose(drawn["evaluated"].get_offsets(), [(15000, 94)])
    np.testing.assert_array_equal(drawn["failed"].get_xdata(), [30000])
    (estimates,) = (handle for label, handle in drawn.items() if label.startswith("supernet"))
    np.testing.assert_allclose(
        estimates.get_offsets(), [(20000, 92), (30000, 91)]
    )  # 89 % lies under the lowest axis value
    assert [text.get_text() for text in axes.texts] == ["1", "2", "3"]
    assert axes.get_ylim() == pytest.approx((90 - 0.6, 97.5 + 0.6))


def test_schedule_plot_shows_intensity_and_shares(finished):
    above, below = plots.schedule_figure(read_run(finished)).axes
    np.testing.assert_array_equal(above.patches[0].get_data().values, [400, 300, 200, 100])
    heights = {
        label: [bar.get_height() for bar in bars] for label, bars in labelled(below).items() if "asked" not in label
    }
    expected = {
        "supernet training": [100 * 20 / 26, 0, 0, 0],
        "candidate training": [0, 25, 75, 75],
        "scoring proposals": [0, 75, 25, 0],
        "idle": [0, 0, 0, 100 * 2 / 24],
        "compiling": [100 * 6 / 26, 0, 0, 0],
        "final test": [0, 0, 0, 100 * 4 / 24],
    }
    assert heights.keys() == expected.keys()
    for label, values in expected.items():
        np.testing.assert_allclose(heights[label], values, err_msg=label)
    np.testing.assert_allclose(labelled(below)["evaluation asked for by the policy"].get_ydata(), [25, 75, 100])


def test_progress_plot_ends_at_the_totals(finished):
    above, below = plots.progress_figure(read_run(finished)).axes
    np.testing.assert_array_equal(above.lines[0].get_ydata(), [0, 200, 300, 400, 420, 420])
    tops = {
        label: area.get_paths()[0].vertices[:, 1].max()
        for label, area in labelled(below).items()
        if "same" not in label
    }
    assert tops == pytest.approx(
        {
            "compiling": 8,
            "supernet training": 88,
            "scoring proposals": 88 + 25,
            "candidate training": 113 + 74,
            "idle": 188,
            "final test": 196,
        }
    )
    at_mean = labelled(below)["the same energy at the mean of these hours"].get_ydata()
    assert at_mean[-1] == pytest.approx(225)


def test_set_up_before_the_first_hour_is_there_from_the_beginning(finished):
    _, below = plots.progress_figure(read_run(finished)).axes
    begin = below.get_xlim()[0]
    tops = labelled(below)["compiling"].get_paths()[0].vertices
    assert tops[tops[:, 0] == begin][:, 1].max() == 8


def test_a_grid_without_emissions_draws_no_warning_and_no_stack(finished):
    run = read_run(finished)
    run = run._replace(
        hours=run.hours.assign(intensity_g_per_kwh=0.0),
        intervals=run.intervals.assign(emissions_g=0.0),
        meta={key: value for key, value in run.meta.items() if key != "summary"},
    )
    above, _ = plots.schedule_figure(run).axes
    assert above.get_ylim() == (0, 1)
    assert labelled(plots.progress_figure(run).axes[1]) == {}


def test_every_kind_of_device_time_has_a_colour():
    assert plots.KIND_COLORS.keys() == KINDS.keys()


def test_only_a_supernet_has_estimates(finished):
    run = read_run(finished)
    (axes,) = plots.pareto_figure(run._replace(scores=run.scores.assign(error=np.nan))).axes
    assert set(labelled(axes)) == {"evaluated", "Pareto front", "failed"}


def test_best_cells_keep_both_ends_of_the_front(finished):
    run = read_run(finished)
    assert list(plots.best_cells(run, 2)["number"]) == [1, 3]
    assert len(plots.best_cells(run, 3)) == len(pareto_front(run)) == 3


def test_wide_costs_are_drawn_on_a_logarithmic_axis(finished):
    run = read_run(finished)
    assert plots.pareto_figure(run).axes[0].get_xscale() == "linear"
    evaluations = run.evaluations.assign(cost=run.evaluations["cost"] ** 3)
    assert plots.pareto_figure(run._replace(evaluations=evaluations)).axes[0].get_xscale() == "log"


def test_several_costs_are_drawn_in_pairs(with_costs):
    run = readable_costs(read_run(with_costs))
    n = len(run.costs)
    figure = pairs_figure(run)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert len(panels) == n * (n + 1) // 2  # every two of the n + 1 objectives
    first = figure.axes[0]
    assert (first.get_xlabel(), first.get_ylabel()) == ("params", "validation accuracy, %")
    front = labelled(first)["Pareto front"].get_offsets()
    np.testing.assert_allclose(front, [[5000, 90], [12000, 95], [15000, 94], [20000, 97.5]])
    under = figure.axes[n].get_ylabel()
    assert under == ("latency, ms" if n == 2 else "energy, µJ")
    numbers = [text.get_text() for text in first.texts]
    assert numbers == ["1", "2", "3", "4"]


def test_pairs_without_an_evaluation_say_so(with_costs):
    run = read_run(with_costs)
    figure = pairs_figure(run._replace(evaluations=run.evaluations.iloc[:0]))
    assert "No evaluation has finished yet." in [text.get_text() for text in figure.axes[0].texts]


def test_parse_cell():
    assert parse_cell(CELL) == [
        (0, 1, "nor_conv_3x3"),
        (0, 2, "none"),
        (1, 2, "skip_connect"),
        (0, 3, "avg_pool_3x3"),
        (1, 3, "none"),
        (2, 3, "nor_conv_1x1"),
    ]


@pytest.mark.parametrize("cell", ["", "|none~0|", CELL.replace("~2", "~1")])
def test_not_a_cell(cell):
    with pytest.raises(ValueError, match="not a NAS-Bench-201 cell"):
        parse_cell(cell)


def test_a_drawn_cell_names_each_operation_at_its_edge():
    axes = Figure().subplots()
    draw(axes, CELL)
    names = [text.get_text() for text in axes.texts]
    assert names == ["conv 3×3", "skip", "pool 3×3", "conv 1×1", "in", "1", "2", "out"]
    assert len(axes.patches) == 6 + 4
    positions = np.array([text.get_position() for text in axes.texts])
    apart = np.abs(positions[:, None] - positions[None])
    width, height = 0.5, 0.12  # of a label, in node distances
    assert not ((apart[..., 0] < width / 2) & (apart[..., 1] < height))[~np.eye(8, dtype=bool)].any()

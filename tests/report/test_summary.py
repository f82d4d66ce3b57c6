"""The headline figures against sums by hand, and numbers as text."""

import pytest

from jcenas.report.run import read_run
from jcenas.report.summary import duration, energy, headline, mass, mean_of_hours, percent, quantity


def test_figures_by_hand(finished):
    facts = headline(read_run(finished))
    assert facts.emissions_g == pytest.approx(40 + 40 + 15 + 15 + 10 + 30 + 29 + 1)
    assert facts.energy_kwh == pytest.approx(0.8)
    assert facts.emissions_at_mean_intensity_g == pytest.approx(0.8 * 300)
    assert facts.saving == pytest.approx(1 - 180 / 240)
    assert facts.own_mean_g_per_kwh == pytest.approx((400 + 300 + 200 + 100) / 4)
    assert facts.own_saving == pytest.approx(1 - 180 / 200)
    assert facts.mean_is_of_trace
    assert (facts.done, facts.failed, facts.proposals, facts.scored) == (4, 1, 6, 6)
    assert facts.best_validation_accuracy == pytest.approx(0.975)
    assert facts.test_accuracy_of_best == pytest.approx(0.97)
    assert facts.test_accuracy_range == pytest.approx((0.88, 0.97))
    assert facts.device_s == {"training": 58.0, "scoring": 20.0, "idle": 2.0}
    assert facts.wall_s == 161.0


def test_agrees_with_the_summary_that_the_run_wrote(finished):
    run = read_run(finished)
    facts, summary = headline(run), run.meta["summary"]
    for name in ("emissions_g", "energy_kwh", "emissions_at_mean_intensity_g", "best_validation_accuracy"):
        assert getattr(facts, name) == pytest.approx(summary[name])
    assert sum(facts.device_s.values()) == pytest.approx(summary["device_s"])


def test_a_running_search_uses_the_mean_so_far(halfway):
    facts = headline(read_run(halfway))
    assert facts.status == "running"
    assert not facts.mean_is_of_trace
    assert facts.mean_intensity_g_per_kwh == 350.0
    assert facts.emissions_g == pytest.approx(110)
    assert facts.saving == pytest.approx(1 - 110 / (0.3 * 350))
    assert facts.saving < 0
    assert facts.best_validation_accuracy is None
    assert facts.wall_s is None


def test_a_running_search_uses_the_mean_of_its_trace_where_it_is_stated(halfway):
    run = read_run(halfway)
    facts = headline(run._replace(config={"trace": {"mean_g_per_kwh": 400.0}}))
    assert facts.mean_is_of_trace
    assert facts.saving == pytest.approx(1 - 110 / (0.3 * 400))
    assert facts.own_saving == pytest.approx(1 - 110 / (0.3 * 350))


def test_an_hour_counts_by_how_much_of_it_has_passed(finished):
    run = read_run(finished)
    until = run.intervals[run.intervals["end_hour"] <= 2.5]
    assert mean_of_hours(run._replace(intervals=until)) == pytest.approx((400 + 300 + 0.5 * 200) / 2.5)


def test_a_run_that_has_just_begun_has_no_figures(started):
    facts = headline(read_run(started))
    assert (facts.emissions_g, facts.energy_kwh, facts.done, facts.hours) == (0, 0, 0, 0)
    assert facts.saving is facts.mean_intensity_g_per_kwh is facts.test_accuracy_of_best is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (mass(0.0), "0 g CO₂eq"),
        (mass(0.01234), "12.3 mg CO₂eq"),
        (mass(1.1149), "1.11 g CO₂eq"),
        (mass(180.4), "180 g CO₂eq"),
        (mass(25600.0), "25.6 kg CO₂eq"),
        (energy(0.0051), "5.10 Wh"),
        (energy(2.0), "2.00 kWh"),
        (duration(8.44), "8.4 s"),
        (duration(59.96), "1 min 00 s"),
        (duration(161), "2 min 41 s"),
        (duration(11220), "3 h 07 min"),
        (percent(0.98765), "98.77 %"),
        (percent(-0.0476, 1), "−4.8 %"),
        (percent(None), "–"),
        (percent(float("nan")), "–"),
        (quantity(12345.0, "parameters"), "12,345 parameters"),
        (quantity(0.0012345, "J"), "0.001234 J"),
    ],
)
def test_numbers_as_text(text, expected):
    assert text == expected

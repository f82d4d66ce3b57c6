"""The headline figures against sums by hand, and numbers as text."""

import pytest

from jcenas.live.kinds import saving
from jcenas.report.run import read_run
from jcenas.report.summary import charges, duration, energy, headline, mass, mean_of_hours, percent, quantity


def savings(facts):
    return [saving(facts.emissions_g, other) for other in facts.comparisons]


def test_figures_by_hand(finished):
    facts = headline(read_run(finished))
    assert facts.emissions_g == pytest.approx(40 + 40 + 15 + 15 + 10 + 30 + 29 + 1 + 8 + 8)
    assert facts.energy_kwh == pytest.approx(0.9)
    assert facts.device_s == pytest.approx(90)
    assert facts.own_mean_g_per_kwh == pytest.approx((400 + 300 + 200 + 100) / 4)
    assert [other.emissions_g for other in facts.comparisons] == pytest.approx([0.9 * 250, 245, 0.9 * 300])
    assert savings(facts) == pytest.approx([1 - 196 / 225, 1 - 196 / 245, 1 - 196 / 270])
    assert (facts.done, facts.failed, facts.proposals, facts.scored) == (4, 1, 6, 6)
    assert facts.best_validation_accuracy == pytest.approx(0.975)
    assert facts.test_accuracy_of_best == pytest.approx(0.97)
    assert facts.test_accuracy_range == pytest.approx((0.88, 0.97))
    assert facts.wall_s == 161.0


def test_everything_that_was_charged_by_kind(finished):
    charged = {charge.kind: charge[1:4] for charge in charges(read_run(finished))}
    assert list(charged) == ["compiling", "supernet", "scoring", "candidate", "idle", "test"]
    assert charged["compiling"] == pytest.approx((6, 0.02, 8))
    assert charged["supernet"] == pytest.approx((20, 0.2, 80))
    assert charged["scoring"] == pytest.approx((20, 0.1, 25))
    assert charged["candidate"] == pytest.approx((38, 0.49, 74))
    assert charged["idle"] == pytest.approx((2, 0.01, 1))
    assert charged["test"] == pytest.approx((4, 0.08, 8))


def test_what_a_meter_counted_is_told_apart_by_kind(finished, metered):
    assert headline(read_run(finished)).meter is None
    run = read_run(metered)
    shares = {charge.kind: charge.measured for charge in charges(run)}
    assert shares == {name: 1.0 if name in ("supernet", "candidate") else 0.0 for name in shares}
    meter = headline(run).meter
    assert (meter["name"], meter["measures"]) == ("rapl", "CPU <packages>")
    assert meter["seconds"] == 58.0
    assert meter["modelled_j"] == pytest.approx(0.69 * 3.6e6)
    assert meter["measured_j"] == pytest.approx(0.9 * 0.69 * 3.6e6)


def test_a_kind_that_this_version_does_not_name_is_charged_too(finished):
    run = read_run(finished)
    renamed = run.intervals.replace({"purpose": {"test": "polishing"}})
    assert charges(run._replace(intervals=renamed))[-1] == ("polishing", 4, 0.08, 8, 0.0)


def test_agrees_with_the_summary_that_the_run_wrote(finished):
    run = read_run(finished)
    facts, summary = headline(run), run.meta["summary"]
    for name in ("emissions_g", "energy_kwh", "best_validation_accuracy", "device_s"):
        assert getattr(facts, name) == pytest.approx(summary[name])
    named = ("emissions_at_mean_of_hours_g", "emissions_blind_g", "emissions_at_mean_intensity_g")
    assert [other.emissions_g for other in facts.comparisons] == pytest.approx([summary[name] for name in named])


def test_a_running_search_is_compared_with_what_is_known_so_far(halfway):
    facts = headline(read_run(halfway))
    assert facts.status == "running"
    assert (facts.own_mean_g_per_kwh, facts.trace_mean_g_per_kwh) == (350.0, None)
    assert facts.emissions_g == pytest.approx(110)
    assert savings(facts) == [pytest.approx(1 - 110 / (0.3 * 350)), None, None]
    assert facts.best_validation_accuracy is None
    assert facts.wall_s is None


def test_a_running_search_uses_the_mean_of_its_trace_where_it_is_stated(halfway):
    run = read_run(halfway)
    facts = headline(run._replace(config={"trace": {"mean_g_per_kwh": 400.0}}))
    assert savings(facts) == [pytest.approx(1 - 110 / (0.3 * 350)), None, pytest.approx(1 - 110 / (0.3 * 400))]


def test_a_run_that_goes_on_again_does_not_show_what_it_stated_at_its_interruption(finished):
    run = read_run(finished)
    facts = headline(run._replace(meta={**run.meta, "status": "running"}))
    assert facts.comparisons[1].emissions_g is facts.wall_s is None


def test_an_hour_counts_by_how_much_of_it_has_passed(finished):
    run = read_run(finished)
    until = run.intervals[run.intervals["end_hour"] <= 2.5]
    assert mean_of_hours(run._replace(intervals=until)) == pytest.approx((400 + 300 + 0.5 * 200) / 2.5)


def test_a_run_that_has_just_begun_has_no_figures(started):
    facts = headline(read_run(started))
    assert (facts.emissions_g, facts.energy_kwh, facts.done, facts.hours) == (0, 0, 0, 0)
    assert facts.own_mean_g_per_kwh is facts.trace_mean_g_per_kwh is facts.test_accuracy_of_best is None
    assert savings(facts) == [None] * 3
    assert facts.charges == []


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

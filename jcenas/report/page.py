"""`report.html`: one file without anything from outside, readable in light and dark, printed or on a phone.

Every string that comes from the run folder passes through `html.escape`.
"""

import importlib.resources
import json
import pathlib
from collections.abc import Iterable, Sequence
from html import escape

from jcenas.errors import InputError
from jcenas.live import grid_facts
from jcenas.live.changes import said
from jcenas.live.kinds import KINDS, Comparison, change, saving, side_by_side_text
from jcenas.live.measured import in_words
from jcenas.report import plots
from jcenas.report.pairs_plot import pairs_figure
from jcenas.report.run import Run, pareto_front, read_run, readable_costs
from jcenas.report.style import css_variables, inline_svg, save_png, style
from jcenas.report.summary import Charge, Headline, duration, energy, headline, mass, percent, quantity
from jcenas.runtime.paths import replacing

FAILURES_SHOWN = 20
UNSTATED = "The run states this when it ends."


def write_report(run_folder: pathlib.Path) -> pathlib.Path:
    """Write `report.html` and `plots/*.png` into the folder of a run, which may still be running.

    Args:
      run_folder: Holds `run.db` and `config.json`; both are only read.

    Returns:
      The path of the page.

    Raises:
      InputError: The folder holds no readable run, or cannot be written.
    """
    run = readable_costs(read_run(pathlib.Path(run_folder)))
    try:
        return _write(run, pathlib.Path(run_folder))
    except OSError as error:
        raise InputError(
            f"{error.filename or run_folder}: {error.strerror or error}; the report cannot be written: make room or "
            f"unlock the folder, then: jcenas report {run_folder}"
        ) from error


def _write(run: Run, folder: pathlib.Path) -> pathlib.Path:
    """Write the plots, then the page."""
    pictures = folder / "plots"
    pictures.mkdir(exist_ok=True)
    with style():
        figures = {
            "pareto": plots.pareto_figure(run) if len(run.costs) == 1 else pairs_figure(run),
            "schedule": plots.schedule_figure(run),
            "progress": plots.progress_figure(run),
        }
        for name, figure in {**figures, "cells": plots.cells_figure(run)}.items():
            save_png(figure, pictures / f"{name}.png")
        page = _page(run, {name: inline_svg(figure, name, _DESCRIPTIONS[name]) for name, figure in figures.items()})
    target = folder / "report.html"
    with replacing(target) as part:
        part.write_text(page, encoding="utf-8")
    return target


_DESCRIPTIONS = {
    "pareto": "Validation accuracy and costs of every evaluated network, with the Pareto front",
    "schedule": "Carbon intensity by hour and what the devices did in each hour",
    "progress": "Hypervolume and cumulative emissions over trace time",
}


def _page(run: Run, figures: dict[str, str]) -> str:
    """The whole document. `figures`: inline SVG by name."""
    facts = headline(run)
    style_sheet = importlib.resources.files("jcenas.report").joinpath("page.css").read_text(encoding="utf-8")
    body = [
        _header(run, facts),
        _tiles(run, facts),
        _section("Pareto front", _lead(run, facts), _plot(figures["pareto"]) if facts.done else "", _front_table(run)),
        _section("The cells of the front", _cells(run)) if facts.done else "",
        _section("Over the hours", *_over_time(facts, figures)),
        _section("What was charged", _charged(facts)),
        _section("The grid, asked hour by hour", _grid(run, facts)) if facts.grid is not None else "",
        _section("What was measured, what was modelled", _accounting(facts)),
        _failures(run),
        _section("How to repeat it", _configuration(run)),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(run.name)} · jcenas</title><style>{css_variables()}{style_sheet}</style></head>\n"
        f"<body><main>\n{''.join(body)}</main></body></html>\n"
    )


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>\n{''.join(parts)}</section>\n"


def _header(run: Run, facts: Headline) -> str:
    settings = run.config.get("config", {})
    trace = run.config.get("trace", {})
    named = [f"{kind} {settings[kind]}" for kind in ("optimizer", "stage", "policy") if settings.get(kind)]
    learnt = run.function or settings.get("images", settings.get("dataset"))
    items = [learnt, *named, trace.get("zone") or trace.get("source")]
    items += [f"{facts.hours:.0f} trace hours", str(run.config.get("created_utc", ""))[:16].replace("T", " ") + " UTC"]
    words = " · ".join(escape(str(word)) for word in items if word)
    status = escape(facts.status)
    why = "" if facts.failure is None else f'<p class="facts">ended by {escape(facts.failure)}; it can be resumed</p>'
    return (
        '<header><p class="kicker">jcenas · carbon-aware architecture search</p>'
        f'<h1>{escape(run.name)} <span class="status {status}">{status}</span></h1>'
        f'<p class="facts">{words}</p>{why}</header>\n'
    )


def _tiles(run: Run, facts: Headline) -> str:
    """The headline figures."""
    span = facts.test_accuracy_range
    untested = "a function has no test part" if run.function else "not tested yet"
    tested = untested if span is None else f"front: {percent(span[0], 1)} to {percent(span[1], 1)}"
    scored = f", {facts.scored} scored" if facts.scored else ""
    trained = f"{facts.failed} failed; {facts.proposals} proposed{scored}"
    wall = "" if facts.wall_s is None else f"; {duration(facts.wall_s)} on the clock"
    drawn = f"{duration(facts.device_s)} of device time, idle included{wall}"
    tiles = [
        ("Emissions of this run", mass(facts.emissions_g), _emitted(facts), "main"),
        *(
            _compared(name, facts, other)
            for name, other in zip(
                ("Against the mean of its hours", "Against itself, blind", "Against the trace's mean"),
                facts.comparisons,
                strict=True,
            )
        ),
        ("Best validation accuracy", percent(facts.best_validation_accuracy), "of every network trained", "main"),
        ("Its test accuracy", percent(facts.test_accuracy_of_best), tested, ""),
        ("Networks trained", f"{facts.done}", trained, ""),
        ("Energy", energy(facts.energy_kwh), drawn, ""),
    ]
    cells = (
        f'<div class="tile {kind}"><dt>{escape(name)}</dt><dd>{escape(value)}</dd><p>{escape(note)}</p></div>'
        for name, value, note, kind in tiles
    )
    return f'<dl class="tiles">{"".join(cells)}</dl>\n'


def _emitted(facts: Headline) -> str:
    """How the emissions are known."""
    if facts.meter is None:
        return "modelled from energy and the trace"
    share = facts.meter["seconds"] / facts.device_s if facts.device_s else 0.0
    return f"from the trace and energy, which {facts.meter['name']} counted in {percent(share, 0)} of the device time"


def _compared(name: str, facts: Headline, other: Comparison) -> tuple[str, str, str, str]:
    """A tile that holds the run against something."""
    saved = saving(facts.emissions_g, other)
    if saved is None:
        return name, "–", f"{other.against}: {change(facts.emissions_g, other, facts.energy_kwh)}", ""
    words = change(facts.emissions_g, other, facts.energy_kwh)
    return name, words, f"{mass(other.emissions_g or 0.0)} for {other.against}", "good" if saved > 0 else ""


def _over_time(facts: Headline, figures: dict[str, str]) -> list[str]:
    if facts.hours == 0:
        return ["<p>No trace hour has passed yet.</p>"]
    return [_plot(figures["schedule"]), _plot(figures["progress"])]


def _plot(svg: str) -> str:
    return f'<figure class="plot">{svg}</figure>'


def _lead(run: Run, facts: Headline) -> str:
    if facts.done == 0:
        return "<p>No evaluation has finished yet; this page can be made again at any time.</p>"
    if run.function:
        return (
            f"<p>A grey or green dot is an architecture that <code>{escape(run.function)}</code> evaluated; accuracy "
            "is 1 minus the error that it returned. A numbered one is on the front: no other is both cheaper and "
            "better.</p>"
        )
    pale = "; pale ones are only the supernet's estimates" if run.scores["error"].notna().any() else ""
    better = "both cheaper and more accurate on the validation images"
    if len(run.costs) > 1:
        names = ", ".join(escape(cost.name) for cost in run.costs)
        better = f"better in one of accuracy on the validation images, {names} and at least as good in the rest"
    return (
        f"<p>A grey or green dot is a network trained from scratch{pale}. A numbered one is on the front: no other is "
        f"{better}. The search never saw the test images.</p>"
    )


def _front_table(run: Run) -> str:
    front = pareto_front(run)
    if front.empty:
        return ""
    head = ["", "cell", "validation", "test", *(cost.title for cost in run.costs), "trained for", "emissions"]
    rows = (
        [
            f"{row.number}",
            _code(row.cell),
            percent(row.validation_accuracy),
            percent(row.test_accuracy),
            *(quantity(getattr(row, cost.column)) for cost in run.costs),
            duration(row.seconds),
            mass(row.emissions_g),
        ]
        for row in front.itertuples()
    )
    return _table(head, rows, "numbers")


def _cells(run: Run) -> str:
    best = plots.best_cells(run)
    cards = (
        f"<figure>{_drawing(run.problem, row.number, row.cell)}"
        f"<figcaption><b>{row.number}</b> {percent(row.validation_accuracy)} · {escape(plots.costs_text(run, row))}"
        "</figcaption></figure>"
        for row in best.itertuples()
    )
    total = len(pareto_front(run))
    note = (
        ""
        if len(best) == total
        else f"<p>{len(best)} of the {total} cells on the front, from the cheapest to the best.</p>"
    )
    return f'{note}<div class="cells">{"".join(cards)}</div>'


def _drawing(problem: str, number: int, text: str) -> str:
    """The inline picture of an architecture."""
    return inline_svg(plots.cell_figure(problem, text), f"cell-{number}", f"Drawing of {text}")


def _charged(facts: Headline) -> str:
    """Everything that was charged by kind, what was not, and what the run is held against."""
    if not facts.charges:
        return "<p>Nothing yet.</p>"
    everything = Charge("all", facts.device_s, facts.energy_kwh, facts.emissions_g)
    head = ["kind", "device time", "energy", "emissions", "share of emissions"]
    rows = [_charge_row(charge, facts.emissions_g) for charge in [*facts.charges, everything]]
    counted = ""
    if facts.meter is not None:
        everything = everything._replace(measured=facts.meter["seconds"] / facts.device_s)
        head.append("time measured")
        shares = (percent(charge.measured, 0) for charge in [*facts.charges, everything])
        rows = [[*row, share] for row, share in zip(rows, shares, strict=True)]
        counted = (
            f"<p>{escape(in_words(facts.meter, facts.device_s))}. It counts {escape(facts.meter['measures'])}.</p>"
        )
    table = _table(head, rows, "charges")
    against = (
        [escape(other.against), escape(other.meaning), *_difference(facts, other)] for other in facts.comparisons
    )
    compared = _table(["compared with", "what the difference holds", "emissions", "this run"], against, "compared")
    without = f"<p>Not charged: {escape('; '.join(facts.not_charged))}.</p>" if facts.not_charged else ""
    note = (
        "<p>Compiling, timing and the final test lie outside the trace's hours and are charged at the intensity of the "
        "hour beside them; no policy can move them. No comparison says what another method would have needed.</p>"
    )
    return f"{table}{counted}{without}{compared}{note}"


def _grid(run: Run, facts: Headline) -> str:
    """Who gave the hours of a live grid, which of them nobody knew, and whose forecast was how wrong."""
    assert facts.grid is not None, "the section is of a live grid"
    lines = "".join(f"<p>{escape(line)}.</p>" for line in grid_facts.in_words(facts.grid))
    held = run.grid[run.grid["source"] == grid_facts.HELD]
    rows = ([escape(row.time_utc), f"{row.intensity_g_per_kwh:.0f}", escape(row.note)] for row in held.itertuples())
    head = ["hours that nobody knew", "charged at, g/kWh", "why"]
    note = "<p>An hour is charged at what was known when it came; later corrections of a service are not.</p>"
    return f"{lines}{note}" + (_table(head, rows) if len(held) else "")


def _charge_row(charge: Charge, emissions_g: float) -> list[str]:
    share = charge.emissions_g / emissions_g if emissions_g > 0 else None
    name = escape(KINDS.get(charge.kind, charge.kind))
    return [name, duration(charge.seconds), energy(charge.energy_kwh), mass(charge.emissions_g), percent(share, 1)]


def _difference(facts: Headline, other: Comparison) -> tuple[str, str]:
    emitted = "–" if other.emissions_g is None else mass(other.emissions_g)
    return emitted, escape(change(facts.emissions_g, other, facts.energy_kwh))


def _accounting(facts: Headline) -> str:
    columns = (("Measured", facts.measured), ("Modelled", facts.modelled))
    lists = (
        f"<div><h3>{title}</h3>"
        + (f"<ul>{''.join(f'<li>{escape(str(line))}</li>' for line in lines)}</ul>" if lines else f"<p>{UNSTATED}</p>")
        + "</div>"
        for title, lines in columns
    )
    return f'<div class="columns">{"".join(lists)}</div>'


def _failures(run: Run) -> str:
    """The failed candidates with the reason, or nothing."""
    failed = run.evaluations[run.evaluations["status"] == "failed"].sort_values("ordinal")
    if failed.empty:
        return ""
    failed = failed.merge(run.proposals[["id", "cell"]], left_on="proposal", right_on="id", how="left")
    rows = (
        [_code(str(row.cell)), escape(str(row.reason)), mass(row.emissions_g)]
        for row in failed.head(FAILURES_SHOWN).itertuples()
    )
    rest = len(failed) - FAILURES_SHOWN
    more = f"<p>… and {rest} more.</p>" if rest > 0 else ""
    return _section("Failed candidates", _table(["cell", "reason", "emissions"], rows), more)


def _configuration(run: Run) -> str:
    """Configuration, trace, versions and devices as folded tables."""
    parts = []
    devices = run.config.get("devices", [])
    groups = {
        "Configuration": run.config.get("config", {}),
        "Changed on resume": {f"{one['at_utc']}, {one['field']}": said(one) for one in run.meta.get("changes", [])},
        "Carbon trace": run.config.get("trace", {}),
        "Versions": run.config.get("versions", {}),
        "Devices": {str(i): device for i, device in enumerate(devices)} | _side_by_side(run),
    }
    for title, values in groups.items():
        if not values:
            continue
        rows = ([escape(str(key)), f"<code>{escape(_value(value))}</code>"] for key, value in values.items())
        parts.append(f"<details><summary>{title}</summary>{_table(['', ''], rows)}</details>")
    return "".join(parts)


def _side_by_side(run: Run) -> dict[str, str]:
    """How many candidates each device trains at once; runs of older versions do not say."""
    count, at_once_s = run.meta.get("side_by_side"), run.meta.get("at_once_s") or {}
    return {} if count is None or run.function else {"candidates at once": side_by_side_text(count, at_once_s)}


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _code(cell: str) -> str:
    """A cell string that may be broken between its nodes."""
    return "<code>" + escape(cell).replace("+", "+<wbr>") + "</code>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table of cells that are HTML already; the head is escaped here."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head) if any(head) else ""
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    head_row = f"<thead><tr>{top}</tr></thead>" if top else ""
    return f'<div class="scroll"><table class="{kind}">{head_row}<tbody>{body}</tbody></table></div>'

"""The page says what the database holds, stands alone, and cannot be scripted by a run."""

import contextlib
import html.parser
import json
import os
import re
import sqlite3
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

from jcenas.errors import InputError
from jcenas.report import write_report


class Text(html.parser.HTMLParser):
    """Visible text, tags with their ids, and tags left open."""

    def __init__(self, page):
        super().__init__()
        self.words, self.open, self.ids, self.links = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "wbr"}:
            self.open.append(tag)
        self.handle_startendtag(tag, attrs)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name in {"src", "href", "xlink:href"}]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style", "text"}:
            self.words.append(data)


def read(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    parsed = Text(page)
    assert parsed.open == []
    assert len(parsed.ids) == len(set(parsed.ids))
    assert all(link.startswith("#") and link[1:] in parsed.ids for link in parsed.links)
    return page, " ".join(" ".join(parsed.words).split())


def tiles(page):
    return dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page))


def test_headline_figures_by_hand(reported):
    page, text = read(reported)
    assert tiles(page) == {
        "Emissions of this run": "196 g CO₂eq",
        "Against the mean of its hours": "12.9 % less",
        "Against itself, blind": "20.0 % less",
        "Against the trace&#x27;s mean": "27.4 % less",
        "Best validation accuracy": "97.50 %",
        "Its test accuracy": "97.00 %",
        "Networks trained": "4",
        "Energy": "900 Wh",
    }
    assert "1 failed; 6 proposed, 6 scored" in text
    assert "225 g CO₂eq for the same energy at the mean of the run's hours, 250 g/kWh" in text
    assert "245 g CO₂eq for the same search blind to the grid" in text
    assert "270 g CO₂eq for the same energy at the trace's mean, 300 g/kWh" in text
    assert "1 min 30 s of device time, idle included; 2 min 41 s on the clock" in text
    assert "energy: power by device state × time × PUE" in text
    assert "accuracies & losses" in text
    assert "digits · optimizer lamoo · stage one-shot · policy heuristic · US-CAL-CISO · 4 trace hours" in text


def rows(page, kind):
    table = page[page.index(f'<table class="{kind}">') :]
    found = re.findall(r"<tr>(.*?)</tr>", table[: table.index("</table>")])[1:]
    return [re.sub(r"<[^>]*>", "", row.replace("</td>", ";")) for row in found]


def test_everything_charged_is_in_a_table_by_kind(reported):
    page, text = read(reported)
    assert rows(page, "charges") == [
        "compiling;6.0 s;20.0 Wh;8.00 g CO₂eq;4.1 %;",
        "supernet training;20.0 s;200 Wh;80.0 g CO₂eq;40.8 %;",
        "scoring proposals;20.0 s;100 Wh;25.0 g CO₂eq;12.8 %;",
        "candidate training;38.0 s;490 Wh;74.0 g CO₂eq;37.8 %;",
        "idle;2.0 s;10.0 Wh;1.00 g CO₂eq;0.5 %;",
        "final test;4.0 s;80.0 Wh;8.00 g CO₂eq;4.1 %;",
        "all;1 min 30 s;900 Wh;196 g CO₂eq;100.0 %;",
    ]
    assert "Not charged: the host & its fans." in text


def test_what_a_meter_counted_has_a_column(metered):
    page, text = read(write_report(metered).parent)
    assert rows(page, "charges")[1] == "supernet training;20.0 s;200 Wh;80.0 g CO₂eq;40.8 %;100 %;"
    assert rows(page, "charges")[-1] == "all;1 min 30 s;900 Wh;196 g CO₂eq;100.0 %;64 %;"
    said = "2.236e+06 J counted by rapl in 58.0 of 90.0 s of device time; the power model says 2.484e+06 J for the same"
    assert f"{said}, so -10%. It counts CPU <packages>." in text
    assert "from the trace and energy, which rapl counted in 64 % of the device time" in text
    assert "<packages>" not in page


def change(folder, *statements):
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as writer:
        for statement in statements:
            writer.execute(statement)
        writer.commit()


def test_the_hours_of_a_live_grid_are_told_by_source(finished):
    assert "asked hour by hour" not in read(write_report(finished).parent)[1]
    known = [(400.0, 0, "gb", "direct", ""), (300.0, 1, "gb", "direct", ""), (500.0, 0, "x", "life-cycle", "")]
    for hour, (value, estimated, source, factors, note) in enumerate([*known, (500.0, 1, "held", "direct", "<down>")]):
        values = f"{hour}, '2024-06-01T{6 + hour:02d}:00:00Z', {value}, {estimated}, '{source}', 'average'"
        change(finished, f"INSERT INTO grid VALUES ({values}, '{factors}', '{note}')")
    # Of the hours that gb foresaw, one is known by itself: 300, for which we had 330 and it 150.
    for issued, lead in ((0, 1), (0, 2), (0, 9)):
        change(finished, f"INSERT INTO forecasts VALUES ({issued}, {lead}, 330.0, 150.0, 'gb')")
    page, text = read(write_report(finished).parent)
    assert (
        "2 h by gb (average, direct; 1 of them estimated); 1 h by x (average, life-cycle); "
        "1 h that nobody knew, the hour before held (average, direct)."
    ) in text
    assert "warning: these hours differ in their accounting" in text
    assert "mean error of 1 hours: 10.0 % of the one that the policy was told, 50.0 % of gb's own" in text
    assert "2024-06-01T09:00:00Z" in text
    assert "<down>" not in page


def test_a_run_of_a_version_without_live_grids_has_a_report(finished):
    change(finished, "DROP TABLE grid", "DROP TABLE forecasts")
    assert "asked hour by hour" not in read(write_report(finished).parent)[1]


def test_a_run_without_a_supernet_does_not_speak_of_one(finished):
    change(
        finished,
        "UPDATE scores SET error = NULL",
        "DELETE FROM intervals WHERE purpose = 'supernet'",
    )
    record = json.loads((finished / "config.json").read_text())
    record["config"]["stage"] = "predictor"
    (finished / "config.json").write_text(json.dumps(record))
    write_report(finished)
    page, text = read(finished)
    assert "stage predictor" in text
    assert "supernet" not in page


def test_a_grid_without_emissions_says_so(finished):
    zero = dict.fromkeys(("emissions_blind_g", "mean_intensity_g_per_kwh", "mean_of_hours_g_per_kwh"), 0.0)
    change(
        finished,
        "UPDATE intervals SET emissions_g = 0",
        "UPDATE hours SET intensity_g_per_kwh = 0",
        f"UPDATE meta SET value = '{json.dumps(zero)}' WHERE key = 'summary'",
    )
    write_report(finished)
    page, text = read(finished)
    assert tiles(page)["Emissions of this run"] == "0 g CO₂eq"
    assert tiles(page)["Against itself, blind"] == "–"
    assert text.count("nothing to save at an intensity of 0") == 2 * 3
    assert "no energy spent" not in text
    assert not re.search(r"\bnan\b", text.replace("loss <nan> at step 12", ""))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(finished):
    finished.chmod(0o555)
    with pytest.raises(InputError, match=r"cannot be written: .* jcenas report"):
        write_report(finished)
    finished.chmod(0o755)


def test_plots_that_are_no_folder_are_named(finished):
    (finished / "plots").write_text("")
    with pytest.raises(InputError, match=r"plots: .*cannot be written: .* jcenas report"):
        write_report(finished)


@pytest.mark.parametrize("backend", ["nonsense", "module://not_installed", "svg"])
def test_an_inherited_backend_of_matplotlib_is_harmless(backend):
    program = "import os, jcenas.report, matplotlib; print(os.environ['MPLBACKEND'], matplotlib.rcParams['backend'])"
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "MPLBACKEND": backend}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    kept, used = done.stdout.split()
    assert kept == backend
    assert (used == backend) == (backend != "nonsense")


def test_front_table_by_hand(reported):
    page, _ = read(reported)
    assert rows(page, "numbers") == [
        "1;|skip_connect~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|avg_pool_3x3~1|skip_connect~2|;"
        "90.00 %;88.00 %;5,000;4.0 s;8.50 g CO₂eq;",
        "2;|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|skip_connect~0|none~1|avg_pool_3x3~2|;"
        "95.00 %;94.00 %;12,000;5.0 s;5.00 g CO₂eq;",
        "3;|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|nor_conv_3x3~0|none~1|nor_conv_3x3~2|;"
        "97.50 %;97.00 %;20,000;6.0 s;12.0 g CO₂eq;",
    ]


def test_strings_of_the_run_are_escaped(reported):
    page, text = read(reported)
    assert "<script" not in page
    assert "<nan>" not in page
    assert "loss <nan> at step 12" in text
    assert "<h1>first &amp; last" in page


def test_nothing_comes_from_outside(reported):
    page, _ = read(reported)
    assert not re.search(r"url\((?!#)", page)
    assert "http" not in re.sub(r'xmlns(:xlink)?="[^"]*"', "", page)
    assert "@import" not in page


def test_plots_are_inline_and_follow_the_colour_scheme(reported):
    page, _ = read(reported)
    drawings = re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL)
    assert len(drawings) == 3 + 3
    for drawing in drawings:
        ElementTree.fromstring(drawing)
        assert "var(--" in drawing
        assert not re.search(r"(fill|stroke): #(?!000000)", drawing)
        assert "DejaVu" not in drawing
    assert "prefers-color-scheme:dark" in page
    for name in ("pareto", "schedule", "progress", "cells"):
        with Image.open(reported / "plots" / f"{name}.png") as image:
            assert image.size[0] >= 500
            assert len(image.convert("L").getcolors()) > 20  # drawn upon


def test_mid_run(halfway):
    write_report(halfway)
    page, text = read(halfway)
    assert tiles(page)["Networks trained"] == "0"
    assert tiles(page)["Best validation accuracy"] == "–"
    assert tiles(page)["Against the mean of its hours"] == "4.8 % more"  # 110 g against 0.3 kWh × 350 g/kWh = 105 g
    assert tiles(page)["Against itself, blind"] == "–"
    assert "the same search blind to the grid: not known yet" in text
    assert "No evaluation has finished yet" in text
    assert "running" in text


def test_before_anything_happened(started):
    write_report(started)
    page, text = read(started)
    assert tiles(page)["Emissions of this run"] == "0 g CO₂eq"
    assert "No trace hour has passed yet" in text
    assert "<svg" not in page


def test_within_the_first_hour(halfway):
    with contextlib.closing(sqlite3.connect(halfway / "run.db")) as writer:
        writer.execute("DELETE FROM hours")
        writer.commit()
    write_report(halfway)
    page, text = read(halfway)
    assert tiles(page)["Emissions of this run"] == "110 g CO₂eq"
    assert tiles(page)["Against the mean of its hours"] == "–"
    assert "No trace hour has passed yet" in text


def test_rebuilding_changes_nothing_in_the_run(finished):
    before = {name: (finished / name).read_bytes() for name in ("run.db", "config.json")}
    assert write_report(finished) == finished / "report.html"
    assert {name: (finished / name).read_bytes() for name in before} == before
    assert not list(finished.glob("*.part"))


def test_same_run_same_page(finished, reported):
    write_report(finished)
    assert (finished / "report.html").read_bytes() == (reported / "report.html").read_bytes()


def test_a_page_of_several_costs(with_costs):
    page = write_report(with_costs).read_text(encoding="utf-8")
    text = Text(page)
    assert not text.open
    words = " ".join(text.words)
    assert "latency, ms" in words
    assert "better in one of accuracy on the validation images, params, latency" in words
    assert "15,000 parameters · 2 ms" in " ".join(words.split())
    with Image.open(with_costs / "plots" / "pareto.png") as picture:
        assert picture.size[1] > 900

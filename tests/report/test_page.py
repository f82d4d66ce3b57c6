"""The page says what the database holds, stands alone, and cannot be scripted by a run."""

import contextlib
import html.parser
import re
import sqlite3
import xml.etree.ElementTree as ElementTree

from PIL import Image

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
        "Emissions of this run": "180 g CO₂eq",
        "Same work at mean intensity": "240 g CO₂eq",
        "Saving": "25.0 %",
        "Energy": "800 Wh",
        "Best validation accuracy": "97.50 %",
        "Its test accuracy": "97.00 %",
        "Networks trained": "4",
        "Device time": "1 min 20 s",
    }
    assert "1 failed; 6 proposed, 6 scored" in text
    assert "300 gCO₂eq/kWh, the trace's mean" in text
    assert "against the trace's mean; 10.0 % against the mean of its own hours, 250 g/kWh" in text
    assert "training 58.0 s, scoring 20.0 s, idle 2.0 s; 2 min 41 s on the clock" in text
    assert "energy: power by device state × time × PUE" in text
    assert "accuracies & losses" in text


def test_front_table_by_hand(reported):
    page, _ = read(reported)
    table = page[page.index('<table class="numbers">') :]
    rows = re.findall(r"<tr>(.*?)</tr>", table[: table.index("</table>")])
    cells = [re.sub(r"<[^>]*>", "", row.replace("</td>", ";")) for row in rows[1:]]
    assert cells == [
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
    assert tiles(page)["Saving"] == "−4.8 %"  # 110 g against 0.3 kWh × 350 g/kWh = 105 g
    assert "against the mean of the hours so far" in text
    assert "of its own hours," not in text
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
    assert tiles(page)["Saving"] == "–"
    assert "No trace hour has passed yet" in text


def test_rebuilding_changes_nothing_in_the_run(finished):
    before = {name: (finished / name).read_bytes() for name in ("run.db", "config.json")}
    assert write_report(finished) == finished / "report.html"
    assert {name: (finished / name).read_bytes() for name in before} == before
    assert not list(finished.glob("*.part"))


def test_same_run_same_page(finished, reported):
    write_report(finished)
    assert (finished / "report.html").read_bytes() == (reported / "report.html").read_bytes()

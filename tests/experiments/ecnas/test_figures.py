"""The smoke size of every EC-NAS experiment, and Table 1 to the digit."""

import re

import numpy as np
import pytest

from experiments.ecnas import figures as ecnas_figures
from experiments.ecnas import optimizers as ecnas_optimisers
from experiments.ecnas import published as ecnas_published
from experiments.ecnas import speed as benchmark_ecnas
from experiments.ecnas import surrogate as ecnas_surrogate
from experiments.lib import recording

pytestmark = pytest.mark.data


@pytest.fixture(autouse=True)
def quiet(data, monkeypatch):
    monkeypatch.setenv("JCENAS_DATA", str(data))

    def refuse(*arguments, **options):
        pytest.fail("a smoke run records nothing")

    monkeypatch.setattr(recording, "record", refuse)
    for module in (ecnas_figures, ecnas_optimisers, ecnas_published, ecnas_surrogate):
        monkeypatch.setattr(module, "record", refuse)


def test_named_rows_by_hand():
    points = np.array([[1.0, 9.0], [2.0, 3.0], [3.0, 8.0], [4.0, 2.0], [8.0, 1.0], [1.0, 9.5]])
    assert ecnas_published.named_rows(points) == [0, 4, 1]


@pytest.mark.slow
def test_table_1_to_the_digit():
    """Every printed mean and deviation but SEMOA's, whose runs are not all public, and energies printed as 0.01."""
    rows = {(row[0], row[1], row[4]): row[5:] for row in ecnas_published.main(["--smoke"])}
    compared = 0
    for (source, method, point), paper in rows.items():
        if source != "paper" or method == "SEMOA":
            continue
        for i, (printed, found) in enumerate(zip(paper, rows["recomputed", method, point], strict=True)):
            if i == 2 and point.startswith("r0"):
                continue
            a, b = (np.array(re.findall(r"[\d.]+", text), float) for text in (printed, found))
            # Half a unit of the paper's second decimal, and of the third or fourth that we print.
            np.testing.assert_allclose(a, b, atol=0.0056, err_msg=f"{method} {point} {i}")
            compared += 1
    assert compared == 9 * 4 - 3


@pytest.mark.slow
@pytest.mark.study
def test_optimisers_smoke():
    rows = ecnas_optimisers.main(["--smoke"])
    assert all(len(row) == 1 + len(ecnas_optimisers.COLUMNS) for row in rows)
    found = {row[1]: row for row in rows}
    assert found["every known point"][2] == 364
    assert found["every known point"][4] == pytest.approx(93.24, abs=0.005)
    assert found["published random search"][4] == pytest.approx(92.68, abs=0.005)
    assert found["semoa"][2:4] == [40, 2]
    assert 80 < found["random, uniform over cells"][4] < found["every known point"][4]


@pytest.mark.slow
def test_methods_left_out_are_recorded_as_such(monkeypatch):
    recorded, name = {}, "ecnas_optimisers_4v"
    monkeypatch.setattr(ecnas_optimisers, "load", lambda: recorded)
    monkeypatch.setattr(ecnas_optimisers, "record", lambda name, **table: recorded.update({name: table}))
    monkeypatch.setattr(ecnas_optimisers, "PLAN", {"random-sobol": (200, 1), "semoa": (1000, 10)})
    ecnas_optimisers.main(["--spaces", "4V", "--methods", "random-sobol"])
    table = recorded[name]
    rows = {row[0]: row for row in table["rows"]}
    assert rows["random, Sobol sequence"][1:3] == [143, 10]
    assert rows["random, Sobol sequence"][-1] == pytest.approx(53.5, abs=5)  # % that is no cell
    assert rows["semoa"][1:] == [None] * 9
    assert "semoa: not measured, left out by --methods." in table["notes"]
    assert table["command"].endswith("--spaces 4V --methods random-sobol")
    # Run again without it, the sequence keeps its rows and their date.
    recorded[name] |= {"columns": list(table["columns"]), "environment": {"date_utc": "2026-01-02T03:04:05+00:00"}}
    monkeypatch.setattr(ecnas_optimisers, "PLAN", {"random-sobol": (200, 1), "random-released": (110, 1)})
    for _ in range(2):
        ecnas_optimisers.main(["--spaces", "4V", "--methods", "random-released"])
        again = recorded[name]
        assert again["command"].endswith("--spaces 4V")
        assert [row for row in again["rows"] if row[0] == "random, Sobol sequence"] == [
            row for row in table["rows"] if row[0] == "random, Sobol sequence"
        ]
        assert "random, Sobol sequence: from the recording of 2026-01-02T03:04." in again["notes"]
        recorded[name] = again | {"columns": list(again["columns"]), "environment": {"date_utc": "2027-01-01T00:00:00"}}


def test_the_papers_hypervolumes():
    """Figure 5 prints 1.41, 1.44, 1.42 and 1.44 10^6 (SEMOA: 7 of 10 runs are public)."""
    found = {row[1]: row for row in ecnas_optimisers.published_rows("7V", np.array([0.952202, 100.0]), 88.83)}
    shown = [found[f"published {name}"][9] for name in ("SH-EMOA", "random search", "MS-EHVI", "SEMOA")]
    np.testing.assert_allclose(shown, [1.4144, 1.4373, 1.4169, 1.4444], atol=1e-4)
    assert found["published random search"][4:6] == pytest.approx([87.91, 0.261], abs=0.006)
    assert found["published random search"][10] == pytest.approx(68.12, abs=0.005)


@pytest.mark.study
def test_surrogate_smoke():
    rows = ecnas_surrogate.main(["--smoke"])
    assert all(len(row) == len(ecnas_surrogate.COLUMNS) for row in rows)
    assert rows[0][3] == pytest.approx(0.9498, abs=2e-4)
    assert rows[0][5] == pytest.approx(0.330, abs=1e-3)
    assert rows[2][0] == "ours"
    assert rows[2][3] > 0.8


@pytest.mark.slow
def test_figures_smoke(tmp_path):
    effects, costs, page = ecnas_figures.main(["--smoke", "--out", str(tmp_path / "ecnas")])
    assert [row[5] < 0 for row in effects] == [True] * 3  # each replacement saves parameters
    assert effects[0][4] < 0  # and the first one energy
    done, whole = costs
    assert (done[2], whole[2]) == (91, 364)
    assert whole[4] > 20 * done[4] > 0
    assert page.read_text().count("<svg") == len(list(page.parent.glob("*.png"))) == 4


@pytest.mark.slow
def test_speed_smoke():
    rows = benchmark_ecnas.main(["--smoke"])
    assert [row[0].split(": ")[1] for row in rows] == [
        "enumeration of all cells",
        "queries by number",
        "queries by graph",
        "SEMOA",
    ]
    assert all(row[4] > 0 for row in rows[1:])

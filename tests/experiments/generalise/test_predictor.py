"""The study of the predictor: its smoke size, and what it says of its rows."""

import pytest

from experiments.generalise import predictor as study


@pytest.mark.slow
@pytest.mark.study
def test_smoke():
    [row] = study.main(["--smoke"])
    assert len(row) == len(study.COLUMNS)
    assert row[:3] == ["full", "toy", 2]


def row_of(name, ratio, behind=-1.0, other=-1.0):
    row = dict.fromkeys(study.COLUMNS, 0.0)
    row |= {"accounting": "full", "table": name, "carbon ratio, median": ratio, "its q1": behind}
    row["and less lamoo-ehvi's, median"] = other
    return list(row.values())


def test_the_verdict_is_of_the_rows():
    good = study.verdict([row_of("a", 2.0), row_of("b", 4.0), row_of("c", 5.0)])
    assert good == [
        "full: final hypervolume no less than vanilla LaMOO's and lamoo-ehvi's: met on all tables",
        "full: carbon ratio 4.00 on the median of 3 tables, goal 3.0: met",
        "full: carbon ratio 2.00 on a, goal 1.3: met",
    ]
    bad = study.verdict([row_of("a", 2.0, behind=0.1), row_of("b", 1.0, other=1.0)])
    assert "missed on a, b" in bad[0]
    assert "missed by 1.50" in bad[1]
    assert "missed by 0.30" in bad[2]


def test_names_of_a_part():
    assert study.tables_of("test")[0] == "test-0"
    assert "digits" in study.tables_of("development")

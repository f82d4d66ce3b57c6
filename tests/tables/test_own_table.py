"""A user's own table: what its columns become, what is left out, and what is refused, each in one line."""

import itertools
import re

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from jcenas.errors import InputError
from jcenas.tables import Grid, Listed, from_csv
from jcenas.tables.own_table import SECONDS

ROLES = {"genome": ["op", "width"], "error": "val_error", "costs": ["ms"]}


def frame(**changes):
    """Six architectures: val_error 10 - row, ms 1 + row, in disorder of the genome."""
    rows = [("skip", 64), ("conv", 16), ("conv", 64), ("pool", 16), ("pool", 64), ("skip", 16)]
    columns = {"op": [op for op, _ in rows], "width": [w for _, w in rows]}
    columns |= {"val_error": 10.0 - np.arange(6), "ms": 1.0 + np.arange(6), "train_s": 100.0 + np.arange(6)}
    return pd.DataFrame(columns | changes)


@pytest.fixture
def read(tmp_path):
    def of(data, *, form="csv", sep=",", **roles):
        path = tmp_path / f"mine.{form}"
        data.to_parquet(path) if form == "parquet" else data.to_csv(path, index=False, sep=sep)
        return from_csv(path, **ROLES | roles)

    return of


def refusal(read, *arguments, **options):
    with pytest.raises(InputError) as said:
        read(*arguments, **options)
    assert "\n" not in str(said.value)
    return str(said.value)


@pytest.mark.parametrize(("form", "sep"), [("csv", ","), ("csv", ";"), ("tsv", "\t"), ("parquet", None)])
def test_choices_are_the_sorted_values(read, form, sep):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    table = read(frame(), form=form, sep=sep, seconds="train_s")
    assert table.space == Grid((3, 2))
    # conv 16, conv 64, pool 16, pool 64, skip 16, skip 64 are rows 1, 2, 3, 4, 5, 0
    np.testing.assert_array_equal(table.genomes, [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]])
    np.testing.assert_array_equal(table.column("error"), [9, 8, 7, 6, 5, 10])
    np.testing.assert_array_equal(table.column("ms"), [2, 3, 4, 5, 6, 1])
    np.testing.assert_array_equal(table.column("train_seconds"), [101, 102, 103, 104, 105, 100])
    assert dict(table.notes)["error"] == "column val_error"


def test_what_may_be_meant_otherwise_is_said(read):
    notes = dict(read(frame(top1_acc=np.arange(6.0)), error="top1_acc").notes)
    assert notes["error"] == (
        "column top1_acc, of which less is taken to be better; if more is, say --maximise top1_acc"
    )
    close = dict(read(frame(ms=1e9 + np.arange(6.0))).notes)  # floats of 32 bits are 64 apart there
    assert close["ms"] == "its 6 values become 1 in 32 bits; subtract a constant to keep them apart"
    assert "ms" not in dict(read(frame(ms=1e6 + np.arange(6.0))).notes)


def test_integers_from_one_are_four_choices(read):
    rows = list(itertools.product(range(1, 5), (2, 9)))
    data = pd.DataFrame(rows, columns=["op", "width"]).assign(val_error=5.0, ms=1.0)
    assert read(data).space == Grid((4, 2))


def test_numbers_are_sorted_by_size(read):
    table = read(frame(width=[2, 0.5, 10, 2, 10, 0.5]), genome=["width", "op"])
    np.testing.assert_array_equal(table.space.cardinalities, (3, 3))
    assert isinstance(table.space, Listed)
    assert table.column("ms")[int(table.rows(jnp.array([[2, 0]]))[0])] == 3  # width 10, the largest, and conv


@pytest.mark.parametrize(
    ("texts", "cardinalities"),
    [
        (["0312", "0000", "0311", "0310", "0301", "0302"], (1, 2, 2, 3)),
        (["0 3 1", "0 0 0", "10 3 1", "0 3 0", "0 0 1", "2 3 1"], (3, 2, 2)),
        (["|a~0|+|b~0|", "|a~0|+|c~0|", "|d~0|+|b~0|", "|e~0|+|b~0|", "|f~0|+|b~0|", "|g~0|+|b~0|"], (5, 2)),
    ],
)
def test_one_column_may_write_the_whole_genome(read, texts, cardinalities):
    assert read(frame(arch=texts), genome=["arch"]).space.cardinalities == cardinalities


def test_lists_of_parquet_are_genomes(read):
    pytest.importorskip("pyarrow")
    assert read(frame(arch=[[i, 5 - i] for i in range(6)]), form="parquet", genome="arch").space.cardinalities == (6, 6)


def test_rows_that_lack_a_cell_are_left_out_and_counted(read):
    data = frame().astype(object)
    data.loc[1, "val_error"], data.loc[2, "op"], data.loc[3, "ms"] = "n/a", None, "broken"
    table = read(data)
    assert table.size == 3
    assert isinstance(table.space, Listed)
    assert dict(table.notes)["rows"].startswith(
        "3 of 6 rows are left out, for missing or unreadable cells (the first: "
    )
    assert "'val_error' in row 2" in dict(table.notes)["rows"]
    assert read(frame(val_error=[np.inf, 1, 2, 3, 4, 5])).size == 5


def test_the_mean_of_copies_counts(read):
    table = read(pd.concat([frame(), frame(val_error=20.0).iloc[:2]]))
    np.testing.assert_array_equal(table.column("error"), [14.5, 8, 7, 6, 5, 15])
    assert dict(table.notes)["copies"] == "8 rows are of 6 architectures; the mean of those of one counts"


def test_more_may_be_better(read):
    data = frame(acc=np.linspace(0.5, 0.9, 6), percent=np.linspace(50, 90, 6), gain=np.linspace(-1, 300, 6))
    for column, best, note in (("acc", 0.1, "1 - acc"), ("percent", 10, "100 - percent"), ("gain", 15.05, "315.05 - ")):
        table = read(data, error=column, maximise=[column, "ms"], costs=["ms"])
        assert float(table.column("error").min()) == pytest.approx(best)
        assert dict(table.notes)["error"].startswith(note)
        np.testing.assert_array_equal(table.column("-ms"), [-2, -3, -4, -5, -6, -1])
        assert "ms" not in table.columns


def test_seconds_are_a_column_or_a_constant(read):
    assert set(read(frame()).column("train_seconds").tolist()) == {SECONDS}
    assert "every training takes 3600 s" in dict(read(frame()).notes)["train_seconds"]
    assert float(read(frame(train_seconds=7.0)).column("train_seconds")[0]) == 7
    assert "train_seconds" not in dict(read(frame(train_seconds=7.0)).notes)


def test_other_columns_are_kept_where_they_hold_numbers(read):
    unused = {"remark": "text", "empty": None, "huge": 1e300}
    table = read(frame(oneshot_error=[1, 2, None, 4, 5, 6], **unused, error=3.0, noise=[None, *[1] * 5]))
    assert table.columns.keys() == {"error", "ms", "train_seconds", "train_s", "oneshot_error"}
    assert table.incomplete == ("oneshot_error",)
    notes = dict(table.notes)
    assert notes["columns"] == "not of numbers of 32 bits, and left out: remark, empty, huge"
    assert notes["noise"] == "lacks values and is not used"
    np.testing.assert_array_equal(table.column("error"), [9, 8, 7, 6, 5, 10])  # not the file's own column of that name


@pytest.mark.parametrize(
    ("data", "roles", "message"),
    [
        (
            frame(),
            {"error": "val_eror"},
            "mine.csv has no column 'val_eror'; did you mean 'val_error'? its columns are op,",
        ),
        (frame(), {"genome": ["op", "kernel"]}, "mine.csv has no column 'kernel'; its columns are op, width, val_"),
        (frame(), {"seconds": "TRAIN_S"}, "did you mean 'train_s'?"),
        (frame(), {"maximise": ["acc"]}, "has no column 'acc'"),
        (frame(), {"maximise": ["train_s"]}, "'train_s' is neither the error nor a cost"),
        (frame(), {"costs": ["val_error"]}, "column 'val_error' is named for two purposes"),
        (frame(of="x"), {"error": "of"}, "column 'of' holds no numbers (such as 'x')"),
        (
            frame(val_error=-1.0),
            {},
            "falls to -1, and an error is not negative; if more is better, say --maximise val_er",
        ),
        (frame(ms=-1e39), {}, "column 'ms' holds 1e+39, which is beyond 32 bits; give it in a larger unit"),
        (frame(val_error=None), {}, "column 'val_error' holds no numbers (such as 'nothing')"),
        (frame(op=None), {}, "every row lacks one of val_error, ms, op, width"),
        (frame().iloc[:1], {}, "has one architecture only"),
        (frame().iloc[:0], {}, "has no rows below its header"),
        (
            frame(id=list("abcdef")),
            {"genome": ["id"]},
            "column 'id' names the architectures and says nothing about them",
        ),
    ],
)
def test_what_cannot_be_used(read, data, roles, message):
    assert message in refusal(read, data, **roles)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n\n1,2\n", "begins with an empty line"),
        ("a.csv", b"PK\0\0\xff", "cannot be read as a table|is no CSV file"),
        ("a.csv", b"PAR1\0\0", "is no CSV file"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n1,2,3,4\n", "cannot be read as a table"),
        ("a.csv", b"a,b\n1,2,3\n1,2,3\n", "cannot be read as a table"),
        ("a.csv", b"a,a \n1,2\n", "has two columns 'a'"),
        ("a.parquet", b"PAR1 nonsense", "cannot be read as a table|needs `pip install"),
        ("none.csv", None, "no such file"),
    ],
)
def test_damaged_files(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert re.search(message, refusal(from_csv, path, **ROLES))


def test_decimal_commas_and_byte_order_marks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffop;width;val_error;ms\na;1;2,5;1,0\nb;1;3,5;2\n".encode())
    table = from_csv(path, **ROLES)
    np.testing.assert_array_equal(table.column("error"), [2.5, 3.5])

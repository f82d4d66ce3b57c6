"""The file of a measured table: rows that last, a cut line, other settings, other files, and two processes."""

import json

import pytest

from jcenas.errors import InputError
from jcenas.live.measure.file import check_place, opened, record_path, rows_there

COLUMNS = {"genome": "what it is", "architecture": "its string", "seed": "of the weights", "error": "in %"}
ROWS = [{"genome": f"{i} 1", "architecture": f'a,"{i}"', "seed": "0", "error": str(i)} for i in range(3)]


def record(**settings):
    return {"settings": {"--epochs": 3, "--looks": [1], **settings}, "columns": COLUMNS, "images": {"sha256": "ab"}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "table.csv"


def write(path, rows=ROWS, **settings):
    with opened(path, record(**settings)) as table:
        table.append(rows)


def test_rows_last_and_more_follow(path):
    assert rows_there(path, record()) == []
    assert not path.parent.exists()  # looking writes nothing
    write(path, ROWS[:1])
    write(path, ROWS[1:])
    assert rows_there(path, record()) == ROWS
    assert path.read_text().splitlines()[:2] == ["genome,architecture,seed,error", '0 1,"a,""0""",0,0']
    assert json.loads(record_path(path).read_text())["columns"] == COLUMNS


@pytest.mark.parametrize("lost", [1, 3, 20])
def test_the_line_that_a_kill_cut_is_dropped(path, lost):
    write(path, ROWS[:2])
    path.write_bytes(path.read_bytes()[:-lost])
    left = ROWS[:1] if lost < 17 else []
    assert rows_there(path, record()) == left
    with opened(path, record()) as table:
        assert table.rows == left
        table.append(ROWS[2:])
    assert rows_there(path, record()) == [*left, ROWS[2]]


@pytest.mark.parametrize("kept", [0, 5])
def test_a_header_that_a_kill_cut_is_written_again(path, kept):
    write(path, [])
    path.write_bytes(path.read_bytes()[:kept])
    write(path)
    assert rows_there(path, record()) == ROWS


def test_rows_are_put_in_order_in_a_file_that_is_always_whole(path):
    with opened(path, record()) as table:
        table.append(ROWS[::-1])
        table.sort(lambda row: row["genome"])
        assert table.rows == ROWS
    assert rows_there(path, record()) == ROWS
    assert sorted(file.name for file in path.parent.iterdir()) == ["table.csv", "table.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--epochs": 4}, "--epochs 4: .*table.csv was begun with --epochs 3; give that, or choose another --out"),
        ({"--looks": []}, "no --looks: .*was begun with --looks 1;"),
        ({"--looks": [1, 2]}, "--looks 1 2: .*was begun with --looks 1;"),
    ],
)
def test_other_settings_are_refused(path, change, message):
    write(path)
    before = path.read_bytes()
    for attempt in (lambda: rows_there(path, record(**change)), lambda: write(path, **change)):
        with pytest.raises(InputError, match=message):
            attempt()
    assert path.read_bytes() == before


def test_other_images_and_columns_are_refused(path):
    write(path)
    with pytest.raises(InputError, match="begun with other images"):
        rows_there(path, record() | {"images": {"sha256": "cd"}})
    with pytest.raises(InputError, match="made by another version of jcenas measure"):
        rows_there(path, record() | {"columns": {"genome": ""}})


@pytest.mark.parametrize("text", ["[]", "{", '{"made_by": "x"}', "[" * 100_000, "7", "\x00"])
def test_a_record_that_is_none_is_refused(path, text):
    write(path)
    record_path(path).write_text(text)
    with pytest.raises(InputError, match=r"table\.json is no record of jcenas measure") as said:
        rows_there(path, record())
    assert "\n" not in str(said.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("genome,error\n", "has other columns than"),
        ("genome,architecture,seed,error\n1,2\n", r"table\.csv, line 2: no row of this table; take the line out"),
        ('genome,architecture,seed,error\n1,"2\n', "is damaged"),
        (b"\xff\xfe\n", "is damaged"),
    ],
)
def test_a_damaged_table_is_refused(path, content, message):
    write(path)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        rows_there(path, record())


def test_another_file_of_that_name_is_left_alone(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text("a,b\n")
    with pytest.raises(InputError, match=r"mine\.csv exists, and no .*mine\.json says how it was made; choose another"):
        rows_there(path, record())
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match=r"folder\.csv is no file that can be written"):
        check_place(tmp_path / "folder.csv")
    with pytest.raises(InputError, match="nothing can be written in"):
        check_place(path / "below.csv")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder.csv", "mine.csv"]


def test_a_second_process_is_kept_away(path):
    with (
        opened(path, record()),
        pytest.raises(InputError, match="another jcenas process writes it"),
        opened(path, record()),
    ):
        raise AssertionError("both opened it")


def test_what_the_disk_refuses_is_one_line(path):
    def full():
        with opened(path, record()):
            raise OSError(28, "No space left on device")

    with pytest.raises(InputError, match=r"table\.csv: No space left on device; free the disk, then give the same"):
        full()

import sqlite3

import pytest

from jcenas.errors import InputError
from jcenas.live.database import SCHEMA_VERSION, RunDatabase


def test_rows_and_meta_survive_a_reopening(tmp_path):
    database = RunDatabase(tmp_path / "run.db", create=True)
    row = database.insert("proposals", genome="[0]", cell="c", hour=0.5, status="proposed")
    database.update("proposals", row, status="queued")
    database.set_meta("reference", [1.0, 2.0])
    database.close()
    again = RunDatabase(tmp_path / "run.db")
    assert tuple(again.rows("SELECT id, status FROM proposals")[0]) == (1, "queued")
    assert again.get_meta("reference") == [1.0, 2.0]
    assert again.get_meta("nothing", 3) == 3
    again.close()


def test_a_transaction_is_all_or_nothing(tmp_path):
    database = RunDatabase(tmp_path / "run.db", create=True)

    def half():
        with database.transaction():
            database.set_meta("a", 1)
            with database.transaction():
                database.set_meta("b", 2)
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        half()
    assert database.get_meta("a") is None
    assert database.get_meta("b") is None
    database.close()


def test_a_missing_database_is_not_created(tmp_path):
    with pytest.raises(InputError, match=r"run\.db is missing"):
        RunDatabase(tmp_path / "run.db")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b""])
def test_a_damaged_database_is_named_and_left_alone(tmp_path, content):
    path = tmp_path / "run.db"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"run\.db: is damaged .*start a new run"):
        RunDatabase(path)
    if content:
        assert path.read_bytes() == content


def test_a_database_cut_short_is_damaged(tmp_path):
    path = tmp_path / "run.db"
    database = RunDatabase(path, create=True)
    for i in range(500):
        database.insert("proposals", genome="[0]" * 30, cell="c" * 50, hour=i, status="proposed")
    database.close()
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(InputError, match="damaged"):
        RunDatabase(path)


@pytest.mark.parametrize(("version", "said"), [(0, 1), (1, 1), (SCHEMA_VERSION + 1, SCHEMA_VERSION + 1)])
def test_tables_of_another_version_are_refused_and_left_alone(tmp_path, version, said):
    path = tmp_path / "run.db"
    connection = sqlite3.connect(path)
    connection.executescript(f"CREATE TABLE scores(proposal INTEGER PRIMARY KEY); PRAGMA user_version = {version};")
    connection.close()
    with pytest.raises(InputError) as refused:
        RunDatabase(path)
    assert str(refused.value) == (
        f"{path} was made by another version of jcenas (tables of version {said}, here {SCHEMA_VERSION}); "
        "go on with that version, or start a new run under another --name"
    )
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("scores",)]
    connection.close()


def test_a_table_that_is_missing_is_damage(tmp_path):
    database = RunDatabase(tmp_path / "run.db", create=True)
    database.execute("DROP TABLE test")
    database.close()
    with pytest.raises(InputError, match=r"is damaged \(malformed: no table test\)"):
        RunDatabase(tmp_path / "run.db")


def test_a_row_with_the_same_key_is_replaced_and_an_update_changes_one(tmp_path):
    database = RunDatabase(tmp_path / "run.db", create=True)
    for error in (0.5, 0.25):
        database.replace("test", proposal=1, error=error)
    assert [tuple(row) for row in database.rows("SELECT * FROM test")] == [(1, 0.25)]
    for cell in "ab":
        database.insert("proposals", genome="[0]", cell=cell, hour=0.0, status="proposed")
    database.update("proposals", 2, status="queued", place=0)
    database.delete("proposals", "status = ?", "proposed")
    assert [tuple(row) for row in database.rows("SELECT id, cell, place FROM proposals")] == [(2, "b", 0)]
    database.close()


def test_a_locked_database_says_so(tmp_path, monkeypatch):
    path = tmp_path / "run.db"
    RunDatabase(path, create=True).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **(k | {"timeout": 0.1})))
    with pytest.raises(InputError, match="another program holds it locked"):
        RunDatabase(path)
    other.close()

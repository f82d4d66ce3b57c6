"""Where a file that is not there yet would be written, and writing it whole or not at all."""

import contextlib

from jcenas.runtime.paths import is_writable, nearest_above, replacing


def test_the_nearest_that_exists(tmp_path):
    assert nearest_above(tmp_path / "a" / "b" / "c.csv") == tmp_path
    (tmp_path / "a").write_text("in the place of a folder")
    assert nearest_above(tmp_path / "a" / "b" / "c.csv") == tmp_path / "a"


def test_files_are_made_in_folders(tmp_path):
    assert is_writable(tmp_path)
    (tmp_path / "file").touch()
    assert not is_writable(tmp_path / "file")
    assert not is_writable(tmp_path / "gone")


def test_a_file_is_replaced_whole_or_stays(tmp_path):
    target = tmp_path / "new" / ("a" * 250)  # with anything more behind the name it is no name
    with replacing(target) as part:
        part.write_text("first")
        assert not target.exists()
    with contextlib.suppress(RuntimeError), replacing(target) as part:
        part.write_text("half")
        raise RuntimeError
    assert target.read_text() == "first"
    with replacing(target) as one, replacing(target) as other:  # two at once do not mix
        one.write_text("one")
        other.write_text("another")
    assert target.read_text() == "one"
    assert list(target.parent.iterdir()) == [target]
    (tmp_path / "usual").touch()
    assert target.stat().st_mode == (tmp_path / "usual").stat().st_mode

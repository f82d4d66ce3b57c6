"""Where a file that is not there yet would be written."""

from jcenas.runtime.paths import is_writable, nearest_above


def test_the_nearest_that_exists(tmp_path):
    assert nearest_above(tmp_path / "a" / "b" / "c.csv") == tmp_path
    (tmp_path / "a").write_text("in the place of a folder")
    assert nearest_above(tmp_path / "a" / "b" / "c.csv") == tmp_path / "a"


def test_files_are_made_in_folders(tmp_path):
    assert is_writable(tmp_path)
    (tmp_path / "file").touch()
    assert not is_writable(tmp_path / "file")
    assert not is_writable(tmp_path / "gone")

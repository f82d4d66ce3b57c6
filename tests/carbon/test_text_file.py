"""Files that are none, are too large, or hold no text: one printable line each, without waiting."""

import gzip
import os
import zipfile

import pytest

from jcenas.carbon.text_file import quoted, read_text, shown
from jcenas.errors import InputError


def message_of(path, **limits):
    with pytest.raises(InputError) as caught:
        read_text(path, **limits)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_text_in_its_usual_encodings(tmp_path):
    path = tmp_path / "text"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_bytes("gCO₂\r\n".encode(encoding))
        assert read_text(path) == "gCO₂\r\n"
    path.write_bytes(gzip.compress(b"inside", mtime=0))  # whatever its name
    assert read_text(path) == "inside"


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/null"):
        assert "is a pipe, socket or device; give a file" in message_of(path)
    assert "is a folder" in message_of(tmp_path)
    assert "cannot be read (No such file" in message_of(tmp_path / "two\nlines")
    assert "cannot be read (File name too long)" in message_of(tmp_path / ("x" * 300))
    assert "cannot be read" in message_of("a\0b")


def test_sizes_are_limited_before_and_after_decompression(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"1" * (1 << 20) + b"2")
    assert "holds more than 1 MiB" in message_of(path, max_bytes=1 << 20)
    path.write_bytes(gzip.compress(b"1" * (1 << 22)))
    assert path.stat().st_size < 1 << 13
    assert "holds more than 1 MiB" in message_of(path, max_bytes=1 << 20)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("own.csv", "1")
    assert "is a zip archive; unpack it" in message_of(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"a\n\xe4", "line 2: is no text in UTF-8"),
        (b"a\nb\0", "line 2: holds the control character"),
        (gzip.compress(b"1" * 99, mtime=0)[:-9], "cannot be read"),
        (b"\x1f\x8b\x08nonsense", "cannot be read"),
    ],
)
def test_damaged_content(tmp_path, content, message):
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    assert message in message_of(path)


def test_values_in_messages_stay_on_one_short_line():
    assert shown("a\nb\x1b") == "a\\x0ab\\x1b"
    assert quoted("x" * 100) == "'" + "x" * 56 + "..."
    assert quoted(7) == "7"

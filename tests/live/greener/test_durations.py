import pytest

from jcenas.errors import InputError
from jcenas.live.greener.durations import seconds_of, spelled


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3h", 10_800),
        ("90m", 5400),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2d", 172_800),
        ("20s", 20),
        (" 1d 12h ", 129_600),
    ],
)
def test_lengths_of_time(text, seconds):
    assert seconds_of(text, "--work") == seconds


@pytest.mark.parametrize("text", ["", "3", "h", "3 hours", "-1h", "1m1h", "1h1h", "nan", "infh"])
def test_what_is_none(text):
    with pytest.raises(InputError, match=r"--work .*no length of time; write it like 3h"):
        seconds_of(text, "--work")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.5, "0.5 s"), (42, "42 s"), (60, "1 min"), (3599.7, "1 h"), (12_000, "3 h 20 min"), (90_000, "1 d 1 h")],
)
def test_lengths_for_people(seconds, text):
    assert spelled(seconds) == text

"""Answers of services with double and missing entries, put on equal steps by hand-computed values."""

import datetime

import numpy as np
import pytest

from jcenas.carbon.repair import regular
from jcenas.errors import InputError

START = datetime.datetime(2024, 3, 1, tzinfo=datetime.UTC)
NAN = float("nan")


def at(*hours):
    return [START + datetime.timedelta(hours=hour) for hour in hours]


def test_double_entries_are_averaged_and_marked_where_they_differ():
    series = regular("service", at(0, 1, 1, 2, 2), [10, 20, 40, 5, 5], [False] * 5)
    np.testing.assert_array_equal(series.values, [10, 30, 5])
    np.testing.assert_array_equal(series.estimated, [False, True, False])
    assert series.notes == ("1 steps came more than once from the service: averaged, marked estimated",)


def test_gaps_are_filled_by_a_line_and_ends_held():
    series = regular("service", at(0, 1, 3, 4, 5), [NAN, 10, 30, 40, NAN], [False, False, False, True, False])
    np.testing.assert_array_equal(series.values, [10, 10, 20, 30, 40, 40])
    np.testing.assert_array_equal(series.estimated, [True, False, True, False, True, True])
    assert series.notes == ("3 of 6 steps were missing from the service: filled in, marked estimated",)


def test_order_does_not_matter_and_one_entry_is_an_hour():
    assert regular("service", at(1, 0, 2), [2, 1, 3], [False] * 3).values.tolist() == [1, 2, 3]
    one = regular("service", at(0), [7], [True])
    assert (one.step_seconds, one.values.tolist(), one.estimated.tolist(), one.notes) == (3600, [7], [True], ())


@pytest.mark.parametrize(
    ("hours", "values", "message"),
    [
        ([0, 1], [NAN, NAN], "gave no intensity at all; ask for another period"),
        ([0, 1, 2, 2.4], [1, 1, 1, 1], "irregular steps"),
        ([0, 1, 9], [1, 1, 1], "left out 7 h from 2024-03-01 02:00 UTC on"),
        (list(range(6)), [1, 1, NAN, NAN, NAN, NAN], "left out 4 h from 2024-03-01 02:00 UTC on"),
        (list(range(6)), [NAN, NAN, NAN, NAN, 1, 1], "left out 4 h from 2024-03-01 00:00 UTC on"),
        ([0, 1, 1e6], [1, 1, 1], "left out 999998 h"),
    ],
)
def test_what_cannot_be_mended(hours, values, message):
    with pytest.raises(InputError, match=message):
        regular("service", at(*hours), values, [False] * len(values))

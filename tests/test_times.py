"""Splits by time: what is a time, where the cuts fall, and who must not stand on both sides."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise

import numpy as np
import pytest

from frostline.errors import UserError
from frostline.times import Times, latest_rows, purged, windows


def read(values):
    return Times.read(values, "when", list(range(1, len(values) + 1)))


@pytest.mark.parametrize(
    "values",
    [
        [3, 1, 2, 1],
        [0.3, 0.1, 0.2, 0.1],
        ["2024-03-01", "2023-12-31", "2024-01-01", "2023-12-31"],
        ["2024-03", "2023-12", "2024-01", "2023-12"],
        ["2024-01-01T10:00", "2024-01-01T08:59:59.5", "2024-01-01 09:00", "2024-01-01T08:59:59.500"],
        ["2024-01-01T10:00Z", "2024-01-01T10:00+02:00", "2024-01-01T09:30+01:00", "2024-01-01T08:00Z"],
        [date(2024, 3, 1), date(2023, 12, 31), date(2024, 1, 1), date(2023, 12, 31)],
        [datetime(2024, 3, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC), datetime(2023, 1, 1, tzinfo=UTC)],
    ],
)  # fmt: skip
def test_times_of_one_kind_are_ordered(values):
    times = read(values)
    assert times.order.tolist() == [2, 0, 1, 0]
    assert times.shown[2] == str(values[0])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["2024-01-01", None], "Row 2 has no time in 'when'"),
        ([1.0, float("nan")], "Row 2 has no time"),
        (["2024-01-01", " "], "Row 2 has no time"),
        (["31/01/2024"], "Row 1 has '31/01/2024', which is no time"),
        (["2024-02-30"], "no time"),
        (["2024-13"], "no time"),
        ([float("inf")], "no time"),
        ([True, False], "no time"),
        (["2024-01-01", "2024-01-01T10:00"], r"several kinds: dates \(row 1\), times \(row 2\)"),
        (["2024-01-01T10:00", "2024-01-01T10:00Z"], "times with a zone"),
        ([2023, "2024"], "no time"),
    ],
)
def test_refused(values, message):
    with pytest.raises(UserError, match=message):
        read(values)


def test_latest_rows_are_tested():
    days = [f"2024-01-{day:02d}" for day in np.random.default_rng(0).permutation(20) + 1]
    times = read(days)
    (train, test), how = latest_rows(times, np.arange(20), 0.25)
    assert {days[i] for i in test} == {f"2024-01-{day}" for day in range(16, 21)}
    assert len(train) == 15
    assert how == (
        "The latest 25% of the rows by 'when' held out, rows of one time together: "
        "trained on 2024-01-01 to 2024-01-15, tested on 2024-01-16 to 2024-01-20."
    )


def test_a_text_is_never_on_both_sides():
    groups = np.array([0, 1, 2, 3, 4, 0, 6, 7, 1, 9])
    (train, test), how = latest_rows(read(list(range(10))), groups, 0.2)
    assert test.tolist() == [8, 9]
    assert train.tolist() == [0, 2, 3, 4, 5, 6, 7]  # row 1 says what row 8 says
    assert "1 earlier rows whose text, id or group is also tested were left out" in how
    with pytest.raises(UserError, match="No training row is left"):
        latest_rows(read([1, 2]), np.array([0, 0]), 1)
    assert purged(np.array([0, 1]), np.array([2]), np.array([0, 1, 2]))[1] == 0


def test_ties_stay_together():
    (train, test), _ = latest_rows(read([1, 1, 1, 2, 2, 2, 3, 3]), np.arange(8), 0.4)
    assert (len(train), test.tolist()) == (6, [6, 7])


@pytest.mark.parametrize("n_folds", [2, 3, 5])
def test_windows_expand(n_folds):
    rng = np.random.default_rng(1)
    when = rng.integers(0, 40, 200).tolist()
    times = read(when)
    folds, how = windows(times, np.arange(200), n_folds)
    assert len(folds) == n_folds
    for train, test in folds:
        assert max(times.order[train]) < min(times.order[test])
        assert set(times.order[train]) & set(times.order[test]) == set()
        assert len(test) == pytest.approx(200 / (n_folds + 1), abs=12)
    for (before, tested), (train, _) in pairwise(folds):
        assert set(train) == {*before, *tested}
    assert max(times.order[folds[-1][1]]) == max(times.order)
    assert f"{n_folds} expanding windows" in how


def test_windows_of_very_uneven_times():
    when = [1] * 95 + [2, 3, 4, 5, 6]
    folds, _ = windows(read(when), np.arange(100), 5)
    assert [len(test) for _, test in folds] == [1, 1, 1, 1, 1]
    with pytest.raises(UserError, match="more than 6 distinct times"):
        windows(read(when), np.arange(100), 6)


def test_windows_purge():
    groups = np.array([0, 1, 2, 3, 0, 5])
    folds, how = windows(read(list(range(6))), groups, 2)
    assert [(train.tolist(), test.tolist()) for train, test in folds] == [([0, 1], [2, 3]), ([1, 2, 3], [4, 5])]
    assert "1 earlier rows" in how

from __future__ import annotations

import itertools
import math
import random

import pytest

from frostline.reports import svg


def test_a_scale_maps_its_ends_and_its_middle() -> None:
    scale = svg.Scale(10, 20, 300, 100)
    assert (scale(10), scale(15), scale(20)) == (300, 200, 100)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.69, 0.79, [0.70, 0.72, 0.74, 0.76, 0.78]),
        (-3, 7, [-2, 0, 2, 4, 6]),
        (0, 1e6, [0, 2e5, 4e5, 6e5, 8e5, 1e6]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert svg.nice_ticks(low, high) == pytest.approx(ticks)


def test_ticks_of_any_range_are_few_even_and_inside() -> None:
    rng = random.Random(0)
    for _ in range(500):
        low = rng.uniform(-1, 1) * 10.0 ** rng.randint(-8, 8)
        high = low + abs(low or 1) * 10.0 ** rng.uniform(-5, 3)
        ticks = svg.nice_ticks(low, high)
        steps = [b - a for a, b in itertools.pairwise(ticks)]
        slack = 1e-6 * (high - low)
        assert 3 <= len(ticks) <= 9
        assert all(low - slack <= t <= high + slack for t in ticks)
        assert steps == pytest.approx([steps[0]] * len(steps), rel=1e-6)
        assert len({svg.tick_text(t, ticks) for t in ticks}) == len(ticks)


@pytest.mark.parametrize(
    ("ticks", "texts"),
    [
        ([0.70, 0.72], ["0.70", "0.72"]),
        ([-0.2, -1e-17, 0.2], ["-0.2", "0.0", "0.2"]),
        ([0, 5000, 10000], ["0", "5,000", "10,000"]),
        ([0, 2e6], ["0", "2e+06"]),
        ([0, 2e-5], ["0", "2e-05"]),
    ],
)
def test_ticks_have_the_decimals_of_their_step(ticks: list[float], texts: list[str]) -> None:
    assert [svg.tick_text(t, ticks) for t in ticks] == texts


def test_ticks_in_percent() -> None:
    assert [svg.tick_text(t, [0.5, 0.6], percent=True) for t in (0.5, 0.6)] == ["50 %", "60 %"]
    assert svg.tick_text(0.705, [0.7, 0.705], percent=True) == "70.5 %"


def test_ranges_have_room_and_are_never_empty() -> None:
    assert svg.padded([0, 10]) == (-0.5, 10.5)
    for values in ([], [math.nan, math.inf], [3.0], [0.0], [-5, -5]):
        low, high = svg.padded(values)
        assert math.isfinite(low) and math.isfinite(high) and low < high  # noqa: PT018


def test_long_names_keep_both_ends() -> None:
    assert svg.shorten("short", 10) == "short"
    cut = svg.shorten("a very long label, number 17", 12)
    assert len(cut) == 12
    assert (cut[:4], cut[-3:]) == ("a ve", " 17")

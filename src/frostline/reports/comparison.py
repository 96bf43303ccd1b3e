"""The frozen backbone beside the same one fine-tuned: rows of a table, lines of text, JSON and back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from frostline.reports.model import ComparedArm, FitReport, Share
from frostline.reports.scores import MISSING, duration, metric_named, phrase, show

__all__ = ["ARM_HEADER", "ARM_NAMES", "arm_from", "arm_json", "arm_rows", "arm_sentences"]

ARM_NAMES = {
    "frozen": "frozen",
    "finetune-full": "fine-tuned, all weights",
    "finetune-lora": "fine-tuned, LoRA",
}

ARM_HEADER = ("arm", "score", "difference", "time", "trained numbers", "all numbers", "energy", "chosen")


def arm_rows(report: FitReport) -> list[tuple[str, ...]]:
    """A row for each arm, under :data:`ARM_HEADER`."""
    return [
        (
            ARM_NAMES.get(arm.name, arm.name),
            f"{metric_named(arm.metric).name} {_show(arm.metric, arm.score)}",
            MISSING if arm.difference is None else _show(arm.metric, arm.difference, signed=True),
            duration(arm.seconds),
            _count(arm.n_trained),
            _count(arm.n_total),
            arm.energy if arm.joules is None else f"{arm.joules:,.0f} J, {arm.energy}",
            phrase(arm.settings),
        )
        for arm in report.comparisons
    ]


def arm_sentences(report: FitReport) -> Iterator[str]:
    """A line for each arm."""
    for name, score, difference, time, trained, total, energy, chosen in arm_rows(report):
        gap = "" if difference == MISSING else f", difference {difference}"
        how = f"; {chosen}" if chosen else ""
        yield f"{name}: {score}{gap}; {time}; trained {trained} of {total} numbers; energy {energy}{how}"


def _show(metric: str, share: Share, *, signed: bool = False) -> str:
    """A score or a difference of two, with its interval."""
    style = metric_named(metric)
    if style.style == "percent":
        value, lower, upper = (f"{100 * number:{'+' * signed}.1f}" for number in share)
        return f"{value} {'points' if signed else '%'} ({lower} to {upper})"
    value, lower, upper = (("+" if signed and number > 0 else "") + show(style, number) for number in share)
    return f"{value} ({lower} to {upper})"


def _count(n: int | None) -> str:
    return MISSING if n is None else f"{n:,}"


def arm_json(arm: ComparedArm) -> dict[str, Any]:
    """One arm as a JSON object; intervals beside their values."""
    gap = arm.difference
    return asdict(arm) | {
        "score": arm.score.value,
        "interval": [arm.score.lower, arm.score.upper],
        "difference": None if gap is None else gap.value,
        "difference_interval": None if gap is None else [gap.lower, gap.upper],
    }


def arm_from(d: Mapping[str, Any]) -> ComparedArm:
    """One arm back from :func:`arm_json`."""
    plain = dict(d)
    score = _share(plain.pop("score"), plain.pop("interval"))
    difference, interval = plain.pop("difference"), plain.pop("difference_interval")
    plain["metrics"] = {name: _nan(value) for name, value in plain["metrics"].items()}
    return ComparedArm(**plain, score=score, difference=None if interval is None else _share(difference, interval))


def _share(value: Any, interval: Any) -> Share:
    return Share(_nan(value), *map(_nan, interval))


def _nan(value: Any) -> float:
    return math.nan if value is None else float(value)

"""What a classifier's decisions rest on, as plain values of an artifact and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from frostline.artifacts import check_keys
from frostline.decisions import Cutoff, Decision, Rule, by_label
from frostline.labelsets import LabelRule

if TYPE_CHECKING:
    from frostline.estimators.classifier import TextClassifier

__all__ = ["decision_state", "describe_decision", "restore_decision"]

_KEYS = {"class_weight", "weights", "decision", "rule"}


def decision_state(classifier: TextClassifier) -> dict[str, Any]:
    """Parameters and what was chosen; labels by their number among the classes."""
    classes, given, decision = classifier.classes_.tolist(), classifier.class_weight, classifier.decision
    rule, weights = classifier.rule_, classifier.class_weight_
    if isinstance(rule, LabelRule):
        asked = None if decision is None else [_numbered(decision.threshold, classes, "threshold")]
        state = {"thresholds": rule.thresholds.tolist(), "asked": asked}
        return {**state, "separator": classifier.label_separator_}
    return {
        "class_weight": _numbered(given, classes, "class_weight"),
        "weights": None if weights is None else weights.tolist(),
        "decision": decision
        and {
            "cost": None if decision.cost is None or rule.cost is None else rule.cost.tolist(),
            "threshold": _numbered(decision.threshold, classes, "threshold"),
            "precision": decision.precision,
            "level": decision.level,
        },
        "rule": {
            "cost": None if rule.cost is None else rule.cost.tolist(),
            "label": rule.label,
            "threshold": rule.threshold,
            "cutoff": rule.cutoff and asdict(rule.cutoff),
        },
    }


def restore_decision(classifier: TextClassifier, state: Mapping[str, Any]) -> None:
    """Set parameters and fitted attributes from :func:`decision_state`; `classes_` must be there.

    Raises
    ------
    ArtifactError
        Unknown or missing keys.
    """
    classes = classifier.classes_.tolist()
    if "thresholds" in state:
        check_keys(state, {"thresholds", "asked", "separator"}, "decision")
        classifier.class_weight_, classifier._task = None, "multilabel"
        classifier.rule_ = LabelRule(np.array(state["thresholds"]))
        classifier.label_separator_ = state["separator"]
        if state["asked"] is not None:
            classifier.decision = Decision(threshold=_labeled(state["asked"][0], classes))
        return
    check_keys(state, _KEYS, "decision")
    classifier.class_weight = _labeled(state["class_weight"], classes)
    weights, decision, rule = state["weights"], state["decision"], dict(state["rule"])
    classifier.class_weight_ = None if weights is None else np.array(weights)
    if decision is not None:
        classifier.decision = Decision(**{**decision, "threshold": _labeled(decision["threshold"], classes)})
    if rule["cost"] is not None:
        rule["cost"] = np.array(rule["cost"])
    if rule["cutoff"] is not None:
        rule["cutoff"] = Cutoff(**rule["cutoff"])
    classifier.rule_ = Rule(**rule)


def describe_decision(classifier: TextClassifier) -> dict[str, Any]:
    """How labels are decided, for reports; empty where the most probable class is taken."""
    classes, rule = classifier.classes_.tolist(), classifier.rule_
    if isinstance(rule, LabelRule):
        return {"thresholds": {str(k): float(v) for k, v in zip(classes, rule.thresholds, strict=True)}}
    found: dict[str, Any] = {}
    if classifier.class_weight_ is not None:
        pairs = zip(classes, classifier.class_weight_, strict=True)
        found["class_weight"] = {str(label): float(f"{weight:.6g}") for label, weight in pairs}
    if classifier.decision is not None and classifier.decision.cost is not None and rule.cost is not None:
        found["cost"] = rule.cost.tolist()
    if rule.label is not None:
        found["threshold"] = {str(classes[rule.label]): rule.threshold}
    if rule.cutoff is not None:
        found["abstention"] = asdict(rule.cutoff)
    return found


def _numbered(given: Any, classes: list[Any], what: str) -> Any:
    return [list(pair) for pair in by_label(given, classes, what).items()] if isinstance(given, Mapping) else given


def _labeled(kept: Any, classes: list[Any]) -> Any:
    return {classes[i]: value for i, value in kept} if isinstance(kept, list) else kept

"""Verdicts follow from intervals, and from nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from frostline.reports.study import Estimate
from frostline.studies.cells import Outcome
from frostline.studies.regression.claims import _little, claims_section, verdict
from frostline.studies.regression.encodings import RAW
from frostline.studies.regression.plan import Plan
from frostline.studies.regression.results import Results
from frostline.studies.regression.view import View


@pytest.mark.parametrize(
    ("ends", "word"),
    [
        ((0.1, 0.3), "reproduces"),
        ((-0.3, -0.1), "does not reproduce"),
        ((-0.1, 0.1), "not resolved"),
        ((None, None), "not measured"),
    ],
)
def test_an_interval_decides(ends, word):
    assert verdict(Estimate(0.2, *ends)) == word


def test_thresholds_move_the_line():
    assert verdict(None) == "not measured"
    assert verdict(Estimate(0.4, 0.3, 0.45), 0.5) == "does not reproduce"
    assert _little(Estimate(0.0, -0.02, 0.02)) == "reproduces"
    assert _little(Estimate(0.2, 0.1, 0.3)) == "does not reproduce"
    assert _little(Estimate(0.04, 0.0, 0.08)) == "not resolved"
    assert _little(None) == "not measured"


def results(plan, main_taus):
    """Columns score 0.8 with two parameters and 0.2 with thirty; the vectors what is given."""
    outcomes = []
    for dof, raw, vectors in ((2, 0.8, main_taus[0]), (30, 0.2, main_taus[1])):
        for i, name in enumerate(plan.functions):
            problem = {"family": "functions", "name": name, "dof": dof, "repetition": 0}
            for encoding, tau in ((RAW, raw), (plan.main("functions")[0], vectors)):
                for head in ("mlp", "boosting"):
                    key = {"kind": "score", "problem": problem, "encoding": encoding.key, "head": head, "share": 1.0}
                    outcomes.append(Outcome(key, {"kendall_tau": tau + 0.001 * i * (dof > 2) * (encoding == RAW)}))
    return Results(outcomes)


@pytest.mark.parametrize(
    ("taus", "flat", "less", "beats"),
    [
        ((0.5, 0.5), "reproduces", "reproduces", "reproduces"),
        ((0.9, 0.1), "does not reproduce", "does not reproduce", "does not reproduce"),
    ],
)
def test_the_same_code_says_yes_and_no(options, taus, flat, less, beats):
    plan = Plan(replace(options, dofs=(2, 30)), options.functions, [], [])
    section = claims_section(View(plan, results(plan, taus)))
    table, ours = section.tables
    words = [row[1] for row in table.rows]
    assert section.text.startswith(f"{len(words)} statements; ")
    assert f"{flat}: {words.count(flat)}" in section.text
    verdicts = {row[0]: row[1] for row in table.rows}
    assert verdicts["embeddings stay flat as parameters are added"] == flat
    assert verdicts["columns lose more than embeddings"] == less
    assert verdicts["with many parameters embeddings beat columns + MLP"] == beats
    assert verdicts["smoother vectors gain more"] == "not measured"
    assert {row[1] for row in ours.rows} == {"not measured"}


def test_few_parameters_decide_nothing_about_many(options):
    plan = Plan(options, options.functions, [], [])
    said = [row[0] for row in claims_section(View(plan, Results([]))).tables[0].rows]
    assert "columns lose more than embeddings" in said
    assert not [one for one in said if one.startswith("with many parameters")]

"""``frostline sweep``: the grid, one pass, the recommendation, the page."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import frostline
from fakes import add_recipe, tiny_bert
from frostline._energy import EnergyMeter
from frostline.backbones import block_sizes, resolve
from frostline.cli import main
from frostline.contracts import BackboneSpec
from frostline.errors import UserError

WORDS = ["frost", "line", "deep", "cold", "warm", "sun", "ice", "snow"]


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdef"), size=rng.integers(4, 40))) for _ in range(120)]
    lines = [f"{text},{'long' if len(text) > 22 else 'short'}" for text in texts]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *lines]) + "\n")
    return tmp_path / "rows.csv"


@pytest.fixture
def folder(tmp_path):
    return tiny_bert(tmp_path / "bert")


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as left:
        main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return left.value.code, captured.out, captured.err


def test_grid_one_pass_and_page(table, folder, tmp_path, capsys):
    command = ["sweep", table, "--target", "label", "--backbone", folder, "--pooling", "mean,max", "--json"]
    code, out, _ = run(capsys, *command, "--html", tmp_path / "page.html")
    assert code == 0
    found = json.loads(out.splitlines()[-1])
    # Two poolings, three layers alone, and all three by concat, mean and max.
    assert len(found["candidates"]) == 2 * (3 + 3)
    assert found["n_embedded"] == found["n_texts"] == 120
    assert sum(c["chosen"] for c in found["candidates"]) == 1
    assert found["recommendation"]["score"] > 0.7
    assert found["recommendation"]["flags"].startswith("--layers ")
    assert found["energy"]
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 2
    assert "http" not in page.replace("http://www.w3.org", "")
    code, out, _ = run(capsys, *command, "--quiet")
    again = json.loads(out.splitlines()[-1])
    assert again["n_embedded"] == 0  # stored features are enough
    assert [c["loss"] for c in again["candidates"]] == [c["loss"] for c in found["candidates"]]


def test_flags_of_the_recommendation_fit(table, folder, tmp_path, capsys):
    common = [table, "--target", "label", "--backbone", folder, "--json", "--quiet"]
    _, out, _ = run(capsys, "sweep", *common)
    flags = json.loads(out.splitlines()[-1])["recommendation"]["flags"].split()
    code, out, _ = run(capsys, "fit", *common, "--out", tmp_path / "artifact", "--features", "embedding", *flags)
    assert code == 0
    chosen = json.loads(out.splitlines()[-1])["chosen"]
    assert ",".join(map(str, chosen["layers"])) == flags[1]


def test_every_candidate_says_what_it_costs(table, folder, tmp_path):
    report = frostline.sweep(
        table, target="label", heads=["linear", "mlp"], fusions=["concat"], html=tmp_path / "page.html",
        embedding=frostline.EmbedOptions(str(folder), progress=False),
    )  # fmt: skip
    outside, *blocks = block_sizes(resolve(BackboneSpec(str(folder))))
    per_text = report.embed.n_tokens / 120
    for row in report.rows:
        assert row.n_tokens == report.embed.n_tokens
        assert row.n_total == outside + sum(blocks[: row.blocks]) + row.n_trained
        assert row.multiplications == round(sum(blocks[: row.blocks]) * per_text) + row.n_trained
    linear = next(row for row in report.rows if row.head == "linear" and row.fusion)
    assert linear.n_trained == 3 * 16 + 1
    mlp = next(row for row in report.rows if row.head == "mlp")
    assert mlp.n_trained % ((mlp.width + 1) * 256 + 257 * 2) == 0
    page = (tmp_path / "page.html").read_text()
    assert "log10 of multiplications a prediction" in page
    assert f"{linear.n_total:,}" in page
    assert f"{report.chosen.n_total:,}" in report.to_text()
    unknown = dataclasses.replace(report, rows=[dataclasses.replace(row, multiplications=None) for row in report.rows])
    assert "log10 of blocks that run" in unknown.to_html()


def test_in_time_every_row_is_predicted_from_earlier_ones(tmp_path, folder, capsys):
    rng = np.random.default_rng(0)
    lines = [f"{''.join(rng.choice(list('abcdef'), size=rng.integers(4, 40)))},{day}" for day in range(100)]
    # What is long says "a" in the first half of the year and "b" in the second: a shuffled split does not see that.
    label = lambda text, day: "ab"[(len(text) > 22) ^ (day >= 50)]  # noqa: E731
    rows = [(text, day, label(text, int(day))) for text, day in (line.split(",") for line in lines)]
    path = tmp_path / "days.csv"
    path.write_text("text,day,label\n" + "".join(f"{text},{day},{y}\n" for text, day, y in rows))
    common = [
        "sweep",
        path,
        "--target",
        "label",
        "--backbone",
        folder,
        "--layers",
        "final",
        "--head",
        "linear,mlp",
    ]
    code, out, _ = run(capsys, *common, "--time", "day", "--json")
    found = json.loads(out.splitlines()[-1])
    assert code == 0
    assert "4 expanding windows by 'day'" in found["split"]
    assert found["split"] in out
    assert found["n_rows"] == 100
    assert max(c["score"] for c in found["candidates"]) < 0.75
    code, _, err = run(capsys, *common, "--time", "when")
    assert code == 2
    assert "when" in err


def test_rows_without_a_target_are_counted(table, folder):
    table.write_text(table.read_text() + "abc,\nabcd,\n")
    report = frostline.sweep(table, target="label", embedding=frostline.EmbedOptions(str(folder), progress=False))
    assert (report.n_rows, report.n_unlabeled, report.to_json()["n_unlabeled"]) == (120, 2, 2)
    assert "2 rows without a target were left out" in report.to_text()


def test_further_heads_run_on_the_best_readings_only(table, folder):
    report = frostline.sweep(
        table, target="label", heads=["linear", "mlp"], fusions=["concat"],
        embedding=frostline.EmbedOptions(str(folder), progress=False),
    )  # fmt: skip
    by_head = {head: [row for row in report.rows if row.head == head] for head in ("linear", "mlp")}
    assert (len(by_head["linear"]), len(by_head["mlp"])) == (4, 3)
    best = sorted(by_head["linear"], key=lambda row: row.loss)[:3]
    assert {tuple(row.layers) for row in by_head["mlp"]} == {tuple(row.layers) for row in best}


def test_cooccurrence_runs_where_it_can_read_several_layers(table, folder):
    how = {"embedding": frostline.EmbedOptions(str(folder), progress=False), "target": "label"}
    report = frostline.sweep(table, heads=["linear", "cooccurrence"], **how)
    (own,) = [row for row in report.rows if row.head == "cooccurrence"]
    assert (own.layers, own.fusion) == (["0", "1", "final"], "concat")
    assert own.n_trained > 0
    with pytest.raises(UserError, match="several layers side by side"):
        frostline.sweep(table, heads=["linear", "cooccurrence"], fusions=["mean"], **how)


def test_numbers(table, folder, tmp_path):
    rows = [line.split(",")[0] for line in table.read_text().splitlines()[1:]]
    path = tmp_path / "numbers.csv"
    path.write_text("\n".join(["text,y", *(f"{text},{len(text) + 0.5}" for text in rows)]) + "\n")
    report = frostline.sweep(path, target="y", embedding=frostline.EmbedOptions(str(folder), progress=False))
    assert report.metric == "r2"
    assert report.chosen.score > 0.5
    assert "R2" in report.to_text() or "R²" in report.to_text()


def test_refused_before_anything_runs(table, folder, capsys, tmp_path):
    common = ["sweep", table, "--target", "label", "--backbone", folder]
    for flags, word in [
        (["--fusion", "sum"], "Unknown fusion"),
        (["--pooling", "meen"], "Unknown pooling"),
        (["--head", "forest"], "Unknown head"),
        (["--layers", "9"], "out of range"),
        (["--html", tmp_path / "page.txt"], ".html"),
        (["--html", tmp_path / "no" / "page.html"], "no"),
    ]:
        code, _, err = run(capsys, *common, *flags)
        assert code == 2, flags
        assert word in err
        assert "Traceback" not in err


def test_a_prompt_is_not_mixed_with_other_poolings(table, folder):
    add_recipe(folder, pooling="mean", prompt="query: ")
    with pytest.raises(UserError, match="one pass cannot serve"):
        frostline.sweep(
            table, target="label", poolings=["recipe", "max"],
            embedding=frostline.EmbedOptions(str(folder), progress=False),
        )  # fmt: skip


def test_energy_of_a_counter_that_wraps(tmp_path):
    zone = tmp_path / "intel-rapl:0"
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of the package: counted in it already
    zone.mkdir()
    (zone / "max_energy_range_uj").write_text("9999999")
    (zone / "energy_uj").write_text("9000000")
    with EnergyMeter(tmp_path) as meter:
        (zone / "energy_uj").write_text("2000000")
    assert meter.joules == pytest.approx(3.0)
    with EnergyMeter(tmp_path / "none") as meter:
        pass
    assert meter.joules is None
    assert meter.method == "not measurable here"

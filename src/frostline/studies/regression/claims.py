"""What of the paper reproduces: each claim beside the figure that decides it, and what follows from its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from frostline.reports.study import Estimate, StudySection, StudyTable
from frostline.studies.regression.ablations import reference, size_gain
from frostline.studies.regression.encodings import RAW
from frostline.studies.regression.published import BAND
from frostline.studies.regression.results import Place, mean_over, minus, share
from frostline.studies.regression.tables import z_correlation
from frostline.studies.regression.view import TITLES, View, place_name

__all__ = ["claims_section", "verdict"]

_ROBUST = 0.05
"""A loss of Kendall tau up to which a curve counts as flat, and a change as little."""

_VERDICTS = ("reproduces", "does not reproduce", "not resolved", "not measured")

Claim = tuple[str, str, Estimate | None, str]


def verdict(estimate: Estimate | None, threshold: float = 0.0) -> str:
    """Say whether a figure lies above a threshold, by its 95 % interval.

    Parameters
    ----------
    estimate : Estimate or None
        Above the threshold where the claim holds.
    threshold : float, default=0.0

    Returns
    -------
    str
        ``"reproduces"``, ``"does not reproduce"``, ``"not resolved"`` where the interval holds the threshold, and ``"not
        measured"`` without a figure or an interval.
    """
    if estimate is None or estimate.lower is None or estimate.upper is None:
        return "not measured"
    if estimate.lower > threshold:
        return "reproduces"
    return "does not reproduce" if estimate.upper < threshold else "not resolved"


def claims_section(view: View) -> StudySection:
    """The table of claims."""
    rows = [[claim, word, estimate, figure] for claim, figure, estimate, word in _claims(view)]
    columns = ["what the paper says", "verdict", "found", "figure that decides it"]
    note = (
        "A claim reproduces where the 95 % interval lies on its side, does not where it lies on the other, and is not resolved "
        "between. Intervals are over problems, so they hold for problems of this kind and this backbone, not for the paper's."
    )
    words = [row[1] for row in rows]
    counted = ", ".join(f"{words.count(word)} {word}" for word in _VERDICTS if word in words)
    title = f"What reproduces with {view.plan.options.backbones[0]}"
    text = f"Of {len(rows)} statements: {counted}."
    return StudySection(title, text, [StudyTable("Statements", columns, rows, note)])


def _claims(view: View) -> Iterator[Claim]:
    if view.function_places:
        yield from _robustness(view)
        yield from _smoothness(view)
    for place in view.ablated_places[:1]:
        yield from _changes(view, place)
    for place in view.table_places:
        won = share(view.gain(place, (view.plan.main("tables")[0], "mlp"), (RAW, "mlp")))
        lost = None if won is None else _turned(won)
        yield "columns win on most real tasks", "percent of tables that they win, MLP", lost, verdict(lost, 0.5)


def _turned(won: Estimate) -> Estimate:
    lower, upper = (None if end is None else 1 - end for end in (won.upper, won.lower))
    return replace(won, value=1 - won.value, lower=lower, upper=upper)


def _robustness(view: View) -> Iterator[Claim]:
    main, low, high = view.plan.main("functions")[0], view.function_places[0], view.function_places[-1]
    span = f"from DOF {low[1]} to {high[1]}"
    if low != high:
        drops = {
            one.name: minus(view.results.scores(low, one, "mlp"), view.results.scores(high, one, "mlp"))
            for one in (RAW, main)
        }
        loss = mean_over(drops[main.name])
        flat = None if loss is None else verdict(_negative(loss), -_ROBUST)
        yield (
            "embeddings stay flat as parameters are added",
            f"tau that vectors + MLP lose {span}",
            loss,
            flat or "not measured",
        )
        less = mean_over(minus(drops[RAW.name], drops[main.name]), signed=True)
        yield (
            "columns lose more than embeddings",
            f"loss of columns minus loss of vectors, MLP, {span}",
            less,
            verdict(less),
        )
    for head in ("mlp", "boosting"):
        gain = mean_over(view.gain(high, (main, "mlp"), (RAW, head)), signed=True)
        what = f"tau of vectors + MLP minus columns + {TITLES[head]}, DOF {high[1]}"
        yield (
            f"with many parameters embeddings beat columns + {TITLES[head]} on many functions",
            what,
            gain,
            verdict(gain),
        )
    yield from _controls(view, high)
    for one, better, worse in ((RAW, "boosting", "mlp"), (main, "mlp", "boosting")):
        gain = mean_over(view.gain(low, (one, better), (one, worse)), signed=True)
        claim = (
            f"on {'columns' if one == RAW else 'embeddings'} {TITLES[better]} is at least as good as {TITLES[worse]}"
        )
        yield claim, f"difference in tau, DOF {low[1]}", gain, verdict(gain)


def _negative(estimate: Estimate) -> Estimate:
    lower, upper = (None if end is None else -end for end in (estimate.upper, estimate.lower))
    return replace(estimate, value=-estimate.value, lower=lower, upper=upper)


def _controls(view: View, place: Place) -> Iterator[Claim]:
    main, head = view.plan.main("functions")[0], view.plan.options.control_heads[0]
    for one in view.plan.controls("functions"):
        gain = mean_over(view.gain(place, (main, head), (one, head)), signed=True)
        what = f"tau minus that of {one.name}, {TITLES[head]}, DOF {place[1]}"
        ours = "" if one.reads else " (our control)"
        yield f"pretrained weights beat {one.name.split(':')[0]}{ours}", what, gain, verdict(gain)


def _smoothness(view: View) -> Iterator[Claim]:
    for place in view.function_places:
        r = z_correlation(view, place, 0, "mlp")
        within = "" if r is None else f"; {'within' if BAND[0] <= r.value <= BAND[1] else 'outside'} the paper's band"
        figure = f"Pearson's r, MLP, {place_name(place)}{within}"
        yield "smoother vectors gain more", figure, r, verdict(r)


def _changes(view: View, place: Place) -> Iterator[Claim]:
    main, head = view.plan.main(place[0])[0], view.plan.options.ablation_heads[0]
    varied: Mapping[str, list[object]] = view.plan.varied(place[0])  # type: ignore[assignment]
    where = f"{TITLES[head]}, {place_name(place)}"
    for pooling in ("max", "last_token"):
        if varied.get("pooling"):
            gain = mean_over(view.gain(place, (main, head), (replace(main, pooling=pooling), head)), signed=True)
            yield f"mean pooling beats {pooling}", f"difference in tau, {where}", gain, verdict(gain)
    change = mean_over(view.gain(place, (replace(main, names=False), head), (main, head)), signed=True)
    yield "names of columns matter little", f"change of tau without them, {where}", change, _little(change)
    own = view.plan.varied(place[0])
    by_size = view.plan.by_size(place[0])
    if len(by_size) > 1:
        gain = mean_over(view.gain(place, (by_size[-1], head), (by_size[0], head)), signed=True)
        yield "larger models are better", f"{by_size[-1].name} minus {by_size[0].name}, {where}", gain, verdict(gain)
    elif len(own.get("layer", [])) > 1:
        gain = mean_over(view.gain(place, (main, head), (own["layer"][1], head)), signed=True)
        figure = f"whole backbone minus its first blocks, up to {own['layer'][1].layer}, {where}"
        yield "larger models are better", figure, gain, verdict(gain)
    if own.get("width"):
        usual = reference(view, place, "width")
        gain = mean_over(view.gain(place, (usual, head), (own["width"][0], head)), signed=True)
        figure = f"random weights, full width minus {own['width'][0].name.rpartition(' ')[2]}, {where}"
        yield "wider random networks are better (our control)", figure, gain, verdict(gain)
    few, every = (size_gain(view, place, head, part) for part in (view.plan.options.shares[0], 1.0))
    closer = mean_over({name: abs(few[name]) - abs(every[name]) for name in few if name in every}, signed=True)
    yield (
        "few training rows widen the gap to the columns",
        f"gap with few rows minus gap with all, {where}",
        closer,
        verdict(closer),
    )


def _little(change: Estimate | None) -> str:
    if change is None or change.lower is None or change.upper is None:
        return "not measured"
    if change.lower > -_ROBUST and change.upper < _ROBUST:
        return "reproduces"
    return "does not reproduce" if change.lower > _ROBUST or change.upper < -_ROBUST else "not resolved"

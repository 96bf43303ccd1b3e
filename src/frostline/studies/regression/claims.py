"""What of the paper reproduces: each claim beside the figure that decides it, and what follows from its interval."""

from __future__ import annotations

from collections.abc import Iterator
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

_MANY = 25
"""Parameters from which on they count as many."""

_VERDICTS = ("reproduces", "does not reproduce", "not resolved", "not measured")

_ANSWERS = {"reproduces": "yes", "does not reproduce": "no"}

Claim = tuple[str, str, Estimate | None, str]
"""What is said, by which verdict, the figure, and what the figure is."""


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
    """The paper's statements, and questions of our own."""
    rows = [list(claim) for claim in _claims(view)]
    note = (
        "A statement reproduces where the 95 % interval lies on its side, does not where it lies on the other, and is not "
        "resolved between. Intervals are over problems: they hold for such problems and this backbone, not for the paper's."
    )
    tables = [
        StudyTable("Statements", ["what the paper says", "verdict", "found", "figure that decides it"], rows, note)
    ]
    ours = [[asked, _ANSWERS.get(word, word), *rest] for asked, word, *rest in _questions(view)]
    if ours:
        tables.append(StudyTable("Questions of our own", ["", "answer", "found", "figure that decides it"], ours))
    words = [row[1] for row in rows]
    counted = ", ".join(f"{word}: {words.count(word)}" for word in _VERDICTS if word in words)
    title = f"What reproduces with {view.plan.options.backbones[0]}"
    return StudySection(title, f"{len(rows)} statements; {counted}.", tables)


def _claim(said: str, estimate: Estimate | None, figure: str, threshold: float = 0.0) -> Claim:
    return said, verdict(estimate, threshold), estimate, figure


def _claims(view: View) -> Iterator[Claim]:
    if view.function_places:
        yield from _robustness(view)
        yield from _untrained(view, view.function_places[-1], reads=True)
        yield from _heads(view, view.function_places[0])
        for place in view.function_places:
            r = z_correlation(view, place, 0, "mlp")
            within = (
                "" if r is None else f"; {'within' if BAND[0] <= r.value <= BAND[1] else 'outside'} the paper's band"
            )
            yield _claim("smoother vectors gain more", r, f"Pearson's r, MLP, {place_name(place)}{within}")
    for place in view.ablated_places[:1]:
        yield from _changes(view, place)
    for place in view.table_places:
        won = share(view.gain(place, (view.plan.main("tables")[0], "mlp"), (RAW, "mlp")))
        lost = None if won is None else _mirrored(won, 1.0)
        yield _claim("columns win on most real tasks", lost, "percent of tables that they win, MLP", 0.5)


def _questions(view: View) -> Iterator[Claim]:
    """What the paper does not ask."""
    if view.function_places:
        yield from _untrained(view, view.function_places[-1], reads=False)
    for place in view.ablated_places[:1]:
        head, widths = view.plan.options.ablation_heads[0], view.plan.varied(place[0]).get("width")
        if widths:
            gain = mean_over(view.gain(place, (reference(view, place, "width"), head), (widths[0], head)), signed=True)
            figure = f"random weights, full width minus {widths[0].name.rpartition(' ')[2]}, {TITLES[head]}, {place_name(place)}"
            yield _claim("are wider random networks better?", gain, figure)


def _mirrored(estimate: Estimate, total: float) -> Estimate:
    """What is left to `total`."""
    lower, upper = (None if end is None else total - end for end in (estimate.upper, estimate.lower))
    return replace(estimate, value=total - estimate.value, lower=lower, upper=upper)


def _robustness(view: View) -> Iterator[Claim]:
    main, low, high = view.plan.main("functions")[0], view.function_places[0], view.function_places[-1]
    if low != high:
        span = f"from DOF {low[1]} to {high[1]}"
        columns, vectors = (
            minus(view.results.scores(low, one, "mlp"), view.results.scores(high, one, "mlp")) for one in (RAW, main)
        )
        loss, less = mean_over(vectors), mean_over(minus(columns, vectors), signed=True)
        flat = verdict(None if loss is None else _mirrored(loss, 0.0), -_ROBUST)
        yield "embeddings stay flat as parameters are added", flat, loss, f"tau that vectors + MLP lose {span}"
        yield _claim("columns lose more than embeddings", less, f"loss of columns minus loss of vectors, MLP, {span}")
    for head in ("mlp", "boosting") if high[1] >= _MANY else ():
        gain = mean_over(view.gain(high, (main, "mlp"), (RAW, head)), signed=True)
        figure = f"tau of vectors + MLP minus columns + {TITLES[head]}, DOF {high[1]}"
        yield _claim(f"with many parameters embeddings beat columns + {TITLES[head]}", gain, figure)


def _untrained(view: View, place: Place, *, reads: bool) -> Iterator[Claim]:
    """Beside random weights and token embeddings (the paper's), or beside projections (ours)."""
    main = view.plan.main("functions")[0]
    for one in (control for control in view.plan.controls("functions") if control.reads == reads):
        head = view.plan.heads_on(one)[0]
        gain = mean_over(view.gain(place, (main, head), (one, head)), signed=True)
        said = f"pretrained weights beat {one.name}" if reads else f"do pretrained weights beat {one.name}?"
        yield _claim(said, gain, f"difference in tau, {TITLES[head]}, DOF {place[1]}")


def _heads(view: View, place: Place) -> Iterator[Claim]:
    main, where = view.plan.main("functions")[0], f"difference in tau, {place_name(place)}"
    gain = mean_over(view.gain(place, (RAW, "boosting"), (RAW, "mlp")), signed=True)
    yield _claim("on columns boosting is at least as good as the MLP", gain, where)
    gain = mean_over(view.gain(place, (main, "mlp"), (main, "boosting")), signed=True)
    yield _claim("on embeddings the MLP is better than boosting", gain, where)


def _changes(view: View, place: Place) -> Iterator[Claim]:
    main, head = view.plan.main(place[0])[0], view.plan.options.ablation_heads[0]
    varied, where = view.plan.varied(place[0]), f"{TITLES[head]}, {place_name(place)}"
    for one in varied.get("pooling", []):
        if one.pooling in ("max", "last_token"):
            gain = mean_over(view.gain(place, (main, head), (one, head)), signed=True)
            yield _claim(f"mean pooling beats {one.pooling}", gain, f"difference in tau, {where}")
    change = mean_over(view.gain(place, (replace(main, names=False), head), (main, head)), signed=True)
    yield "names of columns matter little", _little(change), change, f"change of tau without them, {where}"
    by_size, layers = view.plan.by_size(place[0]), varied.get("layer", [])
    if len(by_size) > 1:
        gain = mean_over(view.gain(place, (by_size[-1], head), (by_size[0], head)), signed=True)
        yield _claim("larger models are better", gain, f"{by_size[-1].name} minus {by_size[0].name}, {where}")
    elif len(layers) > 1:
        gain = mean_over(view.gain(place, (main, head), (layers[1], head)), signed=True)
        figure = f"whole backbone minus its first blocks, up to {layers[1].layer}, {where}"
        yield _claim("larger models are better", gain, figure)
    head = view.plan.options.size_heads[0]
    first = view.of_first_draw()
    few, every = (size_gain(first, place, head, part) for part in (view.plan.options.shares[0], 1.0))
    closer = mean_over({name: abs(few[name]) - abs(every[name]) for name in few if name in every}, signed=True)
    figure = f"gap with few rows minus gap with all, {TITLES[head]}, {place_name(place)}"
    yield _claim("few training rows widen the gap to the columns", closer, figure)


def _little(change: Estimate | None) -> str:
    if change is None or change.lower is None or change.upper is None:
        return "not measured"
    if change.lower > -_ROBUST and change.upper < _ROBUST:
        return "reproduces"
    return "does not reproduce" if change.lower > _ROBUST or change.upper < -_ROBUST else "not resolved"

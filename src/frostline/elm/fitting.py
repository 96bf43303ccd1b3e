"""One fit from prepared data to a scored explainer."""

from __future__ import annotations

import copy
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from frostline.backbones.locate import packaged_minilm
from frostline.contracts import canonical_json
from frostline.elm.adapter import Adapter, AdapterConfig, moments
from frostline.elm.checkpoint import Checkpoint
from frostline.elm.decoding import Decoding
from frostline.elm.evaluation import attribute_scores, evaluate_space, means
from frostline.elm.explaining import Explainer
from frostline.elm.llm import Llm
from frostline.elm.model import ElmModel, Placed, check_window
from frostline.elm.prepare import Prepared, main_text
from frostline.elm.probes import fit_probe
from frostline.elm.prompts import PromptEncoder
from frostline.elm.reading import open_reader, reader_state
from frostline.elm.scores import Reader, cosines
from frostline.elm.space import SpaceState, rounded
from frostline.elm.stages import AdaptOptions
from frostline.elm.targets import Example
from frostline.elm.tasks import Task
from frostline.elm.training import TrainingLog, train
from frostline.elm.warm import MINILM, Start, space_name, through_texts, warm_adapter, warm_folder
from frostline.embedder import TextEmbedder
from frostline.errors import UserError

__all__ = ["FitReport", "Fitted", "fit_model", "primary_task"]

N_JUDGED = 200
"""Held-out rows that are described for the scores of a fit ..."""

N_SELECTION = 64
"""... and at every look where the state is chosen by consistency."""

N_SHOWN = 8
"""Held-out rows that the report shows with what is written of them."""


@dataclass
class FitReport:
    """What a fit did.

    Attributes
    ----------
    n_train, n_val : int
        Ids.
    n_examples, n_truncated : int
        Examples, and those whose target was cut.
    seconds, loss : float
        Wall-clock time, and nats a held-out target token.
    start : str
        Warm or cold, and why.
    scores : dict of space to dict
        On held-out ids.
    probes : dict of space to dict of attribute to dict
        On the same ids: how often the values that a text names are the row's (``text``), a linear probe's accuracy (``probe``),
        where it names as many values as the text too (``probe_as_many``), and the majority's (``majority``).
    log : TrainingLog
    skipped, empty : dict
        Tasks that were not asked and why; rows that lacked a field, by task.
    counts : dict of str to int
        Ids that did not match.
    tasks : dict of str to list of two int
        Examples of each task, learnt and held out.
    n_generalized : int
        Ids from whose text names or titles were taken.
    examples : dict of space to list of dict
        Of the first held-out ids: ``id``, what is ``written``, the ``target``, the row's ``text``, and ``scores``.
    """

    n_train: int
    n_val: int
    n_examples: int
    n_truncated: int
    start: str
    log: TrainingLog
    seconds: float = 0.0
    loss: float = 0.0
    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    probes: dict[str, dict[str, Any]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    empty: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    tasks: dict[str, list[int]] = field(default_factory=dict)
    n_generalized: int = 0
    examples: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


@dataclass
class Fitted:
    """A trained explainer and the report of its fit."""

    explainer: Explainer
    report: FitReport
    checkpoint: Checkpoint | None = None
    """Of the training, where it had one; it may go once the explainer is safe elsewhere."""


def primary_task(tasks: Sequence[Task], space: str) -> Task:
    """The task that describes one vector of a space: the heaviest one.

    Raises
    ------
    UserError
        None of the tasks does.
    """
    single = [task for task in tasks if task.n_vectors == 1 and task.space in ("", space)]
    if not single:
        raise UserError(
            f"No task that the table has targets for is about one vector of {space!r}; there are {len(tasks)} others.",
            hint="add one to the tasks, or name the text column with --text",
        )
    return max(single, key=lambda task: task.weight)


def fit_model(
    llm: Llm,
    data: Prepared,
    config: AdapterConfig,
    options: AdaptOptions,
    *,
    seed: int,
    encoder: Any = "auto",
    cold: bool = False,
    checkpoint: Path | None = None,
    store: Any = "default",
    progress: Any = "auto",
    trust_remote_code: str | None = None,
) -> Fitted:
    """Train on prepared data and score the result.

    Parameters
    ----------
    llm : Llm
    data : Prepared
    config : AdapterConfig
    options : AdaptOptions
    seed : int
    encoder : TextEmbedder, str or None, default="auto"
        What embedded the texts that the vectors are of; ``"auto"`` = as the file of vectors says; None = a reconstructor.
    cold : bool, default=False
        Whether a warm start is left aside.
    checkpoint : Path, optional
        It is there afterwards as well: the explainer is not saved yet.
    store : str, path or None, default="default"
        Feature store of the encoder that reads texts back.
    progress : "auto" or bool, default="auto"
    trust_remote_code : str, optional
        Name of that encoder, where it brings Python code that may run.

    Raises
    ------
    UserError
        No task that was taught is about one vector of a space, vectors that the encoder did not make, or a prompt too long.
    """
    began = time.perf_counter()
    for name in data.spaces:
        primary_task(data.taught.tasks, name)  # refused now rather than when the trained model is judged
    prompts = PromptEncoder(llm.tokenizer, config.n_soft_tokens, chat=llm.chat)
    targets = {name: main_text(data.records, name) for own in data.spaces.values() for name in own.ids}
    how = {"store": store, "progress": progress, "trust_remote_code": trust_remote_code}
    readers = {name: _reader(data, name, encoder, targets, how) for name in data.spaces}
    shipped = Start(None, "cold: as asked") if cold else warm_adapter(llm, config, warm_folder())
    starts = {name: _start(shipped, data, name, readers[name], how, llm.model.device.type) for name in data.spaces}
    adapters = {name: own.adapter or _cold(llm, data, name, config, seed) for name, own in starts.items()}
    warm = all(own.adapter is not None for own in starts.values())
    options = _resolved(options, starts)
    model = ElmModel(llm, adapters)
    items, n_cut = _placed(data, prompts, options, llm, part=0)
    held, n_cut_held = _placed(data, prompts, options, llm, part=1)
    explainer = _explainer(data, model, prompts, readers, seed)
    judge = _judge(explainer, data, options) if options.select == "consistency" and options.max_steps != 0 else None
    begun = {name: [own.said, reader_state(readers[name])] for name, own in starts.items()}
    start = {"adapter": vars(config), "starts": begun, "written": [explainer.noun, explainer.opening]}
    digest = _fingerprint(llm, items, held, start, options, seed)
    kept = None if checkpoint is None else Checkpoint(checkpoint, digest)
    log = train(model, items, held, options, seed=seed, judge=judge, warm=warm, checkpoint=kept, progress=progress)
    report = FitReport(
        n_train=sum(len(train_ids) for train_ids, _ in data.parts.values()),
        n_val=sum(len(ids) for _, ids in data.parts.values()),
        n_examples=len(items) + len(held),
        n_truncated=n_cut + n_cut_held,
        start=_said(starts, log),
        log=log,
        loss=log.best.loss,
        counts=data.counts,
        n_generalized=sum(targets[key] != text for key, text in data.texts.items()),
    )
    _score(report, explainer, data, targets, options)
    report.seconds = time.perf_counter() - began
    return Fitted(explainer, report, kept)


def _resolved(options: AdaptOptions, starts: dict[str, Start]) -> AdaptOptions:
    """Options with what the starts decide.

    Raises
    ------
    UserError
        No step is to be taken, and some adapter has random weights.
    """
    if options.max_steps == 0 and any(own.adapter is None for own in starts.values()):
        raise UserError(
            f"max_steps=0 leaves a warm start as it is, and there is none: {_begun(starts)}.",
            hint="leave max_steps out",
        )
    return options.after(same_space=all(own.same_space for own in starts.values()))


def _explainer(
    data: Prepared, model: ElmModel, prompts: PromptEncoder, readers: dict[str, Reader], seed: int
) -> Explainer:
    """The explainer that is trained in place, with the texts of its training rows."""
    spaces = {name: _state(data, name, model.adapter(name), readers[name]) for name in data.spaces}
    trained = set().union(*(data.parts[name][0] for name in spaces))
    texts = {key: text for key, text in data.texts.items() if key in trained}
    pack = data.records.pack
    return Explainer(model, prompts, spaces, texts, seed, pack.noun, pack.opening)


def _reader(data: Prepared, name: str, encoder: Any, texts: dict[str, str], how: dict[str, Any]) -> Reader:
    own, ids = data.spaces[name], data.parts[name][0]
    return open_reader(encoder, own.space, [texts[key] for key in ids], own.of(ids), ids, **how)


def _start(shipped: Start, data: Prepared, name: str, reader: Reader, how: dict[str, Any], device: str) -> Start:
    """From where the adapter of a space begins; texts are whole, names and all, as those that the shipped adapter knows."""
    if shipped.adapter is None:
        return shipped
    if space_name(reader) == MINILM:
        return replace(shipped, adapter=copy.deepcopy(shipped.adapter))  # two spaces have an adapter each
    if packaged_minilm() is None:  # nothing is downloaded for a start that nobody asked for
        return Start(None, "cold: MiniLM, whose vectors the starter's adapter reads, is not installed as a package")
    ids = data.parts[name][0]
    texts, keys = ([of[key] for key in ids] for of in (data.texts, data.keys))
    embedder = TextEmbedder(device=device, store=how["store"], progress=how["progress"])
    return through_texts(shipped.adapter, data.spaces[name].of(ids), texts, keys, embedder)


def _cold(llm: Llm, data: Prepared, name: str, config: AdapterConfig, seed: int) -> Adapter:
    vectors = data.spaces[name].of(data.parts[name][0])
    return Adapter(config, *moments(vectors), width=llm.width, norm=llm.norm, seed=seed)


def _said(starts: dict[str, Start], log: TrainingLog) -> str:
    """From where training began, and whether it came to anything."""
    kept = (
        f"kept as it was: none of {log.n_steps} steps made it better" if log.n_steps else "as it is: no step was taken"
    )
    return f"{_begun(starts)}, {kept}" if log.kept_start else _begun(starts)


def _begun(starts: dict[str, Start]) -> str:
    return "; ".join(f"{name}: {own.said}" if len(starts) > 1 else own.said for name, own in starts.items())


def _placed(
    data: Prepared, prompts: PromptEncoder, options: AdaptOptions, llm: Llm, *, part: int
) -> tuple[list[Placed], int]:
    """Examples of one side of the split as token ids, and how many targets were cut."""
    found, n_cut = [], 0
    names = list(data.spaces)
    for name, own in data.spaces.items():
        place = {key: i for i, key in enumerate(own.ids)}
        examples: list[Example] = data.examples[name][part].items
        for example in examples:
            prompt = prompts.prompt(example.task.parsed(names))
            check_window(prompt, options.max_target_tokens, llm)
            target, cut = prompts.target(example.text, options.max_target_tokens)
            n_cut += cut
            found.append(Placed(prompt, tuple(own.vectors[place[key]] for key in example.ids), tuple(target)))
    return found, n_cut


def _state(data: Prepared, name: str, adapter: Adapter, reader: Reader) -> SpaceState:
    """Rows, calibration and probes of a space."""
    own, (train_ids, held_ids) = data.spaces[name], data.parts[name]
    ids = [*train_ids, *held_ids]
    mean, scale = adapter.mean.cpu().numpy(), adapter.scale.cpu().numpy()
    kept = rounded(own.of(ids), mean, scale)
    state = SpaceState(name, mean, scale, ids, kept, len(train_ids), reader=reader, source=dict(own.space))
    state.calibrate()
    for attribute_name, attribute in data.records.pack.attributes.items():
        said = [data.records.attribute_values(attribute_name, key) for key in ids]
        n, standardized = len(train_ids), kept.astype(np.float32)
        probe = fit_probe(attribute_name, attribute, (standardized[:n], said[:n]), (standardized[n:], said[n:]))
        state.probes += [] if probe is None else [probe]
    return state


def _judge(explainer: Explainer, data: Prepared, options: AdaptOptions) -> Callable[[ElmModel], float]:
    """Mean consistency of what the model writes about held-out rows."""
    name = next(iter(data.spaces))
    space = explainer.spaces[name]
    prompt = primary_task(data.taught.tasks, name).parsed(list(data.spaces))
    ids = data.parts[name][1][:N_SELECTION]
    vectors = np.stack([space.vector(key) for key in ids])
    decoding = Decoding(max_new_tokens=min(48, options.max_target_tokens))

    def judge(_: ElmModel) -> float:
        if space.reader is None:
            return 0.0
        written = explainer.write(prompt, [(vector,) for vector in vectors], decoding)
        return float(cosines(space.reader.read(written, ids), space.reader.center(vectors)).mean())

    return judge


def _score(
    report: FitReport, explainer: Explainer, data: Prepared, targets: dict[str, str], options: AdaptOptions
) -> None:
    learnt = {targets[key] for key in explainer.texts}
    decoding = Decoding(max_new_tokens=options.max_target_tokens)
    for name, space in explainer.spaces.items():
        prompt = primary_task(data.taught.tasks, name).parsed(list(data.spaces))
        ids = data.parts[name][1][:N_JUDGED]
        vectors = np.stack([space.vector(key) for key in ids])
        written = explainer.write(prompt, [(vector,) for vector in vectors], decoding)
        rows = evaluate_space(
            explainer, space, vectors, written, [data.texts[key] for key in ids], data.names, ids=ids, targets=learnt,
            seed=explainer.seed,
        )  # fmt: skip
        report.scores[name] = means(rows)
        report.examples[name] = [
            {
                "id": key,
                "written": written[i],
                "target": targets[key],
                "text": data.texts[key],
                "scores": _of_row(rows, i),
            }
            for i, key in enumerate(ids[:N_SHOWN])
        ]
        said = {
            probe.attribute: [data.records.attribute_values(probe.attribute, key) for key in ids]
            for probe in space.probes
        }
        report.probes[name] = attribute_scores(space, vectors, written, said)
        for part, side in enumerate(data.examples[name]):
            for example in side.items:
                report.tasks.setdefault(example.task.name, [0, 0])[part] += 1
            report.skipped |= side.skipped
            for task, n in side.empty.items():
                report.empty[task] = report.empty.get(task, 0) + n


def _of_row(rows: dict[str, NDArray[Any]], row: int) -> dict[str, float]:
    """The cosines of one row."""
    shown = ("consistency", "shuffled", "neighbor", "true_text")
    return {key: float(rows[key][row]) for key in shown if key in rows and np.isfinite(rows[key][row])}


def _fingerprint(
    llm: Llm, items: Sequence[Placed], held: Sequence[Placed], start: dict[str, Any], options: AdaptOptions, seed: int
) -> str:
    """Digest of all that decides a training."""
    settings = {**asdict(options), "save_seconds": 0}
    digest = hashlib.blake2b(
        canonical_json({"llm": llm.identity, **start, "options": settings, "seed": seed}).encode(),
        digest_size=16,
    )
    for item in (*items, *held):
        digest.update(repr((item.prompt.ids, item.target)).encode())
        for vector in item.vectors:
            digest.update(vector.tobytes())
    return digest.hexdigest()

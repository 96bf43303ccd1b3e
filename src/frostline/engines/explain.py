"""Jobs of the explainer: adapt a language model to vectors, and explain many of them into a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from frostline.artifacts import check_place
from frostline.elm import ELM, AdaptOptions, Decoding, Explanation, TeacherModel, load_pack
from frostline.elm.prepare import as_spaces, as_table, prepare_data
from frostline.elm.space import SpaceState
from frostline.errors import UserError, nearest
from frostline.tables import check_output, prediction_writer, read_vectors, replacing

__all__ = ["AdaptJob", "Selection", "adapt_table", "explain_table", "forecast_adapt"]

OUTPUT_ENDINGS = (".jsonl", ".parquet")

CHUNK = 64
"""Vectors that are explained before their answers are on disk."""


@dataclass(frozen=True)
class AdaptJob:
    """What a language model is adapted to.

    Parameters
    ----------
    vectors : str
        File of vectors.
    table : str
        File of rows.
    id : str
        Column of ids.
    text : str or None, default=None
        Column of texts.
    tasks : str, default="generic"
        A pack or a YAML file.
    llm : str, default="starter"
    n_soft_tokens : int, default=4
    adapter : str, default="mlp"
    held_out : float or str, default=0.1
        A share of the ids, or a column that calls rows ``train`` or ``valid``.
    encoder : str, default="auto"
        What embedded the texts, where the vectors are of texts; ``"none"`` = a reconstructor is learnt.
    cold, keep_names : bool, default=False
    teacher : str or None, default=None
        A language model that writes targets, here or behind an endpoint.
    seed : int, default=0
    ids_file : str or None, default=None
        Of vectors in ``.npy``: their ids, one a line; None = they follow the rows of the table.
    """

    vectors: str
    table: str
    id: str
    text: str | None = None
    tasks: str = "generic"
    llm: str = "starter"
    n_soft_tokens: int = 4
    adapter: str = "mlp"
    held_out: float | str = 0.1
    encoder: str = "auto"
    cold: bool = False
    keep_names: bool = False
    teacher: str | None = None
    seed: int = 0
    ids_file: str | None = None

    def read_vectors(self) -> Any:
        """The vectors as a fit takes them."""
        return self.vectors if self.ids_file is None else read_vectors(self.vectors, ids=self.ids_file)


def adapt_table(
    job: AdaptJob,
    out: str | Path,
    *,
    options: AdaptOptions | None = None,
    texts: bool = True,
    device: str = "auto",
    store: Any = "default",
    progress: Any = "auto",
    trust_remote_code: str | None = None,
) -> ELM:
    """Adapt a language model and write its folder; an interrupted job that runs again goes on where it was.

    Parameters
    ----------
    job : AdaptJob
    out : path
        Folder of the explainer. Beside it, ``OUT.training`` holds the state of an unfinished training and ``OUT.answers`` those
        of a teacher.
    options : AdaptOptions, optional
    texts : bool, default=True
        Whether training texts are kept in the folder.
    device : str, default="auto"
    store : default="default"
        Of the encoder that reads texts back.
    progress : "auto" or bool, default="auto"
    trust_remote_code : str, optional
        Name of that encoder, where it brings Python code that may run.

    Returns
    -------
    ELM
        As saved.
    """
    out = Path(out).expanduser()
    check_place(out)
    elm = ELM(job.llm, n_soft_tokens=job.n_soft_tokens, adapter=job.adapter, seed=job.seed, device=device)
    elm.fit(
        job.read_vectors(), job.table, job.tasks, id=job.id, text=job.text, held_out=job.held_out,
        encoder=None if job.encoder == "none" else job.encoder, keep_names=job.keep_names, cold=job.cold,
        teacher=_teacher(job, out, progress), options=options, checkpoint=out.with_name(f"{out.name}.training"),
        store=store, progress=progress, trust_remote_code=trust_remote_code,
    )  # fmt: skip
    elm.save(out, texts=texts)
    return elm


def forecast_adapt(job: AdaptJob, out: str | Path) -> dict[str, Any]:
    """Say what :func:`adapt_table` would learn from and what its teacher would cost; nothing is trained or asked.

    Parameters
    ----------
    job : AdaptJob
    out : path
        Where the folder would stand, and beside it the answers of a teacher; nothing is written.

    Returns
    -------
    dict
        ``n_train``, ``n_val``, ``n_examples``, ``skipped``, and of a teacher ``n_instructions``, ``n_tokens`` to read and
        ``n_new_tokens`` to write at most.

    Raises
    ------
    UserError
        Data that cannot be used, or a place that cannot be written.
    """
    out = Path(out).expanduser()
    check_place(out)
    asked: list[str] = []

    def note(instructions: Sequence[str]) -> list[str]:
        asked.extend(instructions)
        return ["-"] * len(instructions)

    table = as_table(job.table)
    data = prepare_data(
        as_spaces(job.read_vectors(), table, job.id), table, load_pack(job.tasks), id=job.id, text=job.text,
        held_out=job.held_out, keep_names=job.keep_names, seed=job.seed, teacher=note if job.teacher else None,
    )  # fmt: skip
    sides = [side for pair in data.examples.values() for side in pair]
    teacher = _teacher(job, out, False)
    cost = None if teacher is None else teacher.cost(asked)
    return {
        "n_train": sum(len(train) for train, _ in data.parts.values()),
        "n_val": sum(len(held) for _, held in data.parts.values()),
        "n_examples": sum(len(side.items) for side in sides),
        "skipped": {task: why for side in sides for task, why in side.skipped.items()},
        "n_instructions": cost.n_instructions if cost else 0,
        "n_tokens": cost.n_tokens if cost else 0,
        "n_new_tokens": cost.n_new_tokens if cost else 0,
    }


def _teacher(job: AdaptJob, out: Path, progress: Any) -> TeacherModel | None:
    """The teacher, its answers in a file beside the folder."""
    answers = out.with_name(f"{out.name}.answers")
    return None if job.teacher is None else TeacherModel(job.teacher, answers, progress=progress)


@dataclass(frozen=True)
class Selection:
    """Which vectors are explained: one of ids, vectors, blend, and start with along; ids and vectors go together.

    Parameters
    ----------
    ids : sequence of str
        Rows that the explainer knows, or with `vectors` rows of that file.
    vectors : str or None, default=None
        A file; without `ids` all of it.
    blend : (str, str) or None, default=None
        Two ids.
    weight : float, default=0.5
        Of the second.
    start, along : str or None, default=None
        An id, and the concept along which it moves.
    steps : int, default=3
    ids_file : str or None, default=None
        Of `vectors` in ``.npy``: their ids, one a line; None = numbers from 0.
    """

    ids: Sequence[str] = ()
    vectors: str | None = None
    blend: tuple[str, str] | None = None
    weight: float = 0.5
    start: str | None = None
    along: str | None = None
    steps: int = 3
    ids_file: str | None = None

    def checked(self) -> Selection:
        """Return this selection where it names one way.

        Raises
        ------
        UserError
        """
        ways = {"--id": bool(self.ids) and self.vectors is None, "--vectors": self.vectors is not None,
                "--blend": self.blend is not None, "--from": self.start is not None}  # fmt: skip
        given = [name for name, yes in ways.items() if yes]
        if len(given) != 1:
            raise UserError(
                f"{' and '.join(given) or 'Nothing'} is given to explain; allowed is one of {', '.join(ways)}.",
                hint="for example --id 7",
            )
        if (self.start is None) != (self.along is None):
            raise UserError("--from and --along belong together.", hint="--from 7 --along genre=comedy")
        if self.weight != Selection.weight and self.blend is None:
            raise UserError(
                "--weight is given and no --blend, whose second row it weighs.", hint="--blend A B --weight 0.3"
            )
        if self.steps != Selection.steps and self.start is None:
            raise UserError("--steps is given and no --from, where they begin.", hint="--from 7 --along genre=comedy")
        if self.ids_file is not None and self.vectors is None:
            raise UserError("--ids names the ids of --vectors, which is not given.", hint="--vectors F.npy --ids F.txt")
        return self


def explain_table(
    folder: str | Path,
    selection: Selection,
    *,
    task: str | None = None,
    ask: str | None = None,
    n_candidates: int = 1,
    decoding: Decoding | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    store: Any = "default",
    progress: Any = "auto",
    trust_remote_code: str | None = None,
) -> list[Explanation]:
    """Explain vectors by a saved explainer.

    Parameters
    ----------
    folder : path
    selection : Selection
    task, ask : str, optional
        A task by name, or a question with ``{vector}``; None and None = the heaviest task.
    n_candidates : int, default=1
    decoding : Decoding, optional
        None = greedy, guided, at most 96 tokens.
    out : path, optional
        ``.jsonl`` or ``.parquet``, a row for each vector. What an interrupted job has written is kept and not written again.
    device : str, default="auto"
    store : default="default"
        Of the encoder that reads texts back.
    progress : "auto" or bool, default="auto"
    trust_remote_code : str, optional
        Name of that encoder, where it brings Python code that may run.

    Returns
    -------
    list of Explanation
        Empty where they went to a file.
    """
    selection = selection.checked()
    if out is not None:
        check_output(out, OUTPUT_ENDINGS, [selection.vectors, selection.ids_file])
    elm = ELM.load(folder, device=device, store=store, progress=False, trust_remote_code=trust_remote_code)
    decoding = decoding or Decoding()
    how: dict[str, Any] = {"n_candidates": n_candidates, "decoding": decoding.checked()}
    prompt = elm.prompt_of(task, ask)
    names, rows = _rows(elm, selection, elm.explainer_.spaces[prompt.spaces[0]])
    if out is None:
        found = elm.explain_many(prompt, [[row] for row in rows], **how)
        return [replace(one, id=name) for name, one in zip(names, found, strict=True)]
    path = Path(out).expanduser()
    part = path.with_name(f"{path.name}.part.jsonl")
    setting = {"artifact": elm.digest, "prompt": [prompt.pieces, prompt.spaces], "how": [n_candidates, asdict(decoding)],
               "rows": _digest(names, rows)}  # fmt: skip
    done = _already(part, setting)
    with part.open("a", encoding="utf-8") as file:
        if not done:
            file.write(json.dumps(setting) + "\n")
        for start in range(max(0, len(done) - 1), len(rows), CHUNK):
            chunk = elm.explain_many(prompt, [[row] for row in rows[start : start + CHUNK]], **how)
            for name, one in zip(names[start : start + CHUNK], chunk, strict=True):
                file.write(json.dumps({**one.to_json(), "id": name}, ensure_ascii=False) + "\n")
            file.flush()
    _finish(part, path)
    return []


def _rows(elm: ELM, selection: Selection, space: SpaceState) -> tuple[list[str], list[Any]]:
    """Names and vectors or ids of what is asked for."""
    if selection.vectors is not None:
        table = read_vectors(selection.vectors, ids=selection.ids_file)
        place = {name: i for i, name in enumerate(table.ids)}
        names = list(selection.ids) or table.ids
        if missing := [name for name in names if name not in place]:
            raise UserError(
                f"{selection.vectors} has no vector of {missing[0]!r}; it has {len(place)}, such as {table.ids[0]!r}.",
                hint=nearest(missing[0], place) or None,
            )
        return names, space.recognized(names, table.vectors[[place[name] for name in names]])
    if selection.blend is not None:
        a, b = selection.blend
        return [f"{a} + {b}"], [elm.between(a, b, selection.weight)]
    if selection.start is not None and selection.along is not None:
        points = elm.path(selection.start, selection.along, steps=selection.steps)
        return [f"{selection.start} + {i}/{selection.steps} {selection.along}" for i in range(len(points))], list(
            points
        )
    return list(selection.ids), list(selection.ids)


def _digest(names: Sequence[str], rows: Sequence[Any]) -> str:
    """Of what is asked about, so that an interrupted job goes on with its own rows only."""
    digest = hashlib.blake2b(json.dumps(list(names)).encode(), digest_size=16)
    for row in rows:
        digest.update(row.encode() if isinstance(row, str) else np.ascontiguousarray(row).tobytes())
    return digest.hexdigest()


def _already(part: Path, setting: dict[str, Any]) -> list[str]:
    """Whole lines that an interrupted job has left; what is cut off goes."""
    if not part.is_file():
        return []
    first, found = json.dumps(setting), part.read_bytes()
    if first.encode().startswith(found):  # killed before its first answers, it has none
        part.unlink()
        return []
    whole = found.decode(errors="replace").split("\n")[:-1]
    if whole[:1] != [first]:
        raise UserError(
            f"{part} holds answers of another explainer or question, or about other rows.",
            hint="delete it, or give another --out",
        )
    kept = 1 + (len(whole) - 1) // CHUNK * CHUNK  # whole chunks only, so that batches are those of an undisturbed run
    with replacing(part) as file:
        file.write("".join(line + "\n" for line in whole[:kept]).encode())
    return whole[:kept]


def _finish(part: Path, path: Path) -> None:
    lines = part.read_text(encoding="utf-8").split("\n")[1:-1]  # a text may hold other marks that end a line
    if path.suffix.lower() == ".jsonl":
        with replacing(path) as file:
            file.write("".join(line + "\n" for line in lines).encode())
    else:
        records = [json.loads(line) for line in lines]
        with prediction_writer(path) as write:
            write({key: [record[key] for record in records] for key in records[0]})
    part.unlink()

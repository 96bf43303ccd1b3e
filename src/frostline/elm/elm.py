"""ELM: fit it on vectors and a table, then ask it what any vector of that space means.

References
----------
Tennenholtz et al., 2023, Demystifying Embedding Spaces using Large Language Models, arXiv 2310.04475.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from frostline.concepts import CAV
from frostline.elm.adapter import AdapterConfig
from frostline.elm.card import elm_card
from frostline.elm.checkpoint import Checkpoint
from frostline.elm.decoding import Decoding
from frostline.elm.explaining import Explainer, Question
from frostline.elm.explanation import Explanation
from frostline.elm.facts import Names
from frostline.elm.fitting import fit_model, primary_task
from frostline.elm.llm import load_llm
from frostline.elm.moves import interpolate, traverse
from frostline.elm.prepare import as_spaces, as_table, prepare_data
from frostline.elm.prompts import Prompt
from frostline.elm.saving import load_elm, save_elm
from frostline.elm.space import SpaceState
from frostline.elm.stages import AdaptOptions
from frostline.elm.targets import Teacher
from frostline.elm.tasks import Pack, Task, load_pack
from frostline.errors import UserError

__all__ = ["ELM"]

COMMON = "What do {vector} and {vector} have in common?"


class ELM:
    """A language model that explains vectors of one or several spaces.

    Parameters
    ----------
    llm : str, default="starter"
        ``"starter"``, a local folder, or a hub name ``org/name`` of a causal language model.
    n_soft_tokens : int, default=4
        Soft tokens for each vector, 1 to 16.
    adapter : str or AdapterConfig, default="mlp"
        ``"mlp"``, ``"linear"``, ``"deep"`` or ``"residual"``; or a whole configuration.
    seed : int, default=0
    device : str, default="auto"

    Attributes
    ----------
    report_ : dict
        What the fit did and how it scored on held-out ids.
    pack_ : Pack
        The tasks that it learnt.

    Examples
    --------
    >>> import frostline
    >>> elm = frostline.ELM().fit("films.parquet", "films.csv", tasks="films", id="movieId")  # doctest: +SKIP
    >>> print(elm.describe("2571"))  # doctest: +SKIP
    """

    explainer_: Explainer
    pack_: Pack
    names_: Names
    config_: AdapterConfig
    report_: dict[str, Any]
    digest: str
    tuned_: dict[str, Any] | None
    _checkpoint: Checkpoint | None = None

    def __init__(
        self,
        llm: str = "starter",
        *,
        n_soft_tokens: int = 4,
        adapter: str | AdapterConfig = "mlp",
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.llm = llm
        self.n_soft_tokens = n_soft_tokens
        self.adapter = adapter
        self.seed = seed
        self.device = device

    def fit(
        self,
        vectors: Any,
        table: Any,
        tasks: str | Path | Pack = "generic",
        *,
        id: str = "id",
        text: str | None = None,
        held_out: float | str | Sequence[Any] = 0.1,
        encoder: Any = "auto",
        keep_names: bool = False,
        cold: bool = False,
        teacher: Teacher | None = None,
        options: AdaptOptions | None = None,
        checkpoint: str | Path | None = None,
        store: Any = "default",
        progress: Any = "auto",
        trust_remote_code: str | None = None,
    ) -> Self:
        """Learn to explain the vectors of a table's rows.

        Parameters
        ----------
        vectors : path, (ids, array), or mapping of space to these
            Rows are matched with the table's by id; an array in ``.npy`` has none and follows its rows.
        table : path, frame or rows
        tasks : str, path or Pack, default="generic"
            ``"films"``, ``"books"``, ``"generic"``, or a YAML file.
        id : str, default="id"
            Column of ids.
        text : str, default=None
            Column of texts; None = by its name.
        held_out : float, str or sequence of ids, default=0.1
            Never learnt from: to choose the best state and to score. A share: rows of one text, vector, or title and year stay
            together. A column: it calls rows ``train`` or ``valid``, and others are left out altogether.
        encoder : TextEmbedder, str or None, default="auto"
            What embedded the texts, where the vectors are of texts: ``"auto"`` = as their file says; None = none, so that a
            reconstructor is learnt, from MiniLM where it is installed; ``"words"`` = one from words alone.
        keep_names : bool, default=False
            Whether names of people and titles stay in targets; they cannot be read from a vector.
        cold : bool, default=False
            Whether the starter's warm adapter is left aside.
        teacher : callable, optional
            Instructions to answers, for tasks that need one.
        options : AdaptOptions, optional
        checkpoint : path, optional
            Folder from which an interrupted fit goes on; :meth:`save` takes it away.
        store, progress, trust_remote_code
            Of the encoders that read texts back and that a warm start takes, as for :class:`frostline.TextEmbedder`.

        Returns
        -------
        self

        Raises
        ------
        UserError
            Data or settings that cannot be used; checked before anything trains.
        """
        options = (options or AdaptOptions()).checked()
        self.config_ = AdapterConfig.of(self.adapter, self.n_soft_tokens)
        self.pack_ = tasks if isinstance(tasks, Pack) else load_pack(tasks)
        rows = as_table(table)
        data = prepare_data(
            as_spaces(vectors, rows, id), rows, self.pack_, id=id, text=text, held_out=held_out, keep_names=keep_names,
            seed=self.seed, teacher=teacher,
        )  # fmt: skip
        half = options.precision == "bfloat16" and not (options.trains_llm and options.tune == "full")
        llm = load_llm(self.llm, dtype="bfloat16" if half else "float32", device=self.device)
        fitted = fit_model(
            llm, data, self.config_, options, seed=self.seed, encoder=encoder, cold=cold, store=store,
            checkpoint=None if checkpoint is None else Path(checkpoint), progress=progress, trust_remote_code=trust_remote_code,
        )  # fmt: skip
        self.explainer_, self.names_, self.pack_ = fitted.explainer, data.names, data.taught
        self._checkpoint = fitted.checkpoint
        self.report_ = fitted.report.to_json()
        self.tuned_ = {"tune": options.tune, "rank": options.lora_rank} if options.trains_llm else None
        return self

    def describe(self, what: Any, *, task: str | None = None, **how: Any) -> Any:
        """Say what a vector means.

        Parameters
        ----------
        what : id, array of shape (D,), or a list of these (whole numbers in it are ids) or array of shape (n, D)
        task : str, optional
            A task over one vector; None = the heaviest.
        **how
            ``n_candidates``: write so many and keep the most consistent; ``decoding``: a :class:`Decoding`.

        Returns
        -------
        Explanation, or a list of them
        """
        many = _is_many(what)
        prompt = self._task(task, 1).parsed(list(self._spaces))
        found = self.explain_many(prompt, [(one,) for one in (what if many else [what])], **how)
        return found if many else found[0]

    def ask(self, question: str, *whats: Any, **how: Any) -> Explanation:
        """Ask a question of one's own.

        Parameters
        ----------
        question : str
            With a ``{vector}`` for each vector.
        *whats : ids or arrays
            In the order of the question.
        **how
            As in :meth:`describe`.
        """
        prompt = Prompt.parse(question, list(self._spaces), n_vectors=len(whats))
        return self.explain_many(prompt, [whats], **how)[0]

    def compare(self, a: Any, b: Any, *, task: str | None = None, **how: Any) -> Explanation:
        """Say what two vectors have in common, or what another task over two asks.

        Parameters
        ----------
        a, b : ids or arrays
        task : str, optional
        **how
            As in :meth:`describe`.
        """
        pairs = [own for own in self.pack_.tasks if own.n_vectors == 2]
        if task is None and not pairs:
            return self.ask(COMMON, a, b, **how)
        prompt = (self._task(task, 2) if task else pairs[0]).parsed(list(self._spaces))
        return self.explain_many(prompt, [(a, b)], **how)[0]

    def blend(self, a: Any, b: Any, weight: float = 0.5, *, task: str | None = None, **how: Any) -> Explanation:
        """Describe the point between two vectors.

        Parameters
        ----------
        a, b : ids or arrays
        weight : float, default=0.5
            0 = `a`, 1 = `b`.
        task : str, optional
        **how
            As in :meth:`describe`.
        """
        found: Explanation = self.describe(self.between(a, b, weight), task=task, **how)
        return found

    def between(self, a: Any, b: Any, weight: float = 0.5) -> NDArray[np.float32]:
        """The point that :meth:`blend` describes.

        Parameters
        ----------
        a, b : ids or arrays
        weight : float, default=0.5
        """
        space = self._first
        return interpolate(self._vector(a, space)[0], self._vector(b, space)[0], weight)

    def along(
        self, what: Any, concept: CAV | str, *, steps: int = 3, spread: float = 2.0, task: str | None = None, **how: Any
    ) -> list[Explanation]:
        """Describe a vector and points further and further along a concept.

        Parameters
        ----------
        what : id or array
        concept : CAV or str
            A direction, or ``"attribute=value"`` of an attribute that was learnt, such as ``"genre=comedy"``.
        steps : int, default=3
        spread : float, default=2.0
            How far the last point lies, in standard deviations of the training rows along the concept; negative = away.
        task : str, optional
        **how
            As in :meth:`describe`.
        """
        found: list[Explanation] = self.describe(self.path(what, concept, steps=steps, spread=spread), task=task, **how)
        return found

    def path(self, what: Any, concept: CAV | str, *, steps: int = 3, spread: float = 2.0) -> NDArray[np.float32]:
        """The points that :meth:`along` describes.

        Parameters
        ----------
        what : id or array
        concept : CAV or str
        steps : int, default=3
        spread : float, default=2.0
        """
        space = self._first
        if isinstance(concept, CAV):
            unit = space.checked(concept.direction) / np.linalg.norm(concept.direction)
            length = float((space.training_vectors @ unit).std())
        else:
            unit = space.direction(concept)
            length = float(np.linalg.norm(unit))
        return traverse(self._vector(what, space)[0], unit, spread * length, steps)

    def save(self, folder: str | Path, *, texts: bool = True) -> None:
        """Write a folder of safetensors and JSON.

        Parameters
        ----------
        folder : path
        texts : bool, default=True
            Whether the training rows' texts are kept; without them the neighbor's text is no control.
        """
        self._check_fitted()
        self.digest = save_elm(self, folder, texts=texts)
        if self._checkpoint is not None:
            self._checkpoint.remove()

    @classmethod
    def load(
        cls, folder: str | Path, *, device: str = "auto", store: Any = "default", progress: Any = "auto",
        trust_remote_code: str | None = None,
    ) -> ELM:  # fmt: skip
        """Read a folder that :meth:`save` wrote.

        Parameters
        ----------
        folder : path
        device : str, default="auto"
        store, progress, trust_remote_code
            Of the encoder that reads texts, as for :class:`frostline.TextEmbedder`.

        Raises
        ------
        ArtifactError
            No explainer, not whole, edited, or of another language model.
        """
        elm = cls(device=device)
        load_elm(elm, folder, device=device, store=store, progress=progress, trust_remote_code=trust_remote_code)
        elm.llm, elm.seed = elm.explainer_.model.llm.name, elm.explainer_.seed
        elm.n_soft_tokens, elm.adapter = elm.config_.n_soft_tokens, elm.config_
        return elm

    def card(self) -> str:
        """What this explainer is and how it scored, as Markdown."""
        self._check_fitted()
        return elm_card(self.explainer_, self.pack_, self.report_)

    def explain_many(
        self, prompt: Prompt, rows: Sequence[Sequence[Any]], *, n_candidates: int = 1, decoding: Decoding | None = None
    ) -> list[Explanation]:
        """Answers to one prompt about each row of vectors or ids; for files.

        Parameters
        ----------
        prompt : Prompt
        rows : sequence of sequences
            One entry for each place of the prompt.
        n_candidates, decoding
            As in :meth:`describe`.
        """
        questions = []
        for row in rows:
            pairs = [self._vector(what, self._spaces[name]) for what, name in zip(row, prompt.spaces, strict=True)]
            questions.append(Question(tuple(v for v, _ in pairs), tuple(name for _, name in pairs)))
        return self.explainer_.explain(prompt, questions, (decoding or Decoding()).checked(), n_candidates)

    def prompt_of(self, task: str | None = None, question: str | None = None, n_vectors: int = 1) -> Prompt:
        """The prompt of a task or a question.

        Parameters
        ----------
        task, question : str, optional
            None and None = the heaviest task.
        n_vectors : int, default=1
        """
        if task is not None and question is not None:
            raise UserError("Both a task and a question are given; allowed is one of them.")
        if question is not None:
            return Prompt.parse(question, list(self._spaces), n_vectors=n_vectors)
        return self._task(task, n_vectors).parsed(list(self._spaces))

    def _vector(self, what: Any, space: SpaceState) -> tuple[NDArray[np.float32], str | None]:
        if isinstance(what, str | int | np.integer):
            return space.vector(str(what)), str(what)
        return space.checked(what), None

    def _task(self, name: str | None, n_vectors: int) -> Task:
        self._check_fitted()
        if name is None:
            return primary_task(self.pack_.tasks, self._first.name)
        task = self.pack_.task(name, self.report_["skipped"])
        if task.n_vectors != n_vectors:
            raise UserError(f"The task {name!r} is over {task.n_vectors} vectors; {n_vectors} are given.")
        return task

    @property
    def _spaces(self) -> dict[str, SpaceState]:
        self._check_fitted()
        return dict(self.explainer_.spaces)

    @property
    def _first(self) -> SpaceState:
        return next(iter(self._spaces.values()))

    def _check_fitted(self) -> None:
        if not hasattr(self, "explainer_"):
            raise UserError("This ELM is not fitted.", hint="call fit, or frostline.load a folder")


def _is_many(what: Any) -> bool:
    return (isinstance(what, np.ndarray) and what.ndim == 2) or (
        isinstance(what, list | tuple) and not any(isinstance(x, float | np.floating) for x in what)
    )

"""Co-occurrence pooling as a head: dot products between a row's layer vectors, beside their mean, into a small network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor
from torch.nn import functional

from frostline.errors import UserError
from frostline.heads._cooccurrence import CooccurrenceNetwork, Shape, Training, epochs_of
from frostline.heads._folds import inner_folds
from frostline.heads._standard import blocks, standardize
from frostline.heads._state import State, class_codes, labels_from_json, labels_to_json
from frostline.splits import Split

__all__ = ["CooccurrenceClassifier"]

_SIGMAS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_PUBLISHED_SIGMA = 0.1  # ours: the paper and its code give none
_FOLDS, _PATIENCE = 3, 5
_STEPS = 8  # mini-batches an epoch at least, so that few rows move the weights at all


class _Trial(NamedTuple):
    """What training gave on held-out rows: the lowest loss, the epoch and the logits there."""

    loss: float
    epoch: int
    logits: Tensor


class CooccurrenceClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Co-occurrence pooling (LLMEmbed): each layer compressed, all dot products between them, then a small network.

    With Phi the H compressed vectors of a row, the network reads tanh(sigma c / 2) of every entry c of Phi Phi^T, joined
    with the mean of the layers.

    Parameters
    ----------
    n_layers : int, optional
        How many equally wide layers the columns begin with; estimators set it. None = all `widths` that lead with one
        width.
    widths : sequence of int, optional
        Widths of all blocks of columns: the layers, then one vector of each further backbone. None = layers only.
    compressed : int, optional
        K, to which each layer is compressed. None = a quarter of a layer's width, as published (4096 to 1024). A
        further vector that is K wide enters as it is, as published; else it is compressed too. With `as_published` none
        is: there None = the width that all further vectors share.
    hidden : sequence of int, default=(1024, 256)
    sigma : float or "auto", default="auto"
        Steepness of the power normalization. ``"auto"`` takes the one of 1e-4, 1e-3, ..., 1 with the lowest loss on
        a held-out third of the training rows; with `as_published`, which holds out nothing, it is 0.1.
    as_published : bool, default=False
        Train as the published code does: the loss takes probabilities for logits, Adam without decay, a fixed number of
        epochs, inputs as they are, dropout drawn for each row and unit.
    lr : float, optional
        None = 1e-3; as published 1e-4.
    epochs : int, optional
        Without `as_published` at most so many (None = 60): the mean of what was best in three folds. As published exactly
        so many; their number is not published, None = 100.
    batch_size : int, optional
        None = 512; as published 1024.
    seed : int, default=0
        Of folds, starting weights, order of rows and dropout.

    Attributes
    ----------
    classes_ : ndarray
    sigma_ : float
        The sigma in use.
    chosen_ : dict
        sigma, epochs, held-out loss of each sigma.
    oof_proba_ : array of shape (n_samples, n_classes)
        Held-out probabilities on the training rows; absent as published and where the rows allow no folds. Slightly
        optimistic: sigma and epochs were chosen on the same folds.
    n_parameters_ : int
        Trained numbers.

    Notes
    -----
    The default differs from the published code in what the loss takes, in standardized inputs, in weight decay 0.01,
    and in that the rows of a mini-batch and the layers share the units that dropout takes, which halves the work.

    References
    ----------
    Liu et al., 2024, arXiv 2406.03725. Neither sigma nor the number of epochs is published.
    """

    def __init__(
        self,
        n_layers: int | None = None,
        widths: Sequence[int] | None = None,
        compressed: int | None = None,
        hidden: Sequence[int] = (1024, 256),
        sigma: float | str = "auto",
        as_published: bool = False,
        lr: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        self.n_layers = n_layers
        self.widths = widths
        self.compressed = compressed
        self.hidden = hidden
        self.sigma = sigma
        self.as_published = as_published
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, groups: Any = None) -> Self:
        """Choose sigma and the number of epochs on held-out training rows, then train on all.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
            Layers side by side, then further vectors.
        y : array of shape (n_samples,)
        groups : sequence of length n_samples, optional
            Rows that are never split between training and validation.

        Raises
        ------
        UserError
            The columns do not fit the layers, or a parameter cannot be used.
        """
        table, labels = validate_data(self, X, y, dtype=[np.float32, np.float64])
        self.classes_, codes = class_codes(labels)
        if groups is not None and len(groups) != len(codes):
            raise UserError(f"groups has {len(groups)} entries, but there are {len(codes)} rows.")
        sigmas = self._sigmas()
        self._shape = self._read_shape(table.shape[1], len(self.classes_))
        self._read_scale(table)
        data = self._standardized(table), torch.from_numpy(codes)
        training = self._training(len(codes))
        if hasattr(self, "oof_proba_"):  # of an earlier fit
            del self.oof_proba_
        losses: dict[str, float] = {}
        self.sigma_, epochs = sigmas[0], training.epochs
        if not self.as_published:
            self.sigma_, epochs, losses = self._choose(data, groups, sigmas, training)
        self.chosen_ = {"sigma": self.sigma_, "epochs": epochs, "held_out_loss": losses}
        network = CooccurrenceNetwork.initialized(self._shape, self.seed)
        for _ in epochs_of(network, data, torch.arange(len(codes)), self.sigma_, replace(training, epochs=epochs)):
            pass
        self.parameters_ = {name: p.detach().numpy() for name, p in network.parameters.items()}
        return self

    def _choose(
        self, data: tuple[Tensor, Tensor], groups: Any, sigmas: list[float], training: Training
    ) -> tuple[float, int, dict[str, float]]:
        """Compare the sigmas on one fold; with the best, read the epochs and held-out probabilities off all folds."""
        codes = data[1].numpy()
        try:
            folds = inner_folds(codes, groups, _FOLDS, self.seed, stratify=True)
        except UserError:  # too few rows: judge on those that are trained on, as the other network head does
            folds = [(np.arange(len(codes)),) * 2]

        def trial(fold: Split, sigma: float) -> _Trial:
            rows, held = (torch.from_numpy(np.asarray(part)) for part in fold)
            network = CooccurrenceNetwork.initialized(self._shape, self.seed)
            return _until_best(network, data, rows, held, sigma, training)

        first = {sigma: trial(folds[0], sigma) for sigma in sigmas}
        sigma = min(first, key=lambda one: first[one].loss)
        trials = [first[sigma], *(trial(fold, sigma) for fold in folds[1:])]
        if len(folds) > 1:
            self.oof_proba_ = np.empty((len(codes), self._shape.n_classes))
            for (_, held), one in zip(folds, trials, strict=True):
                self.oof_proba_[held] = torch.softmax(one.logits.double(), 1).numpy()
        epochs = max(1, round(float(np.mean([one.epoch for one in trials]))))
        return sigma, epochs, {f"{one:g}": result.loss for one, result in first.items()}

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Class probabilities, shape (n_samples, n_classes)."""
        check_is_fitted(self, "parameters_")
        table = validate_data(self, X, dtype=[np.float32, np.float64], reset=False)
        parameters = {name: torch.from_numpy(array) for name, array in self.parameters_.items()}
        logits = CooccurrenceNetwork(self._shape, parameters).logits(self._standardized(table), self.sigma_)
        p: NDArray[np.float64] = torch.softmax(logits.double(), 1).numpy()
        return p

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable label of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(1)])

    @property
    def n_parameters_(self) -> int:
        """Trained numbers."""
        check_is_fitted(self, "parameters_")
        return sum(array.size for array in self.parameters_.values())

    def get_state(self) -> State:
        """What is needed to predict, as plain values and arrays."""
        params = {
            "shape": asdict(self._shape),
            "sigma": self.sigma_,
            "chosen": self.chosen_,
            "classes": labels_to_json(self.classes_),
            "n_features_in": int(self.n_features_in_),
        }
        return params, {**self.parameters_, "input.mean": self.mean_, "input.inverse_scale": self.inverse_scale_}

    @classmethod
    def from_state(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        """Restore a fitted head from :meth:`get_state`."""
        shape = params["shape"]
        n_layers, extras = shape["n_layers"], shape["extras"]
        head = cls(n_layers, [shape["width"]] * n_layers + list(extras) if extras else None)
        head._shape = Shape(**{**shape, "extras": tuple(shape["extras"]), "hidden": tuple(shape["hidden"])})
        head.sigma_, head.chosen_ = params["sigma"], params["chosen"]
        head.classes_, head.n_features_in_ = labels_from_json(params["classes"]), params["n_features_in"]
        head.mean_, head.inverse_scale_ = tensors["input.mean"], tensors["input.inverse_scale"]
        head.parameters_ = {name: array for name, array in tensors.items() if not name.startswith("input.")}
        return head

    def _sigmas(self) -> list[float]:
        if isinstance(self.sigma, str):
            if self.sigma != "auto":
                raise UserError(f"sigma must be 'auto' or a positive number, got {self.sigma!r}.")
            return [_PUBLISHED_SIGMA] if self.as_published else list(_SIGMAS)
        if not (np.isfinite(self.sigma) and self.sigma > 0):
            raise UserError(f"sigma must be 'auto' or a positive number, got {self.sigma!r}.")
        return [float(self.sigma)]

    def _training(self, n: int) -> Training:
        if self.as_published:
            return Training(self.lr or 1e-4, 0.0, self.batch_size or 1024, self.epochs or 100, False, True, self.seed)
        batch = min(self.batch_size or 512, max(2, -(-n // _STEPS)))
        return Training(self.lr or 1e-3, 0.01, batch, self.epochs or 60, True, False, self.seed)

    def _read_shape(self, n_features: int, n_classes: int) -> Shape:
        for name in ("n_layers", "compressed", "epochs", "batch_size"):
            if (value := getattr(self, name)) is not None and (int(value) != value or value < 1):
                raise UserError(f"{name} must be a whole number, 1 or larger, or None; got {value!r}.")
        if not self.hidden or min(self.hidden) < 1:
            raise UserError(f"hidden must name at least one positive width; got {tuple(self.hidden)!r}.")
        n_layers, widths = _blocks(self.n_layers, self.widths, n_features)
        if n_layers < 2:
            raise UserError(
                f"Co-occurrence pooling relates layers to each other and needs at least two; got {n_layers}.",
                hint='take several of the first backbone: layers="all"',
            )
        compressed = self.compressed or max(1, widths[0] // 4)
        if self.as_published and (extras := set(widths[n_layers:])):
            compressed = self.compressed or max(extras)
            if extras != {compressed}:
                raise UserError(
                    "As published, vectors of further backbones enter as they are and must be as wide as the compressed "
                    f"layers; theirs are {', '.join(map(str, widths[n_layers:]))} wide.",
                    hint='use head="cooccurrence", which compresses them too, or backbones of one width behind the first',
                )
        return Shape(n_layers, widths[0], widths[n_layers:], compressed, tuple(self.hidden), n_classes)

    def _read_scale(self, table: NDArray[Any]) -> None:
        if self.as_published:
            self.mean_, self.inverse_scale_ = np.zeros(table.shape[1]), np.ones(table.shape[1])
        else:
            scaled = standardize(table, np.full(len(table), 1 / len(table)))
            self.mean_, self.inverse_scale_ = scaled.mean, scaled.inverse_scale

    def _standardized(self, table: NDArray[Any]) -> Tensor:
        Z = np.empty(table.shape, dtype=np.float32)
        for rows, part in blocks(table):
            Z[rows] = (part - self.mean_) * self.inverse_scale_
        return torch.from_numpy(Z)


def _until_best(
    network: CooccurrenceNetwork,
    data: tuple[Tensor, Tensor],
    rows: Tensor,
    held: Tensor,
    sigma: float,
    training: Training,
) -> _Trial:
    """Train until the held-out loss has not fallen for some epochs."""
    X, y = data[0][held], data[1][held]
    best = _Trial(np.inf, 0, torch.zeros(len(held), network.shape.n_classes))
    for epoch in epochs_of(network, data, rows, sigma, training):
        logits = network.logits(X, sigma)
        loss = functional.cross_entropy(logits, y).item()
        if loss < best.loss:
            best = _Trial(loss, epoch, logits)
        if epoch - best.epoch >= _PATIENCE:
            break
    return best


def _blocks(n_layers: int | None, widths: Sequence[int] | None, n_features: int) -> tuple[int, tuple[int, ...]]:
    """Number of layers, and the widths of all blocks of columns."""
    if widths is None:
        if n_layers is None:
            raise UserError(
                "Co-occurrence pooling must know how the columns divide into layers.",
                hint="give n_layers=, or widths= where further vectors stand behind the layers",
            )
        if n_features % n_layers:
            raise UserError(f"{n_features} columns do not divide into {n_layers} layers of one width.")
        return n_layers, (n_features // n_layers,) * n_layers
    given = tuple(int(width) for width in widths)
    if not given or min(given) < 1 or sum(given) != n_features:
        raise UserError(f"widths {given} must be positive and add up to the {n_features} columns.")
    if n_layers is None:
        n_layers = next((i for i, width in enumerate(given) if width != given[0]), len(given))
    if len(set(given[:n_layers])) > 1 or n_layers > len(given):
        raise UserError(f"The first {n_layers} of the widths {given} must be there and equal: they are the layers.")
    return n_layers, given

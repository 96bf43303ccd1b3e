"""MLP heads: a sweep of configurations trained as one batched program, each stopped early on validation rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from frostline.errors import UserError
from frostline.heads._folds import inner_folds
from frostline.heads._mlp import Config, CrossEntropy, Loss, Network, SquaredError, train
from frostline.heads._standard import standardize
from frostline.heads._state import State, class_codes, labels_from_json, labels_to_json
from frostline.heads._weights import class_weights

__all__ = ["MLPClassifier", "MLPRegressor"]

_Floats = NDArray[np.float32]


class _MLP(BaseEstimator):  # type: ignore[misc]
    """What both MLP heads share: the sweep, the validation rows, the forward pass."""

    hidden: Sequence[int]
    lrs: Sequence[float]
    weight_decays: Sequence[float]
    dropout: float
    epochs: int
    patience: int | None
    batch_size: int
    n_seeds: int
    seed: int

    def _sweep(self, X: _Floats, y: Tensor, strata: NDArray[Any], groups: Any, loss: Loss, n_outputs: int) -> None:
        """Standardize, split off validation rows, train all configurations, keep the best one's seeds."""
        weights = np.full(len(X), 1 / len(X))
        scaled = standardize(X, weights)
        self.mean_, self.inverse_scale_ = scaled.mean, scaled.inverse_scale
        Z = torch.from_numpy(np.asarray(scaled.Z, dtype=np.float32))
        rows, held = self._validation(strata, groups)
        pairs = [(lr, decay) for lr in self.lrs for decay in self.weight_decays]
        configs = [Config(lr, decay, self.seed + s) for lr, decay in pairs for s in range(self.n_seeds)]
        network = Network([X.shape[1], *self.hidden, n_outputs], configs, self.dropout)
        found = train(
            network, configs, (Z[rows], y[rows]), (Z[held], y[held]), loss,
            epochs=self.epochs, patience=self.patience, batch_size=self.batch_size, seed=self.seed,
        )  # fmt: skip
        losses = found.losses.reshape(len(pairs), self.n_seeds).mean(1)
        best = int(torch.nan_to_num(losses, nan=torch.inf).argmin())
        own = slice(best * self.n_seeds, (best + 1) * self.n_seeds)
        self.layers_ = [layer[own, :-1].numpy().copy() for layer in found.layers]
        self.layers_ += [layer[own, -1:].numpy().copy() for layer in found.layers]
        self.chosen_ = {
            "lr": pairs[best][0],
            "weight_decay": pairs[best][1],
            "epochs": found.epochs[own].tolist(),
            "validation_loss": float(losses[best]),
            "n_validation": len(held),
        }

    def _validation(self, strata: NDArray[Any], groups: Any) -> tuple[Tensor, Tensor]:
        """A tenth of the rows, whole groups; where that is impossible, the training rows themselves."""
        stratify = strata.dtype.kind in "iu"
        try:
            rows, held = inner_folds(strata, groups, 10, self.seed, stratify)[0]
        except UserError:
            rows = held = np.arange(len(strata))
        return torch.from_numpy(np.asarray(rows)), torch.from_numpy(np.asarray(held))

    def _outputs(self, X: ArrayLike) -> Tensor:
        """Outputs of each kept seed, shape (n_seeds, n, O)."""
        check_is_fitted(self, "layers_")
        table = validate_data(self, X, dtype=[np.float32, np.float64], reset=False)
        hidden = torch.from_numpy(((table - self.mean_) * self.inverse_scale_).astype(np.float32))[None]
        depth = len(self.layers_) // 2
        hidden = hidden.expand(len(self.layers_[0]), -1, -1)
        for i in range(depth):
            W, b = (torch.from_numpy(array) for array in (self.layers_[i], self.layers_[depth + i]))
            hidden = torch.baddbmm(b, hidden, W)
            hidden = torch.relu(hidden) if i < depth - 1 else hidden
        return hidden

    def _state(self) -> State:
        tensors = {f"layer.{i}": array for i, array in enumerate(self.layers_)}
        params = {"chosen": self.chosen_, "n_features_in": int(self.n_features_in_)}
        return params, {**tensors, "mean": self.mean_, "inverse_scale": self.inverse_scale_}

    @classmethod
    def _restored(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        head = cls()
        head.chosen_, head.n_features_in_ = params["chosen"], params["n_features_in"]
        head.mean_, head.inverse_scale_ = tensors["mean"], tensors["inverse_scale"]
        head.layers_ = [tensors[f"layer.{i}"] for i in range(len(tensors) - 2)]
        return head


class MLPClassifier(ClassifierMixin, _MLP):  # type: ignore[misc]
    """A small network on logits and cross-entropy, its rate and decay chosen on a tenth of the training rows.

    Parameters
    ----------
    hidden : sequence of int, default=(256,)
    lrs : sequence of float, default=(3e-4, 1e-3)
    weight_decays : sequence of float, default=(0.01, 0.1)
    dropout : float, default=0.3
    epochs : int, default=100
    patience : int or None, default=10
    batch_size : int, default=128
    n_seeds : int, default=1
        Networks averaged.
    seed : int, default=0
    class_weight : None, "balanced" or mapping of label to weight, default=None
        How much rows count in the loss; probabilities are then those of the weighted rows.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (256,),
        lrs: Sequence[float] = (3e-4, 1e-3),
        weight_decays: Sequence[float] = (0.01, 0.1),
        dropout: float = 0.3,
        epochs: int = 100,
        patience: int | None = 10,
        batch_size: int = 128,
        n_seeds: int = 1,
        seed: int = 0,
        class_weight: str | Mapping[Any, float] | None = None,
    ) -> None:
        self.class_weight = class_weight
        self.hidden = hidden
        self.lrs = lrs
        self.weight_decays = weight_decays
        self.dropout = dropout
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.n_seeds = n_seeds
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, groups: Any = None) -> Self:
        """Train the sweep and keep the best configuration.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
        y : array of shape (n_samples,)
        groups : sequence of length n_samples, optional
            Rows that are never split between training and validation.
        """
        table, labels = validate_data(self, X, y, dtype=[np.float32, np.float64])
        self.classes_, codes = class_codes(labels)
        weights = class_weights(self.class_weight, self.classes_, codes)
        loss = CrossEntropy(torch.from_numpy(weights.astype(np.float32)))
        self._sweep(table, torch.from_numpy(codes), codes, groups, loss, len(self.classes_))
        return self

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """Class probabilities, shape (n_samples, n_classes): the mean over seeds."""
        p: NDArray[np.float64] = torch.softmax(self._outputs(X).double(), -1).mean(0).numpy()
        return p

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable label of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(1)])

    def get_state(self) -> State:
        """What is needed to predict, as plain values and arrays."""
        params, tensors = self._state()
        return {**params, "classes": labels_to_json(self.classes_)}, tensors

    @classmethod
    def from_state(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        """Restore a fitted head from :meth:`get_state`."""
        head = cls._restored(params, tensors)
        head.classes_ = labels_from_json(params["classes"])
        return head


class MLPRegressor(RegressorMixin, _MLP):  # type: ignore[misc]
    """The regression paper's head: two hidden layers of 256, AdamW, a sweep of 5 rates by 3 decays, z-scored targets.

    Parameters
    ----------
    hidden : sequence of int, default=(256, 256)
    lrs : sequence of float, default=(1e-4, 5e-4, 1e-3, 5e-3, 1e-2)
    weight_decays : sequence of float, default=(0.0, 0.1, 1.0)
    dropout : float, default=0.0
    epochs : int, default=300
    patience : int or None, default=30
    batch_size : int, default=128
    n_seeds : int, default=1
        Networks averaged.
    seed : int, default=0

    References
    ----------
    Tang, Yang and Song, 2024, arXiv 2411.14708, setup of the experiments. Batch size and patience are not published.
    """

    def __init__(
        self,
        hidden: Sequence[int] = (256, 256),
        lrs: Sequence[float] = (1e-4, 5e-4, 1e-3, 5e-3, 1e-2),
        weight_decays: Sequence[float] = (0.0, 0.1, 1.0),
        dropout: float = 0.0,
        epochs: int = 300,
        patience: int | None = 30,
        batch_size: int = 128,
        n_seeds: int = 1,
        seed: int = 0,
    ) -> None:
        self.hidden = hidden
        self.lrs = lrs
        self.weight_decays = weight_decays
        self.dropout = dropout
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.n_seeds = n_seeds
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike, groups: Any = None) -> Self:
        """Train the sweep and keep the best configuration.

        Parameters
        ----------
        X : array of shape (n_samples, n_features)
        y : array of shape (n_samples,)
        groups : sequence of length n_samples, optional
            Rows that are never split between training and validation.
        """
        table, targets = validate_data(self, X, y, dtype=[np.float32, np.float64], y_numeric=True)
        targets = np.asarray(targets, dtype=np.float64)
        self.y_mean_ = float(targets.mean())
        self.y_scale_ = float(targets.std()) or 1.0
        scaled = ((targets - self.y_mean_) / self.y_scale_).astype(np.float32)
        self._sweep(table, torch.from_numpy(scaled), targets, groups, SquaredError(), 1)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predicted targets, shape (n_samples,): the mean over seeds."""
        found: NDArray[np.float64] = self._outputs(X).double().mean(0)[:, 0].numpy()
        return found * self.y_scale_ + self.y_mean_

    def get_state(self) -> State:
        """What is needed to predict, as plain values and arrays."""
        params, tensors = self._state()
        return {**params, "y_mean": self.y_mean_, "y_scale": self.y_scale_}, tensors

    @classmethod
    def from_state(cls, params: dict[str, Any], tensors: dict[str, NDArray[Any]]) -> Self:
        """Restore a fitted head from :meth:`get_state`."""
        head = cls._restored(params, tensors)
        head.y_mean_, head.y_scale_ = params["y_mean"], params["y_scale"]
        return head

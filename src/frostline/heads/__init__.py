"""Heads: what is trained on embeddings to predict, where scikit-learn has nothing as exact, as fast or as safe to save."""

from frostline.heads.choice import fit_head, make_head, oof_predict, reads_layers
from frostline.heads.cooccurrence import CooccurrenceClassifier
from frostline.heads.linear import LinearClassifier, LinearRegressor
from frostline.heads.mlp import MLPClassifier, MLPRegressor

__all__ = [
    "CooccurrenceClassifier",
    "LinearClassifier",
    "LinearRegressor",
    "MLPClassifier",
    "MLPRegressor",
    "fit_head",
    "make_head",
    "oof_predict",
    "reads_layers",
]

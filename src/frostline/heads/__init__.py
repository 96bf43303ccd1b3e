"""Heads: what is trained on embeddings to predict, where scikit-learn has nothing as exact, as fast or as safe to save."""

from frostline.heads._folds import tuning_folds
from frostline.heads._state import labels_from_json, labels_to_json
from frostline.heads._weights import class_weights
from frostline.heads.blend import LabelPool, LogPool, SumPool
from frostline.heads.choice import fit_head, held_out, make_head, n_parameters, over_folds, reads_layers, settled
from frostline.heads.columns import ColumnsRegressor
from frostline.heads.cooccurrence import CooccurrenceClassifier
from frostline.heads.kernel import KernelRegressor
from frostline.heads.linear import LinearClassifier, LinearRegressor
from frostline.heads.mlp import MLPClassifier, MLPRegressor
from frostline.heads.multilabel import LinearMultilabel, TfidfMultilabel
from frostline.heads.tfidf import TfidfClassifier, TfidfRegressor
from frostline.heads.unit import UnitClassifier

__all__ = [
    "ColumnsRegressor",
    "CooccurrenceClassifier",
    "KernelRegressor",
    "LabelPool",
    "LinearClassifier",
    "LinearMultilabel",
    "LinearRegressor",
    "LogPool",
    "MLPClassifier",
    "MLPRegressor",
    "SumPool",
    "TfidfClassifier",
    "TfidfMultilabel",
    "TfidfRegressor",
    "UnitClassifier",
    "class_weights",
    "fit_head",
    "held_out",
    "labels_from_json",
    "labels_to_json",
    "make_head",
    "n_parameters",
    "over_folds",
    "reads_layers",
    "settled",
    "tuning_folds",
]

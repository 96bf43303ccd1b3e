"""scikit-learn estimators over frozen language models."""

from frostline.estimators.classifier import TextClassifier
from frostline.estimators.regressor import TextRegressor
from frostline.estimators.saving import load

__all__ = ["TextClassifier", "TextRegressor", "load"]

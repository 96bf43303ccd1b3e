"""The regression study: whether embeddings of strings predict numbers as well as columns do."""

from frostline.studies.regression.options import RegressionOptions
from frostline.studies.regression.study import study_regression

__all__ = ["RegressionOptions", "study_regression"]

"""What a simpler method scores on the same rows: the prior, words and a linear model, raw columns and boosted trees."""

from frostline.baselines.raw_columns import RawColumns
from frostline.baselines.scores import SMALL_TABLE, boosting, run_baselines
from frostline.baselines.sets import run_set_baselines
from frostline.baselines.text import fit_text, text_pipeline
from frostline.baselines.trees import TreesRegressor

__all__ = [
    "SMALL_TABLE",
    "RawColumns",
    "TreesRegressor",
    "boosting",
    "fit_text",
    "run_baselines",
    "run_set_baselines",
    "text_pipeline",
]

"""Frostline: frozen language models in both directions between language and vectors.

>>> import frostline
>>> clf = frostline.TextClassifier(layers="all", pooling="mean")

Importing loads no model framework, reads nothing and writes nothing; each name below is loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from frostline._version import __version__ as __version__

_HOME = {
    "AdaptJob": "frostline.engines",
    "AdaptOptions": "frostline.elm",
    "Decoding": "frostline.elm",
    "ArtifactError": "frostline.errors",
    "CAV": "frostline.concepts",
    "Decision": "frostline.decisions",
    "ELM": "frostline.elm",
    "ElmStudyOptions": "frostline.studies.elm",
    "EmbedOptions": "frostline.engines",
    "FitOptions": "frostline.engines",
    "FrostlineError": "frostline.errors",
    "InputOptions": "frostline.engines",
    "LlmembedOptions": "frostline.studies.llmembed",
    "MissingExtraError": "frostline.errors",
    "RegressionOptions": "frostline.studies.regression",
    "Selection": "frostline.engines",
    "Store": "frostline.store",
    "StoreError": "frostline.errors",
    "TextClassifier": "frostline.estimators",
    "TextEmbedder": "frostline.embedder",
    "TextRegressor": "frostline.estimators",
    "UserError": "frostline.errors",
    "diagnose": "frostline.diagnostics",
    "diagnose_artifact": "frostline.engines",
    "diagnose_table": "frostline.engines",
    "adapt_table": "frostline.engines",
    "behavioral_space": "frostline.spaces",
    "behavioral_table": "frostline.engines",
    "concept_texts": "frostline.engines",
    "doctor": "frostline.engines",
    "embed_table": "frostline.engines",
    "evaluate_table": "frostline.engines",
    "explain_table": "frostline.engines",
    "fit_table": "frostline.engines",
    "forecast_adapt": "frostline.engines",
    "forecast_embed": "frostline.engines",
    "forecast_fit": "frostline.engines",
    "forecast_predict": "frostline.engines",
    "graph_space": "frostline.spaces",
    "graph_table": "frostline.engines",
    "load": "frostline.engines",
    "metrics": "frostline.numerics",
    "predict_table": "frostline.engines",
    "study_elm": "frostline.studies.elm",
    "study_llmembed": "frostline.studies.llmembed",
    "study_regression": "frostline.studies.regression",
    "suggest_table": "frostline.engines",
    "sweep": "frostline.engines",
    "update_table": "frostline.engines",
}

__all__ = sorted([*_HOME, "__version__"], key=str.casefold)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'frostline' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)


if TYPE_CHECKING:
    from frostline.concepts import CAV as CAV
    from frostline.decisions import Decision as Decision
    from frostline.diagnostics import diagnose as diagnose
    from frostline.elm import ELM as ELM
    from frostline.elm import AdaptOptions as AdaptOptions
    from frostline.elm import Decoding as Decoding
    from frostline.embedder import TextEmbedder as TextEmbedder
    from frostline.engines import AdaptJob as AdaptJob
    from frostline.engines import EmbedOptions as EmbedOptions
    from frostline.engines import FitOptions as FitOptions
    from frostline.engines import InputOptions as InputOptions
    from frostline.engines import Selection as Selection
    from frostline.engines import adapt_table as adapt_table
    from frostline.engines import behavioral_table as behavioral_table
    from frostline.engines import concept_texts as concept_texts
    from frostline.engines import diagnose_artifact as diagnose_artifact
    from frostline.engines import diagnose_table as diagnose_table
    from frostline.engines import doctor as doctor
    from frostline.engines import embed_table as embed_table
    from frostline.engines import evaluate_table as evaluate_table
    from frostline.engines import explain_table as explain_table
    from frostline.engines import fit_table as fit_table
    from frostline.engines import forecast_adapt as forecast_adapt
    from frostline.engines import forecast_embed as forecast_embed
    from frostline.engines import forecast_fit as forecast_fit
    from frostline.engines import forecast_predict as forecast_predict
    from frostline.engines import graph_table as graph_table
    from frostline.engines import load as load
    from frostline.engines import predict_table as predict_table
    from frostline.engines import suggest_table as suggest_table
    from frostline.engines import sweep as sweep
    from frostline.engines import update_table as update_table
    from frostline.errors import ArtifactError as ArtifactError
    from frostline.errors import FrostlineError as FrostlineError
    from frostline.errors import MissingExtraError as MissingExtraError
    from frostline.errors import StoreError as StoreError
    from frostline.errors import UserError as UserError
    from frostline.estimators import TextClassifier as TextClassifier
    from frostline.estimators import TextRegressor as TextRegressor
    from frostline.numerics import metrics as metrics
    from frostline.spaces import behavioral_space as behavioral_space
    from frostline.spaces import graph_space as graph_space
    from frostline.store import Store as Store
    from frostline.studies.elm import ElmStudyOptions as ElmStudyOptions
    from frostline.studies.elm import study_elm as study_elm
    from frostline.studies.llmembed import LlmembedOptions as LlmembedOptions
    from frostline.studies.llmembed import study_llmembed as study_llmembed
    from frostline.studies.regression import RegressionOptions as RegressionOptions
    from frostline.studies.regression import study_regression as study_regression

"""Engines run jobs on whole tables; this one runs them on this machine."""

from frostline.engines.apply import evaluate_table, forecast_predict, predict_table
from frostline.engines.compare import sweep
from frostline.engines.diagnosis import diagnose_artifact, diagnose_table
from frostline.engines.embed import embed_table, forecast_embed
from frostline.engines.explain import AdaptJob, Selection, adapt_table, explain_table, forecast_adapt
from frostline.engines.fit import FitResult, fit_table, forecast_fit
from frostline.engines.health import doctor
from frostline.engines.loading import load
from frostline.engines.more import UpdateResult, concept_texts, suggest_table, update_table
from frostline.engines.options import EmbedOptions, FitOptions, InputOptions
from frostline.engines.space import behavioral_table, graph_table

__all__ = [
    "AdaptJob",
    "EmbedOptions",
    "FitOptions",
    "FitResult",
    "InputOptions",
    "Selection",
    "UpdateResult",
    "adapt_table",
    "behavioral_table",
    "concept_texts",
    "diagnose_artifact",
    "diagnose_table",
    "doctor",
    "embed_table",
    "evaluate_table",
    "explain_table",
    "fit_table",
    "forecast_adapt",
    "forecast_embed",
    "forecast_fit",
    "forecast_predict",
    "graph_table",
    "load",
    "predict_table",
    "suggest_table",
    "sweep",
    "update_table",
]

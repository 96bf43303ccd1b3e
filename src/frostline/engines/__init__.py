"""Engines run jobs on whole tables; this one runs them on this machine."""

from frostline.engines.apply import evaluate_table, forecast_predict, predict_table
from frostline.engines.compare import sweep
from frostline.engines.diagnosis import diagnose_artifact, diagnose_table
from frostline.engines.embed import embed_table, forecast_embed
from frostline.engines.fit import FitResult, fit_table, forecast_fit
from frostline.engines.health import doctor
from frostline.engines.options import EmbedOptions, FitOptions, InputOptions

__all__ = [
    "EmbedOptions",
    "FitOptions",
    "FitResult",
    "InputOptions",
    "diagnose_artifact",
    "diagnose_table",
    "doctor",
    "embed_table",
    "evaluate_table",
    "fit_table",
    "forecast_embed",
    "forecast_fit",
    "forecast_predict",
    "predict_table",
    "sweep",
]

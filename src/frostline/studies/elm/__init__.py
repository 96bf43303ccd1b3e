"""The ELM study: what decides whether a language model can say what a vector means."""

from frostline.studies.elm.options import ElmStudyOptions
from frostline.studies.elm.study import study_elm

__all__ = ["ElmStudyOptions", "study_elm"]

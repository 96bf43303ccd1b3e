"""ELM: a language model that explains any vector in words, and scores of how far the words hold."""

from frostline.elm.adapter import AdapterConfig
from frostline.elm.decoding import Decoding
from frostline.elm.elm import ELM
from frostline.elm.explanation import Explanation
from frostline.elm.moves import interpolate, traverse
from frostline.elm.stages import AdaptOptions
from frostline.elm.tasks import load_pack
from frostline.elm.teacher import TeacherModel

__all__ = [
    "ELM",
    "AdaptOptions",
    "AdapterConfig",
    "Decoding",
    "Explanation",
    "TeacherModel",
    "interpolate",
    "load_pack",
    "traverse",
]

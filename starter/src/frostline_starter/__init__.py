"""The weights of Frostline's starter language model; what they are and how they were made is in `model/README.md`.

>>> from transformers import AutoModelForCausalLM, AutoTokenizer
>>> from frostline_starter import get_model_path
>>> model = AutoModelForCausalLM.from_pretrained(get_model_path())
>>> tokenizer = AutoTokenizer.from_pretrained(get_model_path())
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["get_model_path"]


def get_model_path() -> Path:
    """Return the folder of the model: configuration, weights and tokenizer as transformers reads them."""
    return Path(__file__).parent / "model"

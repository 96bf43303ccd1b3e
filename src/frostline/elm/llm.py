"""The language model that writes: found, checked and loaded. It is composed, never subclassed, and its vocabulary never resized."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from frostline.backbones.build import BALANCED, explained, usable_device
from frostline.backbones.identity import folder_identity
from frostline.backbones.locate import locate
from frostline.errors import UserError, nearest

__all__ = ["STARTER", "Llm", "llm_identity", "load_llm"]

STARTER = "starter"

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

_PER_LAYER = ("hidden_size_per_layer_input", "vocab_size_per_layer_input")
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length")


@dataclass
class Llm:
    """A causal language model and its tokenizer.

    Attributes
    ----------
    name : str
        As it was asked for.
    model : PreTrainedModel
        In evaluation mode, without gradients.
    tokenizer
    identity : dict
        Digests of weights, configuration and tokenizer.
    width : int
        Of an embedded token.
    window : int or None
        Longest sequence that it can read.
    norm : float
        Length of a typical embedded token.
    ends : tuple of int
        Token ids beside the tokenizer's own that end an answer.
    """

    name: str
    model: Any
    tokenizer: Any
    identity: dict[str, str]
    width: int
    window: int | None
    norm: float
    ends: tuple[int, ...] = ()

    @property
    def chat(self) -> bool:
        """Whether the tokenizer knows how a conversation is written."""
        return bool(getattr(self.tokenizer, "chat_template", None))


def load_llm(name: str, *, dtype: str = "float32", device: str = "auto") -> Llm:
    """Find, check and load a language model.

    Parameters
    ----------
    name : str
        ``"starter"``, a local folder, or a hub name ``org/name``.
    dtype : {"float32", "bfloat16"}
        Of its weights.
    device : str

    Raises
    ------
    UserError
        An unknown name, a model that cannot be composed with soft tokens, or a device that cannot be used here.
    """
    device = _one_device(device)
    if dtype not in DTYPES:
        raise UserError(
            f"Unknown precision {dtype!r}. Allowed: {', '.join(DTYPES)}.", hint=nearest(str(dtype), DTYPES) or None
        )
    folder = _checked_folder(name)
    with explained(name, folder):
        tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            str(folder), local_files_only=True, dtype=DTYPES[dtype], use_safetensors=True
        )
    if tokenizer.eos_token_id is None:
        raise UserError(
            f"The tokenizer of {name!r} has no end token, so an answer would never end.", hint="use another model"
        )
    return compose(name, model, tokenizer, folder_identity(folder), device)


def llm_identity(name: str) -> dict[str, str]:
    """Digests of a language model's weights, configuration and tokenizer; it is not loaded.

    Raises
    ------
    UserError
        An unknown name, or a model that cannot be composed with soft tokens.
    """
    return folder_identity(_checked_folder(name))


def _checked_folder(name: str) -> Path:
    folder = _folder(name)
    with explained(name, folder):
        config = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True)
    check_config(config, name)
    return folder


def _one_device(name: str) -> str:
    if name == BALANCED:
        raise UserError("An explainer's language model runs on one device, not balanced over several.", hint="auto")
    return usable_device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def compose(name: str, model: Any, tokenizer: Any, identity: dict[str, str], device: str) -> Llm:
    """Freeze a loaded model on a device and measure what an adapter must know of it."""
    model = model.to(device).eval().requires_grad_(False)
    text = model.config.get_text_config()
    window = next((int(getattr(text, key)) for key in _POSITIONS if getattr(text, key, None)), None)
    table = model.get_input_embeddings()
    width, norm = _typical(table)
    ends = model.generation_config.eos_token_id
    ends = () if ends is None else (ends,) if isinstance(ends, int) else tuple(ends)
    # What a checkpoint suggests for drawing (temperatures, penalties) would change answers behind the caller's back.
    model.generation_config = transformers.GenerationConfig()  # type: ignore[no-untyped-call]
    return Llm(name, model, tokenizer, identity, width, window, norm, ends)


def _typical(table: Any) -> tuple[int, float]:
    """Width and median length of embedded tokens, as the embedding module yields them (Gemma's scales them)."""
    n = int(table.weight.shape[0])
    ids = torch.arange(0, n, max(1, n // 4096), device=table.weight.device)
    with torch.inference_mode():
        vectors = table(ids).float()
    return int(vectors.shape[-1]), float(vectors.norm(dim=-1).median())


def check_config(config: Any, name: str) -> None:
    """Refuse models that soft tokens cannot be given to.

    Raises
    ------
    UserError
        It says why, and names the model.
    """
    text = config.get_text_config()
    kinds = [str(kind) for kind in (config.architectures or [])]
    hint = "use a decoder such as Llama, Qwen3, SmolLM2, Gemma 3, GPT-2 or GPT-NeoX"
    if config.is_encoder_decoder:
        raise UserError(
            f"{name!r} is an encoder-decoder ({config.model_type}); an explainer needs a decoder.", hint=hint
        )
    if any(getattr(text, key, None) for key in _PER_LAYER):
        raise UserError(
            f"{name!r} ({config.model_type}) looks token ids up again in every layer (per-layer embeddings), where a soft "
            "token has none.",
            hint=hint,
        )
    if kinds and not any(kind.endswith(("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")) for kind in kinds):
        raise UserError(
            f"{name!r} is a {', '.join(kinds)} ({config.model_type}), which does not write text.", hint=hint
        )


def _folder(name: str) -> Path:
    if name != STARTER:
        return locate(name, what="language model", known=(STARTER,), service=False).folder
    if importlib.util.find_spec("frostline_starter") is None:
        raise UserError(
            "The starter language model is not installed.",
            hint="pip install ./starter (in Frostline's repository), or name another model with --llm",
        )
    return Path(importlib.import_module("frostline_starter").get_model_path())

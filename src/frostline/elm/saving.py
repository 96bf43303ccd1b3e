"""Explainers to folders and back: adapters, what training changed in the language model, and what scores need."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from frostline._version import __version__
from frostline.artifacts import check_keys, read_folder, write_folder
from frostline.contracts import canonical_json
from frostline.elm.adapter import AdapterConfig
from frostline.elm.explaining import Explainer
from frostline.elm.facts import Names
from frostline.elm.llm import load_llm
from frostline.elm.model import ElmModel
from frostline.elm.page import elm_page
from frostline.elm.probes import Probe
from frostline.elm.prompts import PromptEncoder
from frostline.elm.reading import reader_state
from frostline.elm.reconstructor import Reconstructor
from frostline.elm.scores import EncoderReader, Reader
from frostline.elm.space import SpaceState
from frostline.elm.tasks import pack_from_json
from frostline.elm.tuning import add_lora, load_parameters, parameters_of
from frostline.elm.warm import read_adapter
from frostline.embedder import TextEmbedder
from frostline.errors import ArtifactError

if TYPE_CHECKING:
    from frostline.elm.elm import ELM

__all__ = ["KIND", "load_elm", "save_elm"]

KIND = "ELM"

_KEYS = {
    "format", "files", "kind", "frostline", "params", "llm", "tuned", "pack", "names", "spaces", "texts", "report",
}  # fmt: skip
_LLM_FILE, _TEXTS = "llm.safetensors", "texts.json"


def save_elm(elm: ELM, folder: str | Path, *, texts: bool = True) -> str:
    """Write an explainer; returns the digest of all that decides its answers.

    Parameters
    ----------
    elm : ELM
        Fitted.
    folder : path
    texts : bool, default=True
        Whether texts of rows are kept: those of training rows, and the examples of the report.
    """
    explainer, tensors, spaces = elm.explainer_, {}, []
    for i, (name, space) in enumerate(explainer.spaces.items()):
        said, arrays = _pack_space(space)
        spaces.append({"name": name, **said})
        adapter = explainer.model.adapter(name).state_dict()
        arrays |= {f"adapter.{key}": value.detach().cpu().numpy() for key, value in adapter.items()}
        tensors[f"space-{i}.safetensors"] = arrays
    if elm.tuned_:
        changed = parameters_of(explainer.model, "llm", elm.tuned_["tune"])
        tensors[_LLM_FILE] = {name: p.detach().float().cpu().numpy() for name, p in changed.items()}
    written = json.dumps(dict(explainer.texts), ensure_ascii=False, indent=0) + "\n"
    llm = explainer.model.llm
    report = elm.report_ if texts else {**elm.report_, "examples": {}}
    manifest = {
        "kind": KIND,
        "frostline": __version__,
        "params": {"n_soft_tokens": elm.n_soft_tokens, "adapter": vars(elm.config_), "seed": int(elm.seed)},
        "llm": {"name": llm.name, "identity": llm.identity, "dtype": str(llm.model.dtype).removeprefix("torch.")},
        "tuned": elm.tuned_,
        "pack": elm.pack_.to_json(),
        "names": {"common": sorted(elm.names_.common), "noun": elm.names_.noun},
        "spaces": spaces,
        "texts": hashlib.sha256(written.encode()).hexdigest() if texts else None,
        "report": report,
    }
    files = {
        "card.md": elm.card(),
        "report.html": elm_page(explainer, elm.pack_, report),
        "report.json": json.dumps(report, indent=2) + "\n",
    }
    write_folder(folder, manifest, tensors, {**files, **({_TEXTS: written} if texts else {})})
    return _digest(read_folder(folder)[0])


def load_elm(elm: ELM, folder: str | Path, *, device: str, **of_encoder: Any) -> None:
    """Fill an explainer from a folder.

    Parameters
    ----------
    elm : ELM
    folder : path
    device : str
    **of_encoder
        ``store``, ``progress`` and ``trust_remote_code`` of what reads texts back.

    Raises
    ------
    ArtifactError
        No explainer, not whole, edited, or of another language model.
    """
    manifest, tensors = read_folder(folder)
    where = f"{folder}/frostline.json"
    if manifest.get("kind") != KIND:
        raise ArtifactError(f"{where} holds a {manifest.get('kind')!r}, not an explainer.", hint="use frostline.load")
    check_keys(manifest, _KEYS, where)
    llm = load_llm(manifest["llm"]["name"], dtype=manifest["llm"].get("dtype", "float32"), device=device)
    if llm.identity != manifest["llm"]["identity"]:
        odd = [key for key, value in llm.identity.items() if value != manifest["llm"]["identity"].get(key)]
        raise ArtifactError(
            f"{folder} was adapted to another language model: the {' and '.join(odd)} of {llm.name!r} "
            f"{'has' if len(odd) == 1 else 'have'} changed.",
            hint="use the language model of that time, or adapt again",
        )
    config = AdapterConfig(**manifest["params"]["adapter"])
    groups = [tensors[f"space-{i}.safetensors"] for i in range(len(manifest["spaces"]))]
    names = [said["name"] for said in manifest["spaces"]]
    adapters = {
        n: read_adapter(config, _under(arrays, "adapter."), llm) for n, arrays in zip(names, groups, strict=True)
    }
    model = ElmModel(llm, adapters)
    _load_tuned(model, manifest["tuned"], tensors.get(_LLM_FILE, {}), elm.seed, str(folder))
    spaces = {
        said["name"]: _unpack_space(said, arrays, of_encoder)
        for said, arrays in zip(manifest["spaces"], groups, strict=True)
    }
    prompts = PromptEncoder(llm.tokenizer, config.n_soft_tokens, chat=llm.chat)
    texts = _read_texts(Path(folder).expanduser(), manifest["texts"])
    noun = manifest["names"]["noun"]
    elm.pack_, elm.tuned_, elm.report_ = pack_from_json(manifest["pack"]), manifest["tuned"], manifest["report"]
    elm.explainer_ = Explainer(model, prompts, spaces, texts, int(manifest["params"]["seed"]), noun, elm.pack_.opening)
    elm.names_ = Names(frozenset(manifest["names"]["common"]), noun)
    elm.config_, elm.digest = config, _digest(manifest)


def _digest(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(
        canonical_json({key: manifest[key] for key in ("files", "llm", "params", "pack")}).encode()
    ).hexdigest()


def _load_tuned(
    model: ElmModel, tuned: Mapping[str, Any] | None, arrays: Mapping[str, NDArray[Any]], seed: int, where: str
) -> None:
    if not tuned:
        return
    if tuned["tune"] == "lora":
        add_lora(model, tuned["rank"], seed)
    values = {name: torch.tensor(array) for name, array in arrays.items()}
    load_parameters(parameters_of(model, "llm", tuned["tune"]), values, where)


def _read_texts(folder: Path, digest: str | None) -> dict[str, str]:
    if digest is None:
        return {}
    try:
        blob = (folder / _TEXTS).read_bytes()
    except OSError as error:
        raise ArtifactError(f"{folder} is not whole: {_TEXTS} cannot be read.", hint="copy the folder again") from error
    if hashlib.sha256(blob).hexdigest() != digest:
        raise ArtifactError(f"{folder / _TEXTS} is cut off or was edited.", hint="copy the folder again")
    found: dict[str, str] = json.loads(blob)
    return found


def _pack_space(space: SpaceState) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    arrays: dict[str, NDArray[Any]] = {
        "mean": space.mean, "scale": space.scale, "kept": space.kept, "calibration": space.calibration,
    }  # fmt: skip
    for i, probe in enumerate(space.probes):
        arrays[f"probe.{i}"] = probe.weights
    reader, own = _pack_reader(space.reader)
    arrays |= {f"reader.{name}": array for name, array in own.items()}
    probes = [
        {"attribute": p.attribute, "values": p.values, "words": p.words, "scores": p.scores} for p in space.probes
    ]
    said = {
        "ids": space.ids,
        "n_train": space.n_train,
        "source": dict(space.source),
        "reader": reader,
        "probes": probes,
    }
    return said, arrays


def _unpack_space(
    said: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], of_encoder: Mapping[str, Any]
) -> SpaceState:
    check_keys(said, {"name", "ids", "n_train", "source", "reader", "probes"}, "a space")
    probes = [Probe(p["attribute"], p["values"], arrays[f"probe.{i}"], p["words"], p["scores"])
              for i, p in enumerate(said["probes"])]  # fmt: skip
    reader: Reader | None = None
    if said["reader"] is not None and said["reader"]["kind"] == "encoder":
        reader = EncoderReader(TextEmbedder(**said["reader"]["state"], **of_encoder))
    elif said["reader"] is not None:
        own = _under(arrays, "reader.")
        known = said["ids"][: said["n_train"]]
        reader = Reconstructor.from_state(said["reader"]["state"], own, known, store=of_encoder["store"])
    return SpaceState(
        said["name"], arrays["mean"], arrays["scale"], said["ids"], arrays["kept"], said["n_train"],
        arrays["calibration"], probes, reader, said["source"],
    )  # fmt: skip


def _pack_reader(reader: Reader | None) -> tuple[dict[str, Any] | None, dict[str, NDArray[Any]]]:
    if reader is None:
        return None, {}
    arrays = reader.get_state()[1] if isinstance(reader, Reconstructor) else {}
    return {"kind": reader.kind, "state": reader_state(reader)}, arrays


def _under(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): np.asarray(a) for name, a in arrays.items() if name.startswith(prefix)}

"""What decides a vector's value: digests of weights, configuration and tokenizer."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from frostline.errors import UserError

__all__ = ["file_sha256", "folder_identity"]

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "*.model")
# Keys of config.json that say where a model came from, not what it computes.
_PROVENANCE = ("_name_or_path", "transformers_version", "torch_dtype", "dtype", "architectures")


def file_sha256(path: Path) -> str:
    """The sha256 of a file, in 64 hexadecimal digits."""
    # Hub caches link each large file to a blob that is named by its sha256: no need to read gigabytes again.
    name = path.resolve().name
    if path.is_symlink() and len(name) == 64 and all(c in "0123456789abcdef" for c in name):
        return name
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(parts: list[tuple[str, str]]) -> str:
    return hashlib.sha256(json.dumps(sorted(parts)).encode()).hexdigest()


def folder_identity(folder: Path, *, weights: bool = True, code: bool = False) -> dict[str, str]:
    """Digest the parts of a model folder that decide its vectors.

    Parameters
    ----------
    folder : Path
        A model folder with safetensors weights.
    weights : bool
        Whether its weights are among those parts.
    code : bool
        Whether its Python files are.

    Returns
    -------
    dict
        ``config`` and ``tokenizer``; as asked ``weights`` (the file's sha256, or a digest over several) and ``code``.

    Raises
    ------
    UserError
        There are no safetensors weights: other formats can hold code.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    relevant = {key: value for key, value in config.items() if key not in _PROVENANCE}
    identity = {"weights": _weights(folder)} if weights else {}
    identity["config"] = hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()
    identity["tokenizer"] = _files(folder, _TOKENIZER_FILES)
    return identity | ({"code": _files(folder, ("*.py",))} if code else {})


def _weights(folder: Path) -> str:
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        found = ", ".join(sorted(p.name for p in folder.glob("*.bin"))) or "none"
        raise UserError(
            f"{folder} holds no *.safetensors weights (other weight files: {found}).",
            hint="convert the model with save_pretrained(folder, safe_serialization=True); pickled weights can run code",
        )
    return file_sha256(weights[0]) if len(weights) == 1 else _files(folder, ("*.safetensors",))


def _files(folder: Path, patterns: tuple[str, ...]) -> str:
    paths = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    return _digest([(path.name, file_sha256(path)) for path in paths])

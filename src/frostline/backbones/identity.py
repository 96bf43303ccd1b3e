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


def folder_identity(folder: Path) -> dict[str, str]:
    """Digest the parts of a model folder that decide its vectors.

    Parameters
    ----------
    folder : Path
        A model folder with safetensors weights.

    Returns
    -------
    dict
        ``weights`` (the file's sha256, or a digest over several), ``config`` and ``tokenizer``.

    Raises
    ------
    UserError
        There are no safetensors weights: other formats can hold code.
    """
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        found = ", ".join(sorted(p.name for p in folder.glob("*.bin"))) or "none"
        raise UserError(
            f"{folder} holds no *.safetensors weights (other weight files: {found}).",
            hint="convert the model with save_pretrained(folder, safe_serialization=True); pickled weights can run code",
        )
    sums = [(path.name, file_sha256(path)) for path in weights]
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    relevant = {key: value for key, value in config.items() if key not in _PROVENANCE}
    tokenizer = sorted({path for pattern in _TOKENIZER_FILES for path in folder.glob(pattern)})
    return {
        "weights": sums[0][1] if len(sums) == 1 else _digest(sums),
        "config": hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest(),
        "tokenizer": _digest([(path.name, file_sha256(path)) for path in tokenizer]),
    }

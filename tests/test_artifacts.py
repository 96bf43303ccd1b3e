from __future__ import annotations

import json

import numpy as np
import pytest

from frostline.artifacts import FORMAT, MANIFEST, check_keys, read_folder, write_folder
from frostline.errors import ArtifactError, UserError

TENSORS = {"head.safetensors": {"coef": np.arange(6, dtype=np.float32).reshape(2, 3)}}


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "deep" / "m", {"kind": "X", "seed": 0}, TENSORS, {"card.md": "# card"})


def test_round_trip(folder):
    manifest, tensors = read_folder(folder)
    assert manifest["kind"] == "X"
    assert manifest["format"] == FORMAT
    np.testing.assert_array_equal(tensors["head.safetensors"]["coef"], TENSORS["head.safetensors"]["coef"])
    assert sorted(p.name for p in folder.iterdir()) == ["card.md", MANIFEST, "head.safetensors"]
    assert [p.name for p in folder.parent.iterdir()] == ["m"]


def test_an_artifact_is_replaced_whole(folder):
    (folder / "left.over").write_text("x")
    write_folder(folder, {"kind": "Y"}, TENSORS, {})
    assert read_folder(folder)[0]["kind"] == "Y"
    assert not (folder / "left.over").exists()


def test_a_link_goes_on_naming_what_is_replaced(folder, tmp_path):
    (tmp_path / "current").symlink_to(folder)
    write_folder(tmp_path / "current", {"kind": "Y"}, TENSORS, {})
    assert (tmp_path / "current").is_symlink()
    assert read_folder(folder)[0]["kind"] == read_folder(tmp_path / "current")[0]["kind"] == "Y"


@pytest.mark.parametrize("place", [".", "..", "m/.."])
def test_the_folder_that_one_stands_in_is_not_replaced(folder, monkeypatch, place):
    monkeypatch.chdir(folder.parent)
    with pytest.raises(UserError, match="name the folder from outside"):
        write_folder(place, {}, {}, {})


def test_nothing_else_is_overwritten(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("x")
    with pytest.raises(UserError, match="not a Frostline artifact"):
        write_folder(tmp_path / "photos", {}, {}, {})
    with pytest.raises(UserError, match="is a file"):
        write_folder(tmp_path / "photos" / "a.jpg", {}, {}, {})


@pytest.mark.parametrize("name", ["head.safetensors", MANIFEST])
@pytest.mark.parametrize("keep", [0, 10, -1])
def test_cut_off(folder, name, keep):
    path = folder / name
    path.write_bytes(path.read_bytes()[:keep] if keep >= 0 else path.read_bytes()[:-3])
    with pytest.raises(ArtifactError, match="cut off|edited"):
        read_folder(folder)


def test_every_edited_byte_of_the_tensors_is_noticed(folder):
    path = folder / "head.safetensors"
    good = path.read_bytes()
    for position in range(0, len(good), 7):
        path.write_bytes(good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :])
        with pytest.raises(ArtifactError):
            read_folder(folder)


def test_edited_manifest(folder):
    path = folder / MANIFEST
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7'))
    with pytest.raises(ArtifactError, match="was edited"):
        read_folder(folder)


def test_newer_format(folder):
    path = folder / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": FORMAT + 1}))
    with pytest.raises(ArtifactError, match=f"reads up to {FORMAT}") as caught:
        read_folder(folder)
    assert "--upgrade" in str(caught.value)


def test_missing_pieces(folder, tmp_path):
    (folder / "head.safetensors").unlink()
    with pytest.raises(ArtifactError, match="not whole"):
        read_folder(folder)
    with pytest.raises(ArtifactError, match="does not exist"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match=f"no {MANIFEST}"):
        read_folder(tmp_path)


def test_unwritable_place(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="Cannot write"):
        write_folder(tmp_path / "file" / "m", {}, {}, {})


def test_keys_are_exact():
    check_keys({"a": 1}, {"a"}, "here")
    with pytest.raises(ArtifactError, match="unknown keys: b"):
        check_keys({"a": 1, "b": 2}, {"a"}, "here")
    with pytest.raises(ArtifactError, match="missing keys: b"):
        check_keys({"a": 1}, {"a", "b"}, "here")

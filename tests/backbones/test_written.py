"""What may stand in ``backbone=``: names as they are, settings behind two colons, mappings, lists."""

from __future__ import annotations

import pytest

from frostline.backbones.written import Written, is_several, read_backbones
from frostline.errors import UserError


@pytest.mark.parametrize(
    "name",
    [
        "minilm", "org/name", "/models/a=b", "./a:b", "C:\\models\\x", "api:M@http://[::1]:8000/v1?dimensions=3",
        "random:minilm#3", "vocabulary:org/name", "api:models::x", "a::b/c=d",
    ],
)  # fmt: skip
def test_names_are_taken_as_they_are(name):
    assert read_backbones(name) == [Written(name)]
    assert not is_several(name)


def test_settings_stand_behind_two_colons():
    (found,) = read_backbones("api:M@http://[::1]:8/v1::layers=4,5,final::pooling=recipe:query::max-length=128")
    assert found == Written("api:M@http://[::1]:8/v1", "4,5,final", "recipe:query", 128)
    assert is_several("minilm::layers=4")


def test_mappings_take_any_name_and_come_back():
    strange = {"backbone": "/a::layers=1/b", "layers": [1, "final"]}
    found = read_backbones([strange, "minilm"])
    assert found == [Written("/a::layers=1/b", [1, "final"]), Written("minilm")]
    assert [one.plain() for one in found] == [strange, {"backbone": "minilm"}]
    assert str(Written("minilm", [4, "final"], "mean", 9)) == "minilm::layers=4,final::pooling=mean::max_length=9"


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ([], "empty list"),
        (["minilm", "minilm::layers=4"], "'minilm' is named twice"),
        ("minilm::layer=4", "Did you mean 'layers'"),
        ("minilm::layers=4::layers=5", "something twice"),
        ({"layers": [1]}, "names no backbone"),
        ("::layers=4", "names no backbone"),
        ({"backbone": "minilm", "poling": "max"}, "Did you mean 'pooling'"),
        ("minilm::max_length=ten", "whole number of tokens, got 'ten'"),
        (7, "a name, a mapping, or a list"),
        ([["minilm"]], "a name, a mapping, or a list"),
    ],
)
def test_refused(backbone, message):
    with pytest.raises(UserError, match=message):
        read_backbones(backbone)

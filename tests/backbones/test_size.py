from __future__ import annotations

from fakes import tiny_bert
from frostline.backbones import block_sizes, resolve
from frostline.contracts import BackboneSpec


def test_sizes_are_those_of_the_loaded_model_and_of_the_table_alone(tmp_path):
    folder = tiny_bert(tmp_path / "bert")
    backbone = resolve(BackboneSpec(str(folder)))
    sizes = block_sizes(backbone)
    assert backbone._reference is None  # nothing was loaded for it
    model = backbone.reference.model
    assert len(sizes) == 3
    assert sizes[1] == sizes[2] == sum(p.numel() for p in model.encoder.layer[0].parameters())
    assert sum(sizes) == sum(p.numel() for p in model.parameters())
    assert block_sizes(resolve(BackboneSpec(f"vocabulary:{folder}"))) == [128 * 16]

"""The starter as it is shipped: small, whole, and better on films it never saw than a compressor of all of them."""

from __future__ import annotations

import csv
import gzip
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

import frostline
from frostline.elm.adapter import AdapterConfig
from frostline.elm.decoding import Decoding
from frostline.elm.llm import load_llm
from frostline.elm.model import ElmModel, Placed
from frostline.elm.prompts import Prompt, PromptEncoder
from frostline.elm.scores import cosines
from frostline.elm.warm import warm_adapter, warm_folder
from frostline_starter import get_model_path
from recipe.evaluate import bits_per_byte

FILMS = Path(__file__).parents[2] / "examples" / "data" / "films" / "films.csv"


@pytest.fixture(scope="module")
def starter():
    folder = get_model_path()
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(
        folder
    )


def test_the_weights_are_small_and_in_bfloat16() -> None:
    path = get_model_path() / "model.safetensors"
    assert path.stat().st_size <= 25_000_000
    with safe_open(path, "pt") as file:
        assert {file.get_slice(name).get_dtype() for name in list(file.keys())} == {"BF16"}


def test_the_model_is_what_the_card_says(starter) -> None:
    n = sum(p.numel() for p in starter[0].parameters())
    assert 6e6 <= n <= 12e6
    card = (get_model_path() / "README.md").read_text("utf-8")
    assert f"{n:,} parameters" in card
    assert len(re.findall(r"^\d+\. .{20}", card, re.MULTILINE)) == 20


def test_held_out_films_take_less_than_half_of_what_gzip_takes(starter) -> None:
    model, tokenizer = starter
    with FILMS.open(encoding="utf-8", newline="") as file:
        leads = [row["lead"] for row in csv.DictReader(file) if row["split"] == "test"]
    some = leads[::16]
    encoded = [[*ids, tokenizer.eos_token_id] for ids in tokenizer(some)["input_ids"]]
    own = bits_per_byte(model, encoded, sum(len(lead.encode()) + 1 for lead in some))
    joined = "".join(f"{lead}\n" for lead in leads).encode()
    assert own < 0.5 * 8 * len(gzip.compress(joined, 9)) / len(joined)


def test_batches_padded_on_the_left_write_what_single_prompts_write(starter) -> None:
    model, tokenizer = starter
    prompts = ["The Return of", "It is a 1950 American film noir directed by", "The film"]
    batch = tokenizer(prompts, return_tensors="pt", padding=True)
    together = model.generate(**batch, max_new_tokens=8, do_sample=False)[:, -8:]
    alone = [
        model.generate(**tokenizer(prompt, return_tensors="pt"), max_new_tokens=8, do_sample=False)[0, -8:]
        for prompt in prompts
    ]
    assert torch.equal(together, torch.stack(alone))


def films() -> list[dict[str, str]]:
    with FILMS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_adapter_says_more_of_a_held_out_film_than_of_another() -> None:
    llm = load_llm("starter", device="cpu")
    start = warm_adapter(llm, AdapterConfig(), warm_folder())
    assert start.said.startswith("warm")
    leads = [row["lead"] for row in films() if row["split"] == "test"][::20]
    embedder = frostline.TextEmbedder(store=None, progress=False)
    vectors = embedder.fit_transform(leads)
    prompt = PromptEncoder(llm.tokenizer, 4, chat=False).prompt(Prompt.parse("Describe the film {vector}.", ["v"]))
    model = ElmModel(llm, {"v": start.adapter})
    written = model.generate([Placed(prompt, (vector,)) for vector in vectors], Decoding(max_new_tokens=48))
    read = embedder.transform(written)
    own, other = cosines(read, vectors), cosines(np.roll(read, 1, axis=0), vectors)
    assert own.mean() > other.mean() + 3 * (own - other).std() / len(leads) ** 0.5


@pytest.mark.slow
def test_a_space_that_nobody_trained_for_is_described_without_a_step() -> None:
    train, held_out = (
        [row for row in films() if row["split"] == split][::step] for split, step in (("train", 40), ("valid", 12))
    )
    rows = [{key: row[key] for key in ("movieId", "lead")} for row in (*train, *held_out)]
    embedded = frostline.TextEmbedder(store=None, progress=False).fit_transform([row["lead"] for row in rows])
    vectors = embedded @ np.random.default_rng(0).normal(size=(384, 64)).astype(np.float32)  # another space
    elm = frostline.ELM("starter", device="cpu").fit(
        ([row["movieId"] for row in rows], vectors), rows, "generic", id="movieId", text="lead", encoder=None, store=None,
        held_out=[row["movieId"] for row in held_out], options=frostline.AdaptOptions(max_steps=0, max_target_tokens=40), progress=False,
    )  # fmt: skip
    assert elm.report_["start"].startswith(f"warm: from the starter's own adapter, through {len(train)} texts")
    assert elm.report_["start"].endswith(", as it is: no step was taken")
    assert elm.report_["log"]["n_steps"] == 0
    (scores,) = elm.report_["scores"].values()
    assert scores["top1"] > 5 / len(held_out) + scores["top1_shuffled"]
    assert scores["consistency"] > scores["shuffled"] + 0.1

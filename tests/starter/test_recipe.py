"""The starter's recipe: clean splits, training that resumes to the same bits, scores against closed forms."""

from __future__ import annotations

import json
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

import frostline
from frostline.elm.adapter import AdapterConfig
from frostline.elm.llm import load_llm
from frostline.elm.prompts import Prompt, PromptEncoder
from frostline.elm.warm import warm_adapter
from recipe import corpus, evaluate, export, pairs, peers, prove, tokenizer
from recipe.muon import Muon, orthogonalized
from recipe.pairs import Pairs
from recipe.train import Batches, Phase, Recipe, Run, Windows, rate_at, train

TINY = Recipe(
    width=32,
    layers=1,
    heads=2,
    inner=48,
    vocab=64,
    context=64,
    warmup=2,
    window=16,
    decay_window=32,
    phases=(Phase(0, (("leads", 3), ("books", 2))),),
)


def lead(i: int) -> str:
    return f"Film number {i} is a {1900 + i % 100} drama directed by person {i * 7} and starring nobody whom anyone knows by name."


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A corpus of 300 leads, two books and a review, and a MovieLens that knows some leads under other names."""
    folder = tmp_path_factory.mktemp("corpus")
    columns = ("doc_id", "title", "year", "text", "split")

    def write(name, rows):
        pq.write_table(pa.table({column: [row[i] for row in rows] for i, column in enumerate(columns)}), folder / name)

    write(
        "wikipedia-film-leads.parquet",
        [(f"d{i}", f"Film {i}", 1900 + i % 100, lead(i), "valid" if i % 50 == 7 else "train") for i in range(300)],
    )
    write(
        "classic-books-00.parquet",
        [("b0", "Book", 1850, "It was night. " * 50, "train"), ("b1", "Other", 1851, "It was day. " * 50, "valid")],
    )
    write("movie-reviews-v2.parquet", [("r0", None, None, "a film , and a bad one .", "train")])
    movies = folder / "movies"
    movies.mkdir()
    pq.write_table(
        pa.table({"movieId": [1, 2, 3], "title": ["Numéro 4 (2020)", "Film 5, The (1905)", "Unknown (1999)"]}),
        movies / "movies.parquet",
    )
    pq.write_table(pa.table({"movieId": [1], "text": [lead(4).upper()]}), movies / "movie_texts.parquet")
    run = folder / "run"
    corpus.build(folder, [movies], run)
    return run


def rows(run, name):
    return pq.read_table(run / f"{name}.parquet").to_pylist()


def test_each_text_trains_or_is_held_out_by_the_part_of_its_film(made) -> None:
    films = {film["text"]: film["part"] for film in rows(made, "films")}
    train = {row["text"] for row in rows(made, "corpus") if row["source"] == "leads"}
    held = {row["text"] for row in rows(made, "held_out") if row["source"] == "leads"}
    assert train == {text for text, part in films.items() if part == "train"}
    assert held == set(films) - train
    assert len(held) > 20
    assert {row["text"][:10] for row in rows(made, "corpus") if row["source"] == "books"} == {"It was nig"}


def test_rows_that_the_source_holds_out_never_train(made) -> None:
    parts = {film["id"]: film["part"] for film in rows(made, "films")}
    assert all(parts[f"d{i}"] != "train" for i in range(300) if i % 50 == 7)


def test_films_under_other_names_share_the_key_and_the_part(made) -> None:
    films = {film["id"]: film for film in rows(made, "films")}
    movies = {movie["movieId"]: movie for movie in rows(made, "movies")}
    for movie, film in ((1, "d4"), (2, "d5")):  # one by its text, one by its title and year
        assert (movies[movie]["key"], movies[movie]["part"]) == (films[film]["key"], films[film]["part"])
    assert movies[3]["key"] == "unknown|1999"


def test_the_proof_finds_nothing_and_would_find_a_copy(made, tmp_path, monkeypatch) -> None:
    found = prove.overlaps(made)
    assert (found["same_text"], found["same_plain_text"], found["same_title_and_year"]) == (0, 0, 0)
    for name in ("films", "held_out"):
        (tmp_path / f"{name}.parquet").write_bytes((made / f"{name}.parquet").read_bytes())
    held = pq.read_table(made / "held_out.parquet")
    copied = held.slice(0, 1).set_column(3, "text", pa.array([held["text"][0].as_py().upper()]))
    pq.write_table(pa.concat_tables([pq.read_table(made / "corpus.parquet"), copied]), tmp_path / "corpus.parquet")
    monkeypatch.setattr("sys.argv", ["prove", "--run", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        prove.main()
    assert stop.value.code == 1
    assert prove.overlaps(tmp_path)["same_plain_text"] == 1


@pytest.fixture(scope="module")
def words():
    texts = {
        "leads": [lead(i) for i in range(300)],
        "books": ["It was night. " * 50],
        "reviews": ["a film , and a bad one ."],
    }
    return tokenizer.train(texts, 1200)


@given(st.text(max_size=40))
def test_any_text_is_written_and_read_back(words, text) -> None:
    ids = words(text)["input_ids"]
    assert ids[0] == words.bos_token_id
    assert words.decode(ids[1:]) == text


def test_a_year_is_one_token_and_marks_part_the_texts(words) -> None:
    assert len(words.tokenize(" 1950")) == 1
    assert tokenizer.encode(words, ["a", "b"]).tolist() == [
        0,
        *words("a")["input_ids"][1:],
        1,
        0,
        *words("b")["input_ids"][1:],
        1,
    ]


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "tokens").mkdir()
    for source in ("leads", "books"):
        np.save(tmp_path / "tokens" / f"{source}.npy", rng.integers(0, 8, 2000).astype(np.uint16))
    return tmp_path


def weights(run):
    return torch.cat([p.detach().flatten() for p in run.model.parameters()])


def steps(run, folder, n, workers=1):
    batches = Batches(folder / "tokens", run.recipe, run.recipe.window)
    with ThreadPoolExecutor(workers) as pool:
        return [run.advance(batches[run.step], pool)[0] for _ in range(n)]


@pytest.fixture
def paired(folder, words):
    """A run's folder with 40 pairs: what is written is told by the sign of the vector's first number."""
    words.save_pretrained(folder / "tokenizer")
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(40, 5))
    targets = [[10 + int(vector[0] > 0)] * 3 + [1] for vector in vectors]
    np.savez(
        folder / "pairs.npz", vectors=vectors.astype(np.float16), prompts=np.array(pairs.PROMPTS),
        kinds=np.arange(40) % 6, of=np.stack([np.arange(40), np.full(40, -1)], axis=1),
        starts=4 * np.arange(41), targets=np.concatenate(targets).astype(np.uint16),
    )  # fmt: skip
    return folder


WORDY = replace(TINY, vocab=1200, phases=(*TINY.phases, Phase(3, (("leads", 2), ("books", 1)), 100)))


def resumed(folder, stops, minutes=60):
    """Train 30 steps with pairs from the third on, in several attempts."""
    (folder / "stable.pt").unlink(missing_ok=True)
    (folder / "final.pt").unlink(missing_ok=True)
    run = Run.start(WORDY)
    run.decay = (0, 30)
    for _ in range(stops):
        with ThreadPoolExecutor(2) as pool:
            train(run, batches_of(folder), folder, 0, 10, pool)  # no time: one step, a checkpoint, over
        run = Run.load(folder / "final.pt")
    with ThreadPoolExecutor(1) as pool:
        train(run, batches_of(folder), folder, minutes, 10, pool)
    return run


def batches_of(folder):
    return Batches(folder / "tokens", WORDY, WORDY.window, Pairs.read(folder, WORDY.seed))


def test_pairs_join_at_their_step_and_a_stopped_run_ends_in_the_same_weights(paired) -> None:
    whole, parted = resumed(paired, 0), resumed(paired, 5)
    assert torch.equal(weights(whole), weights(parted))
    adapters = [torch.cat([p.flatten() for p in run.adapter.parameters()]) for run in (whole, parted)]
    assert torch.equal(*adapters)
    lines = [json.loads(line) for line in (paired / "log.jsonl").read_text().splitlines()]
    assert [line["pairs"] is None for line in lines[3:6]] == [True, True, True]  # the second run's first steps
    assert lines[0]["pairs"] > lines[2]["pairs"] + 0.5  # of the first: it learns the pairs


def test_plain_windows_go_on_where_they_were_when_pairs_join(paired) -> None:
    batches, plain = batches_of(paired), Batches(paired / "tokens", TINY, WORDY.window)
    assert torch.equal(batches[2].windows, plain[2].windows)
    assert torch.equal(batches[3].windows[:2], plain[3].windows[:2])
    assert torch.equal(batches[4].windows[0], plain[3].windows[2])  # two leads a step from here on, none left out
    assert batches[3].n_tokens == batches[3].windows.numel() + sum(b.ids.numel() for b in batches[3].pairs)


def test_an_epoch_of_pairs_has_each_once(paired) -> None:
    found = Pairs.read(paired, 0)
    n_batches = len(pairs.batches_of_epoch([item.length for item in found.items], 100, 0, 0))
    seen = [vector for i in range(n_batches) for vector in found._batch(i, 100, 0).places[pairs.SPACE][2].numpy()]
    assert len({vector.tobytes() for vector in seen}) == len(seen) == 40
    assert torch.equal(found.at(1, 200)[0].ids, found._batch(2, 100, 0).ids)
    assert not np.array_equal(found._epoch(0, 100, 0)[0], found._epoch(0, 100, 1)[0])  # each phase deals anew


@pytest.mark.slow
def test_pairs_are_texts_of_the_corpus_behind_their_vectors(made, words, monkeypatch) -> None:
    words.save_pretrained(made / "tokenizer")
    monkeypatch.setattr(pairs, "N_PAIRS", {"leads": 20, "books": 4, "reviews": 1})
    monkeypatch.setattr(pairs, "N_LONG", {"books": 3})
    n = pairs.build(made)
    found = Pairs.read(made, 0)
    assert n == len(found.items) > 20
    encoder = PromptEncoder(words, pairs.N_SOFT_TOKENS, chat=False)
    known = {encoder.prompt(Prompt.parse(prompt, [pairs.SPACE])).ids for prompt in pairs.PROMPTS}
    assert {item.prompt.ids for item in found.items} <= known
    trained = [row["text"] for row in rows(made, "corpus") if row["source"] == "leads"]
    own = frostline.TextEmbedder(store=None, progress=False).fit_transform(trained)
    lead = next(i for i in found.items if "drama" in words.decode(i.target))
    assert np.abs(own - lead.vectors[0]).max(axis=1).min() < 1e-3


def test_passages_are_whole_sentences_within_the_length_that_each_was_told() -> None:
    text = " ".join(f"Sentence number {i} of this text has nine words." for i in range(40))
    limits: list[int] = []
    found = pairs.passages(text, lambda: limits.append(100 + 50 * (len(limits) % 3)) or limits[-1])
    assert " ".join(found) == text
    assert len(found) == len(limits) - 1  # one is asked for before the first sentence
    assert all(len(passage) <= limit for passage, limit in zip(found, limits[1:], strict=True))
    assert all(len(passage) + 50 > limit for passage, limit in zip(found[:-1], limits[1:], strict=False))
    assert pairs.passages("A sentence which is longer than what is allowed here.", lambda: 10) == []


def test_windows_of_an_epoch_cover_the_tokens_once_and_epochs_differ() -> None:
    windows = Windows(np.arange(1000), 10, (0, 0))
    first, second = ([windows[epoch * windows.per_epoch + i] for i in range(windows.per_epoch)] for epoch in (0, 1))
    assert len(np.unique(np.concatenate(first))) == 10 * windows.per_epoch
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(windows[3], first[3])  # whatever was read before


def test_a_run_learns_and_resumes_to_the_same_weights(folder) -> None:
    whole = Run.start(TINY)
    losses = steps(whole, folder, 12)
    assert losses[0] == pytest.approx(np.log(64), abs=0.2)
    assert losses[-1] < losses[0] - 0.3
    half = Run.start(TINY)
    steps(half, folder, 5)
    half.save(folder / "stable.pt")
    again = Run.load(folder / "stable.pt")
    steps(again, folder, 7)
    assert torch.equal(weights(again), weights(whole))


def test_the_number_of_workers_does_not_change_the_weights(folder, monkeypatch) -> None:
    monkeypatch.setattr("recipe.train.PIECE_TOKENS", 16)
    one, three = Run.start(TINY), Run.start(TINY)
    steps(one, folder, 3, workers=1)
    steps(three, folder, 3, workers=3)
    assert torch.equal(weights(one), weights(three))


def test_pieces_make_the_gradient_of_the_batch(folder, monkeypatch) -> None:
    whole, parted = Run.start(TINY), Run.start(TINY)
    steps(whole, folder, 1)
    monkeypatch.setattr("recipe.train.PIECE_TOKENS", 16)
    steps(parted, folder, 1)
    for a, b in zip(whole.model.parameters(), parted.model.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6)


def test_a_decay_that_was_stopped_ends_as_one_that_was_not(folder) -> None:
    run = Run.start(TINY)
    steps(run, folder, 2)
    run.save(folder / "stable.pt")
    ends = []
    for stops in ([], [0]):
        (folder / "final.pt").unlink(missing_ok=True)
        for minutes in (*stops, 60):  # no time: one step, a checkpoint, over
            run = Run.load(folder / ("final.pt" if (folder / "final.pt").exists() else "stable.pt"))
            run.decay = run.decay or (run.step, 4)
            with ThreadPoolExecutor(1) as pool:
                train(run, Batches(folder / "tokens", TINY, TINY.decay_window), folder, minutes, 2, pool)
        ends.append(weights(run))
        assert run.step == 6
    assert torch.equal(*ends)


def test_the_rate_rises_stays_and_falls_to_zero() -> None:
    recipe = replace(TINY, warmup=4)
    assert [rate_at(step, recipe, None) for step in (0, 3, 900)] == [0.25, 1, 1]
    assert [rate_at(step, recipe, (10, 4)) for step in range(10, 14)] == [0.75, 0.5, 0.25, 0]
    assert [rate_at(step, recipe, (10, 4), began=10) for step in range(10, 14)] == [0.1875, 0.25, 0.1875, 0]


def test_muon_steps_are_nearly_orthogonal_and_as_long_as_asked() -> None:
    torch.manual_seed(0)
    matrices = torch.randn(3, 8, 20)
    singular = torch.linalg.svdvals(orthogonalized(matrices, 5))
    assert ((singular > 0.4) & (singular < 1.4)).all()
    tall = torch.nn.Parameter(torch.zeros(20, 5))
    tall.grad = torch.randn(20, 5)
    Muon([tall], lr=0.1, steps=12).step()
    u, _, vt = torch.linalg.svd(tall.grad, full_matrices=False)
    assert torch.nn.functional.cosine_similarity(-tall.flatten(), (u @ vt).flatten(), dim=0) > 0.9
    assert torch.linalg.svdvals(tall).mean().item() == pytest.approx(0.1 * 2, rel=0.35)


def uniform(context=16, vocab=32):
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocab,
            hidden_size=8,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=1,
            max_position_embeddings=context,
        )
    )
    torch.nn.init.zeros_(model.lm_head.weight)
    return model.eval()


def test_bits_per_byte_of_a_model_that_knows_nothing() -> None:
    sequences = [[0, 1, 2], list(range(32)) * 2, [5, 6]]  # the second is longer than the context
    n_predicted = 2 + 63 + 1
    assert evaluate.bits_per_byte(uniform(), sequences, 100, lost=3) == pytest.approx((5 * n_predicted + 24) / 100)


def test_nats_are_those_of_each_sequence_alone() -> None:
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=32, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    ).eval()
    sequences = [[3, 1, 4, 1, 5], [9, 2], [6, 5, 3, 5, 8, 9, 7]]
    together = evaluate.nats(model, sequences)
    assert together == pytest.approx([evaluate.nats(model, [ids])[0] for ids in sequences], rel=1e-5)


def test_repeated_runs_of_words_and_known_words_by_hand() -> None:
    texts = ["One two three four. Five six one two three four! Seven.", "a b c d a b c d"]
    assert evaluate.repeated_share(texts) == pytest.approx(2 / 4)
    assert evaluate.known_share(["The cat sat, unknown Cat's"], {"cat", "sat"}) == pytest.approx(2 / 3)


def test_an_exported_folder_gives_the_weights_back_in_bfloat16(folder, words) -> None:
    run = Run.start(TINY)
    run.save(folder / "final.pt")
    words.save_pretrained(folder / "tokenizer")
    size = export.export(folder, "final.pt", folder)
    loaded = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.bfloat16)
    assert loaded.lm_head.weight is loaded.model.embed_tokens.weight
    assert torch.equal(weights(run).bfloat16(), torch.cat([p.detach().flatten() for p in loaded.parameters()]))
    assert size < 2 * weights(run).numel() + 4096
    assert not (folder / "adapter").exists()


def test_the_exported_adapter_is_a_warm_start_for_the_exported_model(paired) -> None:
    run = resumed(paired, 0)
    export.export(paired, "final.pt", paired)
    llm = load_llm(str(paired / "model"), device="cpu")
    llm.name = "starter"
    start = warm_adapter(llm, AdapterConfig(), paired / "adapter")
    assert start.said.startswith("warm")
    vectors = torch.randn(3, 5)
    torch.testing.assert_close(start.adapter(vectors), run.adapter(vectors))


def test_training_goes_on_from_a_package_with_a_rate_that_rises_first(paired) -> None:
    run = resumed(paired, 0)
    export.export(paired, "final.pt", paired)
    (paired / "final.pt").unlink()
    again = Run.go_on(WORDY, paired)
    assert torch.equal(weights(again), weights(run).bfloat16().float())
    assert (again.step, again.began) == (3, 3)  # where the recipe's last phase begins
    again.decay = (3, 20)
    with ThreadPoolExecutor(1) as pool:
        train(again, batches_of(paired), paired, 0, 10, pool)  # one step
    loaded = Run.load(paired / "final.pt")
    assert (loaded.step, loaded.began, loaded.decay) == (4, 3, (3, 20))
    assert torch.equal(weights(loaded), weights(again))
    assert not torch.equal(weights(again), weights(run).bfloat16().float())


def test_llama2c_files_give_the_logits_of_the_model_that_was_written(tmp_path) -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=20, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=32, rms_norm_eps=1e-5, tie_word_embeddings=True,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()

    def neighbors(weight, heads):  # the other way round from what is tested
        return weight.view(heads, 2, -1, 16).transpose(1, 2).reshape(weight.shape)

    blocks = model.model.layers
    parts = [model.model.embed_tokens.weight]
    parts += [b.input_layernorm.weight for b in blocks]
    parts += [neighbors(b.self_attn.q_proj.weight, 4) for b in blocks] + [
        neighbors(b.self_attn.k_proj.weight, 2) for b in blocks
    ]
    parts += [b.self_attn.v_proj.weight for b in blocks] + [b.self_attn.o_proj.weight for b in blocks]
    parts += [b.post_attention_layernorm.weight for b in blocks] + [b.mlp.gate_proj.weight for b in blocks]
    parts += (
        [b.mlp.down_proj.weight for b in blocks] + [b.mlp.up_proj.weight for b in blocks] + [model.model.norm.weight]
    )
    numbers = np.concatenate([part.detach().numpy().ravel() for part in parts]).astype("<f4")
    (tmp_path / "m.bin").write_bytes(struct.pack("<7i", 16, 24, 2, 4, 2, 20, 32) + numbers.tobytes())
    tokens = torch.tensor([[1, 5, 9, 3, 7]])
    torch.testing.assert_close(
        peers.llama2c(tmp_path / "m.bin")(tokens).logits, model(tokens).logits, rtol=1e-4, atol=1e-5
    )


def test_pieces_merge_by_score_and_unknown_characters_become_bytes_or_are_lost() -> None:
    pieces = {b" ": (3, -1.0), b"a": (4, -1.0), b"b": (5, -1.0), b"ab": (6, -3.0), b" a": (7, -2.0)}
    assert peers.encode_pieces("ab", pieces) == ([7, 5], 0)
    assert peers.encode_pieces("b\u00e9", pieces) == ([3, 5, 0], 2)
    with_bytes = {**pieces, b"\0byte\xc3": (10, 0.0), b"\0byte\xa9": (11, 0.0)}
    assert peers.encode_pieces("b\u00e9", with_bytes) == ([3, 5, 10, 11], 0)

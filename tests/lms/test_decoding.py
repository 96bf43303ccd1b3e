"""Drawing a token, and decoding from embeddings in place of token ids."""

from __future__ import annotations

import numpy as np
import pytest

from fakes import tiny_writer
from frostline.lms import Sampling, load_local
from frostline.lms.decoding import decode, left_padded, pick
from frostline.lms.scoring import shared_prefix


def test_tokens_are_drawn_with_their_probabilities():
    p = np.array([0.5, 0.25, 0.2, 0.05])
    rng = np.random.default_rng(0)
    drawn = np.bincount([pick(np.log(p), Sampling(temperature=1.0), rng) for _ in range(4000)], minlength=4) / 4000
    assert drawn == pytest.approx(p, abs=4 * 0.5 / np.sqrt(4000))


def test_temperature_sharpens():
    rng = np.random.default_rng(0)
    logits = np.log([0.6, 0.4])
    cold = np.mean([pick(logits, Sampling(temperature=0.5), rng) for _ in range(4000)])
    assert cold == pytest.approx(0.16 / 0.52, abs=4 * 0.5 / np.sqrt(4000))


def test_the_nucleus_is_the_smallest_set_that_reaches_top_p():
    logits = np.log([0.05, 0.5, 0.2, 0.25])
    rng = np.random.default_rng(0)

    def kept(top_p):
        return {pick(logits, Sampling(temperature=1.0, top_p=top_p), rng) for _ in range(300)}

    assert kept(0.4) == kept(0.5) == {1}
    assert kept(0.51) == kept(0.75) == {1, 3}
    assert kept(1.0) == {0, 1, 2, 3}


def test_embeddings_in_place_of_ids_give_the_same_text(tmp_path):
    model = load_local(str(tiny_writer(tmp_path / "lm")))
    ids, mask = left_padded([model.encode("ab"), model.encode("a longer one")], 0)
    vectors = model.model.get_input_embeddings()(ids).detach()
    settings = {"sampling": Sampling(max_tokens=9), "ends": ()}
    assert decode(model.model, vectors, mask, **settings) == decode(model.model, ids, mask, **settings)


def test_rows_that_end_leave_the_batch_and_the_others_go_on(tmp_path):
    model = load_local(str(tiny_writer(tmp_path / "lm")))
    rows = [model.encode(text) for text in ("ab", "cd ef", "g")]
    free = [decode(model.model, *left_padded([row], 0), Sampling(max_tokens=10), ends=()) for row in rows]
    end = free[1][0][2]
    expected = [own[0][: own[0].index(end) + 1] if end in own[0] else own[0] for own in free]
    assert len({len(row) for row in expected}) > 1
    assert decode(model.model, *left_padded(rows, 0), Sampling(max_tokens=10), ends={end}) == expected


def test_a_shared_prefix_leaves_joined_tokens_to_the_options():
    assert shared_prefix([1, 2, 3], [[1, 2, 3, 4], [1, 2, 3, 5]]) == 3
    assert shared_prefix([1, 2, 3], [[1, 2, 34], [1, 2, 3, 5]]) == 2
    assert shared_prefix([1], []) == 1

"""Sets of a folder: which, in what languages, reduced with their classes, refused by name."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from frostline.errors import UserError
from frostline.studies.sets import read_sets


def test_the_papers_sets_and_with_domains_the_others_by_language(sets_folder):
    assert [data.name for data in read_sets(sets_folder)] == ["mr"]
    found = read_sets(sets_folder, domains=True)
    assert [data.name for data in found] == ["mr", "tweets/es", "tweets/fr"]
    assert [data.is_paper for data in found] == [True, False, False]
    assert len(found[1].train.texts) + len(found[2].train.texts) == 60
    assert [data.name for data in read_sets(sets_folder, ["tweets"])] == ["tweets/es", "tweets/fr"]


def test_labels_become_numbers_with_names(sets_folder):
    mr, tweets = read_sets(sets_folder, domains=True)[:2]
    assert mr.classes == ["negative", "positive"]
    assert tweets.classes == ["0", "1"]
    assert sorted(set(mr.train.labels.tolist())) == [0, 1]


def test_the_bundled_set_is_the_default():
    (data,) = read_sets(None)
    assert (data.name, data.n_given, data.classes) == ("mr", (7108, 3554), ["negative", "positive"])


def test_reduced_sets_keep_every_class(tmp_path):
    labels = ["a"] * 90 + ["b"] * 9 + ["c"]
    (tmp_path / "s").mkdir()
    for part in ("train", "test"):
        pq.write_table(
            pa.table({"text": [f"{part} {i}" for i in range(100)], "label": labels}), tmp_path / "s" / f"{part}.parquet"
        )
    (data,) = read_sets(tmp_path)
    small = data.reduced(20, 1000)
    assert len(small.train.texts) == 20
    assert set(small.train.labels.tolist()) == {0, 1, 2}
    assert len(small.test.texts) == 100
    assert small.n_given == (100, 100)
    assert small.digest != data.digest
    assert small.digest == data.reduced(20, 1000).digest


def test_overlap_is_counted_and_sources_are_chosen(tmp_path):
    folder = tmp_path / "ag_news"
    folder.mkdir()
    train = {
        "text": ["a", "b", "c", "d"],
        "label": [0, 1, 0, 1],
        "source": ["x", "x", *["lst11111/bert-text-classification"] * 2],
    }
    pq.write_table(pa.table(train), folder / "train_subset.parquet")
    pq.write_table(pa.table({"text": ["c", "e", "a"], "label": [0, 1, 0]}), folder / "test.parquet")
    (data,) = read_sets(tmp_path)
    assert data.train.texts == ["c", "d"]
    assert data.n_overlap == 1
    assert data.classes == ["World", "Sports"]
    assert np.array_equal(data.test.labels, [0, 1, 0])


def test_mistakes_are_named(sets_folder, tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_sets(tmp_path / "absent")
    with pytest.raises(UserError, match="holds no set"):
        read_sets(tmp_path)
    with pytest.raises(UserError, match="no set 'tweet' .* There are: mr, tweets") as caught:
        read_sets(sets_folder, ["tweet"])
    assert caught.value.hint == "Did you mean 'tweets'?"
    (tmp_path / "s").mkdir()
    for part, labels in (("train", [0, 1]), ("test", [0, 2])):
        pq.write_table(pa.table({"text": ["a", "b"], "label": labels}), tmp_path / "s" / f"{part}.parquet")
    with pytest.raises(UserError, match="the label 2, which no training row has"):
        read_sets(tmp_path)
    pq.write_table(pa.table({"text": ["a", "b"], "klass": [0, 1]}), tmp_path / "s" / "train.parquet")
    with pytest.raises(UserError, match="no column 'label'"):
        read_sets(tmp_path)

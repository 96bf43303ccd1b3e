from __future__ import annotations

import json

import pyarrow as pa

from frostline.tables import Opened


def test_objects_become_columns_of_paths():
    rows = [{"lr": 0.1, "model": {"sizes": [64, 32], "act": "relu"}}, {"lr": 1, "model": {"sizes": [8]}, "on": True}]
    for cells in (rows, [json.dumps(row) for row in rows]):
        opened = Opened.learn(pa.table({"config": pa.array(cells), "n": [1, 2]}))
        flat = opened(pa.table({"config": pa.array(cells), "n": [1, 2]}))
        found = flat.to_pydict()
        assert found["config.lr"] == [0.1, 1.0]
        assert found["config.model.sizes[]"] == [2.0, 1.0]
        assert found["config.model.sizes[1]"] == [32.0, None]
        assert found["config.model.act"] == ["relu", None]
        assert found["config.on"] == [None, 1.0]
        assert found["n"] == [1, 2]


def test_a_column_with_one_cell_that_is_no_object_stays_text():
    table = pa.table({"note": ['{"a": 1}', "{broken"]})
    assert Opened.learn(table).paths == {}
    assert Opened.learn(table)(table).equals(table)


def test_new_paths_are_not_used_and_known_ones_may_be_absent():
    opened = Opened.learn(pa.table({"c": ['{"a": 1, "b": "x"}', None]}))
    assert opened.paths == {"c": {"c.a": "number", "c.b": "text"}}
    found = opened(pa.table({"c": ['{"z": 3}', "no object", '{"a": "word", "b": 5}']})).to_pydict()
    assert found == {"c.a": [None, None, None], "c.b": [None, None, "5"]}


def test_only_the_most_frequent_paths_become_columns(monkeypatch):
    monkeypatch.setattr("frostline.tables.nested.MAX_PATHS", 1)
    cells = [json.dumps({"a": 1, "b": 2}), json.dumps({"b": 3})]
    assert Opened.learn(pa.table({"c": cells})).paths == {"c": {"c.b": "number"}}

"""Does a text about a vector find its own vector among 100? Explainers of a table, several seeds, on ids never learnt from.

    python benchmarks/elm_identify.py TABLE --id C --text C --tasks films [--split C] [--seeds 0 1 2] [--max-steps N]
    python benchmarks/elm_identify.py TABLE --id C --tasks films --vectors F --encoder none      # another space

Rows whose split column says `test`, or a tenth of all keys, are judged; the rest trains and selects. Beside the greedy text
stand the best of eight draws by cosine, another row's text, the nearest training row's own text, and the row's own. One JSON
line at the end.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import frostline
from frostline.elm.decoding import Decoding
from frostline.elm.evaluation import attribute_scores, evaluate_space, means
from frostline.elm.records import read_records
from frostline.elm.scores import identification
from frostline.keys import key_split
from frostline.tables import VectorTable, read_table, read_vectors

N_JUDGED = 300


def judge(elm: frostline.ELM, vectors: np.ndarray, texts: list[str], said: dict[str, Any]) -> dict:
    """Score what is written about vectors of ids that the explainer does not know."""
    (space,), explainer = elm.explainer_.spaces.values(), elm.explainer_
    assert space.reader is not None
    written = explainer.write(elm.prompt_of(), [(v,) for v in vectors], Decoding())
    best = [one.text for one in elm.explain_many(elm.prompt_of(), [[v] for v in vectors], n_candidates=8)]
    unknown = [None] * len(vectors)
    return {
        **means(evaluate_space(explainer, space, vectors, written, texts, elm.names_, ids=unknown, seed=0)),
        "top1_best_of_8": identification(space.reader.read(best), space.reader.center(vectors)),
        **attribute_scores(space, vectors, written, said),
        "examples": list(zip(texts[:3], written[:3], strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--id", required=True)
    parser.add_argument("--text", default=None)
    parser.add_argument("--tasks", default="generic")
    parser.add_argument("--split")
    parser.add_argument("--rows", type=int, help="as many at random")
    parser.add_argument("--vectors", type=Path)
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--max-steps", type=int, default=120)
    parser.add_argument("--stages", default="1")
    parser.add_argument("--lr", type=float)
    parser.add_argument("--cold", action="store_true")
    args = parser.parse_args()
    table = read_table(args.table)
    if args.rows:
        table = table.take(np.random.default_rng(0).permutation(table.num_rows)[: args.rows])
    ids = [str(value) for value in table.column(args.id).to_pylist()]
    parts = (
        table.column(args.split).to_pylist()
        if args.split
        else key_split(ids, {"train": 0.8, "valid": 0.1, "test": 0.1}, "identify")
    )
    table = table.append_column("_part", pa.array([str(part) for part in parts]))
    embedder = frostline.TextEmbedder()
    text = args.text or next(c for c in ("lead", "description", "text") if c in table.column_names)
    texts = [" ".join(str(value).split()) for value in table.column(text).to_pylist()]
    if args.vectors:
        known = read_vectors(args.vectors)
        place = {name: i for i, name in enumerate(known.ids)}
        kept = [i for i, name in enumerate(ids) if name in place]
        table, ids, texts, parts = (
            table.take(kept),
            [ids[i] for i in kept],
            [texts[i] for i in kept],
            [parts[i] for i in kept],
        )
        vectors = known.vectors[[place[name] for name in ids]]
    else:
        vectors = embedder.fit_transform(texts)
    encoder = None if args.encoder == "none" else embedder
    is_test = np.array([part == "test" for part in parts])
    judged = np.flatnonzero(is_test)
    judged = judged[np.random.default_rng(0).permutation(len(judged))[:N_JUDGED]]
    found = []
    for seed in args.seeds:
        began = time.perf_counter()
        options = frostline.AdaptOptions(max_steps=args.max_steps, max_target_tokens=96, stages=args.stages, lr=args.lr)
        own = VectorTable(ids, np.asarray(vectors), {})
        elm = frostline.ELM(seed=seed).fit(
            own, table, args.tasks, id=args.id, text=args.text, held_out="_part", encoder=encoder, options=options,
            cold=args.cold,
        )  # fmt: skip
        raw = read_records(table, args.id, elm.pack_, args.text)
        said = {name: [raw.attribute_values(name, ids[i]) for i in judged] for name in raw.pack.attributes}
        seconds = time.perf_counter() - began
        scores = judge(elm, vectors[judged], [texts[i] for i in judged], said)
        found.append({"seed": seed, "seconds": round(seconds), "loss": elm.report_["loss"], **scores})
        print(json.dumps(found[-1], indent=1, ensure_ascii=False), flush=True)
    means = {
        key: round(float(np.mean([one[key] for one in found])), 4)
        for key, value in found[0].items()
        if isinstance(value, float)
    }
    print(json.dumps({"table": args.table.name, "n": len(judged), "mean": means, "seeds": args.seeds}))


if __name__ == "__main__":
    main()

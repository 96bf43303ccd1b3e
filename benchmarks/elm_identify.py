"""Does a text about a vector find its own vector among 100? Explainers of a table, several seeds, on ids never learnt from.

    python benchmarks/elm_identify.py TABLE --id C --text C --tasks films [--split C] [--seeds 0 1 2] [--max-steps N]
    python benchmarks/elm_identify.py TABLE --id C --tasks films --vectors F --encoder none      # another space
    python benchmarks/elm_identify.py books.parquet --id isbn13 --text description --tasks books --rows 1800

Rows whose split column says `test`, or a tenth of all, are judged, 300 at most; the rest trains, and 200 at most select. Rows that
share a text, or a title and year, stay together. Beside the greedy text stand the one without guidance, the best of eight draws by
cosine, another row's text, the nearest training row's own text, and the row's own. One JSON line at the end.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

import frostline
from frostline.elm.decoding import Decoding
from frostline.elm.evaluation import attribute_scores, evaluate_space, means
from frostline.elm.scores import identification
from frostline.studies.elm.data import ElmData, read_data
from frostline.tables import VectorTable


def judge(elm: frostline.ELM, data: ElmData, n_draws: int) -> dict[str, Any]:
    """Score what is written about vectors of ids that the explainer does not know."""
    (space,), explainer, test = elm.explainer_.spaces.values(), elm.explainer_, data.parts["test"]
    assert space.reader is not None
    written, unguided = (
        explainer.write(elm.prompt_of(), [(v,) for v in test.vectors], decoding)
        for decoding in (Decoding(), Decoding(guidance=0))
    )
    asked = [[v] for v in test.vectors] if n_draws else []
    best = [one.text for one in elm.explain_many(elm.prompt_of(), asked, n_candidates=n_draws)] if n_draws else []
    texts = [data.texts[key] for key in test.ids]
    rows = evaluate_space(
        explainer, space, test.vectors, written, texts, elm.names_, ids=[None] * len(texts), seed=0,
        targets=data.targets(elm.names_, space.ids[: space.n_train]),
    )  # fmt: skip
    said = {name: [data.records.attribute_values(name, key) for key in test.ids] for name in data.pack.attributes}
    return {
        **means(rows),
        **(
            {f"top1_best_of_{n_draws}": identification(space.reader.read(best), space.reader.center(test.vectors))}
            if best
            else {}
        ),
        "top1_unguided": identification(space.reader.read(unguided), space.reader.center(test.vectors)),
        **attribute_scores(space, test.vectors, written, said),
        "examples": list(zip(texts[:3], written[:3], strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--id", required=True)
    parser.add_argument("--text", default=None)
    parser.add_argument("--tasks", default="generic")
    parser.add_argument("--split")
    parser.add_argument("--rows", type=int, help="as many at random")
    parser.add_argument("--vectors")
    parser.add_argument("--encoder", default="auto")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--max-steps", type=int, default=120)
    parser.add_argument("--draws", type=int, default=8, help="of which the best is taken beside; 0 = none")
    parser.add_argument("--stages", default="1")
    parser.add_argument("--lr", type=float)
    parser.add_argument("--llm", default="starter")
    parser.add_argument("--cold", action="store_true")
    args = parser.parse_args()
    data = read_data(
        frostline.ElmStudyOptions(
            args.table, args.id, args.text, args.tasks, args.split, args.vectors, args.encoder, args.rows
        )
    )
    train, valid = data.parts["train"], data.parts["valid"]
    ids = [*train.ids, *valid.ids]
    own = VectorTable(ids, np.concatenate([train.vectors, valid.vectors]), data.space)
    options = frostline.AdaptOptions(max_steps=args.max_steps, max_target_tokens=96, stages=args.stages, lr=args.lr)
    encoder = data.encoder if data.reader.kind == "encoder" else None
    found = []
    for seed in args.seeds:
        began = time.perf_counter()
        elm = frostline.ELM(args.llm, seed=seed).fit(
            own, data.rows_of(ids), data.pack, id=data.id, text=data.text, held_out=valid.ids, encoder=encoder,
            options=options, cold=args.cold,
        )  # fmt: skip
        report = {"seed": seed, "seconds": round(time.perf_counter() - began), "loss": elm.report_["loss"]}
        looks = [{key: look[key] for key in ("step", "loss", "score")} for look in elm.report_["log"]["evaluations"]]
        found.append({**report, "start": elm.report_["start"], "looks": looks, **judge(elm, data, args.draws)})
        print(json.dumps(found[-1], indent=1, ensure_ascii=False), flush=True)
    scores = [key for key, value in found[0].items() if isinstance(value, float)]
    mean = {key: round(float(np.mean([one[key] for one in found])), 4) for key in scores}
    sizes = {name: len(part.ids) for name, part in data.parts.items()}
    print(json.dumps({"table": data.name, "rows": sizes, "mean": mean, "seeds": args.seeds}))


if __name__ == "__main__":
    main()

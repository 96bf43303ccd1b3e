"""Write a checkpoint as a folder that transformers reads: bfloat16 weights, configuration, tokenizer; and its adapter.

    python -m recipe.export --run ../runs/starter --out src/frostline_starter [--checkpoint stable.pt]

Out come the folders `model` and, where the run has an adapter, `adapter`, which `frostline adapt` goes on from.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import AutoTokenizer, GenerationConfig

from frostline.elm.llm import load_llm
from frostline.elm.warm import MINILM, write_warm
from recipe.train import Run


def export(run: Path, checkpoint: str, out: Path) -> int:
    """Write the folders; return the size of the model's weights in bytes."""
    trained = Run.load(run / checkpoint)
    size = export_model(run, trained, out / "model")
    if trained.adapter is not None:
        llm = load_llm(str(out / "model"), device="cpu")
        card = {
            "steps": trained.step - (trained.recipe.pairs_from or 0),
            "recipe": "starter/recipe",
            "seed": trained.recipe.seed,
        }
        write_warm(out / "adapter", trained.adapter, llm, MINILM, card)
    return size


def export_model(run: Path, trained: Run, out: Path) -> int:
    """Write the model's folder; return the size of its weights in bytes."""
    model = trained.model.to(torch.bfloat16).eval()
    model.config.use_cache = True
    model.generation_config = GenerationConfig(bos_token_id=0, eos_token_id=1, pad_token_id=2)
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(run / "tokenizer").save_pretrained(out)
    return (out / "model.safetensors").stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--checkpoint", default="final.pt")
    args = parser.parse_args()
    print(f"{export(args.run, args.checkpoint, args.out) / 1e6:.1f} MB of weights in {args.out / 'model'}")


if __name__ == "__main__":
    main()

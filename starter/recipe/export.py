"""Write a checkpoint as a folder that transformers reads: bfloat16 weights, configuration, tokenizer.

python -m recipe.export --run ../runs/starter --out src/frostline_starter/model [--checkpoint stable.pt]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from transformers import AutoTokenizer, GenerationConfig

from recipe.train import Run


def export(run: Path, checkpoint: str, out: Path) -> int:
    """Write the folder; return the size of its weights in bytes."""
    trained = Run.load(run / checkpoint)
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
    print(f"{export(args.run, args.checkpoint, args.out) / 1e6:.1f} MB of weights in {args.out}")


if __name__ == "__main__":
    main()

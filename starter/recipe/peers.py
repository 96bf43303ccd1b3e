"""Very small language models to compare with, as (model, encode): folders of transformers or of llama2.c."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedModel

Encoded = tuple[list[int], int]
"""Token ids after the begin mark, and the bytes of characters that the vocabulary lacks."""


@dataclass(frozen=True)
class Peer:
    """A model and how it reads a text."""

    name: str
    model: PreTrainedModel
    begin: int
    encode: Callable[[str], Encoded]


def load_peer(folder: Path) -> Peer:
    """Load a folder of either kind."""
    if (folder / "config.json").exists():
        return _from_transformers(folder)
    weights = next(folder.glob("*.bin")) if (folder / "tok105.vocab").exists() else folder / f"{folder.name}.bin"
    pieces = (
        _pieces_of_vocab(folder / "tok105.vocab")
        if (folder / "tok105.vocab").exists()
        else _pieces_of_bin(folder / "tok512.bin")
    )
    return Peer(folder.name, llama2c(weights), 1, lambda text: encode_pieces(text, pieces))


def _from_transformers(folder: Path) -> Peer:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def encode(text: str) -> Encoded:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        written = tokenizer.decode(ids, skip_special_tokens=True).strip()
        return ids, max(0, len(text.encode()) - len(written.encode()))

    return Peer(folder.name, model, model.config.bos_token_id, encode)


def llama2c(path: Path) -> LlamaForCausalLM:
    """Read the legacy format of llama2.c: seven int32, then float32 tensors; rotary pairs are neighbors there."""
    raw = path.read_bytes()
    dim, hidden, layers, heads, kv_heads, vocab, length = struct.unpack("<7i", raw[:28])
    config = LlamaConfig(
        vocab_size=vocab, hidden_size=dim, intermediate_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=kv_heads, max_position_embeddings=length, rms_norm_eps=1e-5, tie_word_embeddings=True,
        bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    numbers, place = torch.from_numpy(np.frombuffer(raw, dtype="<f4", offset=28).copy()), 0

    def take(*shape: int) -> torch.Tensor:
        nonlocal place
        size = int(np.prod(shape))
        place += size
        return numbers[place - size : place].view(*shape)

    kv_dim = dim * kv_heads // heads
    state = {"model.embed_tokens.weight": take(vocab, dim)}
    shapes = {
        "input_layernorm": (dim,), "self_attn.q_proj": (dim, dim), "self_attn.k_proj": (kv_dim, dim), "self_attn.v_proj": (kv_dim, dim),
        "self_attn.o_proj": (dim, dim), "post_attention_layernorm": (dim,), "mlp.gate_proj": (hidden, dim), "mlp.down_proj": (dim, hidden),
        "mlp.up_proj": (hidden, dim),
    }  # fmt: skip
    for part, shape in shapes.items():
        for i, block in enumerate(take(layers, *shape)):
            n = {"self_attn.q_proj": heads, "self_attn.k_proj": kv_heads}.get(part)
            state[f"model.layers.{i}.{part}.weight"] = _halves(block, n) if n else block
    state["model.norm.weight"] = take(dim)
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state)
    return model


def _halves(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Reorder the rows of each head from neighboring rotary pairs to two halves."""
    return weight.view(heads, -1, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def _pieces_of_bin(path: Path) -> dict[bytes, tuple[int, float]]:
    raw, place, pieces = path.read_bytes(), 4, {}
    while place < len(raw):
        score, n = struct.unpack_from("<fi", raw, place)
        piece = raw[place + 8 : place + 8 + n]
        if len(pieces) in range(3, 259) and piece.startswith(b"<0x"):
            piece = b"\0byte" + bytes([int(piece[3:5], 16)])
        pieces.setdefault(piece, (len(pieces), score))
        place += 8 + n
    return pieces


def _pieces_of_vocab(path: Path) -> dict[bytes, tuple[int, float]]:
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return {piece.replace("▁", " ").encode(): (i, float(score)) for i, (piece, score) in enumerate(lines)}


def encode_pieces(text: str, pieces: dict[bytes, tuple[int, float]]) -> Encoded:
    """Merge characters by the best score, as SentencePiece does; a character without a piece becomes its bytes."""
    parts = [char.encode() for char in " " + text]
    while len(parts) > 1:
        joined = [pieces.get(a + b, (0, -np.inf))[1] for a, b in itertools.pairwise(parts)]
        best = int(np.argmax(joined))
        if joined[best] == -np.inf:
            break
        parts[best : best + 2] = [parts[best] + parts[best + 1]]
    ids, lost = [], 0
    for part in parts:
        if part in pieces:
            ids.append(pieces[part][0])
        elif b"\0byte" + part[:1] in pieces:
            ids.extend(pieces[b"\0byte" + bytes([byte])][0] for byte in part)
        else:
            ids.append(0)
            lost += len(part)
    return ids, lost

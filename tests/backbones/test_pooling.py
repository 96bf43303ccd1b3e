from __future__ import annotations

import pytest
import torch

from frostline.backbones.pooling import pool
from frostline.errors import UserError

HIDDEN = torch.tensor([[[1.0, -1.0], [3.0, -3.0], [100.0, 100.0]], [[100.0, 100.0], [2.0, -2.0], [4.0, -6.0]]])
MASK = torch.tensor([[True, True, False], [False, True, True]])  # padding right, padding left


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", [[2.0, -2.0], [3.0, -4.0]]),
        ("max", [[3.0, -1.0], [4.0, -2.0]]),
        ("first_token", [[1.0, -1.0], [2.0, -2.0]]),
        ("last_token", [[3.0, -3.0], [4.0, -6.0]]),
        ("weighted_mean", [[7 / 3, -7 / 3], [10 / 3, -14 / 3]]),
    ],
)
def test_pooling_sees_real_tokens_only(how, expected):
    torch.testing.assert_close(pool(HIDDEN, MASK, how), torch.tensor(expected))


def test_half_precision_is_summed_in_single():
    hidden = torch.full((1, 4096, 1), 1.001, dtype=torch.bfloat16)
    mean = pool(hidden, torch.ones(1, 4096, dtype=torch.bool), "mean")
    assert mean.dtype == torch.float32
    assert mean.item() == pytest.approx(hidden[0, 0, 0].item(), rel=1e-6)


def test_normalize():
    assert pool(HIDDEN, MASK, "mean", normalize=True).norm(dim=1).tolist() == pytest.approx([1.0, 1.0])


def test_refused():
    with pytest.raises(UserError, match="'mean'"):
        pool(HIDDEN, MASK, "meen")
    with pytest.raises(UserError, match="no tokens"):
        pool(HIDDEN, torch.zeros_like(MASK), "mean")

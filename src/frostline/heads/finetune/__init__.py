"""Fine-tuning: the arm that a frozen backbone is compared with, all of its weights or low-rank matrices beside them."""

from frostline.heads.finetune.model import How, check_trainable
from frostline.heads.finetune.training import Estimate, FineTuned, TuningRows, estimate, finetune

__all__ = ["Estimate", "FineTuned", "How", "TuningRows", "check_trainable", "estimate", "finetune"]

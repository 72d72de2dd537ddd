"""Guards of every training: nothing good comes after a loss or a weight that is no number."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fracturax.core.errors import ModelError

_CURE = (
    'lower the learning rate, or set precision = "32-true" under [optimizer]: '
    "kernels for bfloat16 err on some processors"
)


def require_number(loss: Tensor, *, step: int) -> None:
    """Stop a training whose loss is no number.

    Args:
        loss: Of one batch, a scalar.
        step: Steps done before it.

    Raises:
        ModelError: If it is infinite or no number.

    Example:
        >>> require_number(torch.tensor(0.5), step=0)
    """
    if not torch.isfinite(loss):
        raise ModelError(
            "the training has come to a loss that is no number",
            got=f"{float(loss.detach())} at step {step}",
            cure=_CURE,
        )


def require_numbers(network: nn.Module, *, step: int) -> None:
    """Refuse a trained network some of whose weights are no numbers.

    Args:
        network: What would be kept.
        step: Steps done.

    Raises:
        ModelError: If a parameter is infinite or no number.
    """
    if not all(bool(torch.isfinite(one).all()) for one in network.parameters()):
        raise ModelError(
            "the training has come to weights that are no numbers",
            got=f"after step {step}",
            cure=_CURE,
        )

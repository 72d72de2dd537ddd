"""The loop that every training shares: what it does with a loss that is no number."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from fracturax.core.errors import ModelError
from fracturax.training.loop import TrainingModule, run_training


class Squares(TrainingModule):
    """The mean square of what a linear layer says."""

    def terms(self, network: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        return {"square": (network(batch) ** 2).mean()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.network.parameters(), lr=0.01)


def test_weights_that_are_no_numbers_are_not_kept(tmp_path: Path) -> None:
    values = torch.ones(4, 2)
    values[3] = 1e30  # in the last step: its loss is the first that would tell
    batches = DataLoader(values, batch_size=1)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="no number"):
        run_training(
            Squares(nn.Linear(2, 1), seed=0),
            lambda _: (batches, DataLoader([])),  # type: ignore[arg-type]
            folder=tmp_path,
            stage="any",
            epochs=1,
            precision="32-true",
            show_progress=False,
        )


def test_a_loss_that_is_no_number_ends_a_training_and_leaves_nothing_finished(
    tmp_path: Path,
) -> None:
    values = torch.ones(8, 2)
    values[5] = torch.nan
    batches = DataLoader(values, batch_size=1)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=r"nan at step 5; lower the learning rate"):
        run_training(
            Squares(nn.Linear(2, 1), seed=0),
            lambda _: (batches, DataLoader([])),  # type: ignore[arg-type]
            folder=tmp_path,
            stage="any",
            epochs=2,
            precision="32-true",
            show_progress=False,
        )
    assert not list(tmp_path.glob("*.safetensors"))

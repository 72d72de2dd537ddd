"""The loop that every training shares: what it does with a loss that is no number."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from fracturax.core.errors import ModelError
from fracturax.training.loop import AveragedModule, affordable, run_training


class Squares(AveragedModule):
    """The mean square of what a linear layer says."""

    def terms(self, network: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        return {"square": (network(batch) ** 2).mean()}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.network.parameters(), lr=0.01)


class Roots(Squares):
    """A loss of 0 whose slope is no number."""

    def terms(self, network: nn.Module, batch: Tensor) -> dict[str, Tensor]:
        return {"root": (0 * network(batch) ** 2).sqrt().mean()}


def train(kind: type[Squares], values: Tensor, folder: Path) -> None:
    batches = DataLoader(values, batch_size=1)  # type: ignore[arg-type]
    run_training(
        kind(nn.Linear(2, 1), seed=0, average_decay=0.9),
        lambda _: (batches, DataLoader([])),  # type: ignore[arg-type]
        folder=folder,
        stage="any",
        epochs=1,
        precision="32-true",
        show_progress=False,
    )


def test_weights_that_are_no_numbers_are_not_kept(tmp_path: Path) -> None:
    # One step: its loss is a number, and no loss after it would tell.
    with pytest.raises(ModelError, match="weights that are no numbers; got after step 1"):
        train(Roots, torch.ones(1, 2), tmp_path)


def test_a_loss_that_is_no_number_ends_a_training_and_leaves_nothing_finished(
    tmp_path: Path,
) -> None:
    values = torch.ones(8, 2)
    values[5] = torch.nan
    with pytest.raises(ModelError, match=r"nan at step 5; lower the learning rate"):
        train(Squares, values, tmp_path)
    assert not list(tmp_path.glob("*.safetensors"))


@pytest.mark.parametrize(
    ("capability", "has_gpu", "expected"),
    [
        ("AVX2", False, "32-true"),
        ("AVX512", False, "bf16-mixed"),
        ("AVX2", True, "bf16-mixed"),
    ],
)
def test_bfloat16_that_would_be_emulated_gives_way(
    capability: str, has_gpu: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    assert affordable("bf16-mixed") == expected
    assert affordable("32-true") == "32-true"

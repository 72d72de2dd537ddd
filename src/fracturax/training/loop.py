"""The loop that every training shares: seeded epochs, curves, checkpoints, on Lightning."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import RichProgressBar
from torch import Tensor, nn
from torch.utils.data import DataLoader

from fracturax.training.checkpoint import Checkpoints, read_checkpoint
from fracturax.training.guards import require_number, require_numbers
from fracturax.training.recipe import Precision


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training leaves: the network that is kept, and its loss epoch by epoch."""

    network: nn.Module
    curves: list[dict[str, float]]


class TrainingModule(pl.LightningModule):
    """A network, the one that is kept of it, and its curves; a subclass says loss and optimizer.

    Args:
        network: What is trained.
        seed: Seed of what the layers draw.
    """

    def __init__(self, network: nn.Module, *, seed: int) -> None:
        super().__init__()
        self.network, self.seed = network, seed
        self.kept = copy.deepcopy(network).requires_grad_(False)
        self.curves: list[dict[str, float]] = []
        self.steps_done = 0
        self.resumed_at = 0
        self._sums: dict[str, float] = {}
        self._steps = 0
        self._inner: list[float] = []

    def terms(self, network: nn.Module, batch: Any) -> dict[str, Tensor]:
        """Return the terms of the loss of a batch by name; their sum is minimized."""
        raise NotImplementedError

    @property
    def judged(self) -> nn.Module:
        """The network that the inner loss is of."""
        return self.kept

    def in_one_cycle(
        self, optimizer: torch.optim.Optimizer, *, total_steps: int, final_share: float
    ) -> dict[str, Any]:
        """Return an optimizer whose learning rate goes through `one_cycle`, also after a stop.

        Args:
            optimizer: Its learning rates are the peaks.
            total_steps: Steps of the whole training.
            final_share: Share of the peak that is left at the end; 1 keeps the rate as it is.
        """

        def pace(step: int) -> float:
            if final_share == 1:
                return 1.0
            return one_cycle(step + self.resumed_at, total_steps, final_share=final_share)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, pace)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_train_epoch_start(self) -> None:
        """Seed what the layers draw, so that a run that goes on draws what it would have drawn."""
        torch.manual_seed(
            int(np.random.SeedSequence([self.seed, len(self.curves)]).generate_state(1)[0])
        )

    def training_step(self, batch: Any, index: int) -> Tensor:
        """Return the loss of a batch.

        Raises:
            ModelError: If it is no number.
        """
        terms = self.terms(self.network, batch)
        loss = torch.stack(list(terms.values())).sum()
        require_number(loss, step=self.steps_done)
        for name, term in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(term.detach())
        self._steps += 1
        self.log("loss", loss.detach(), prog_bar=True, logger=False)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Count the step."""
        self.steps_done += 1

    def validation_step(self, batch: Any, index: int) -> None:
        """Add up the judged network's loss on the inner part."""
        terms = self.terms(self.judged, batch)
        self._inner.append(float(torch.stack(list(terms.values())).sum()))

    def on_validation_epoch_end(self) -> None:
        """Tell the loss on the inner part."""
        if self._inner and not self.trainer.sanity_checking:
            self.log("inner_loss", float(np.mean(self._inner)), prog_bar=True, logger=False)

    def close_epoch(self) -> None:
        """Close the epoch's row of the curves; there may be no inner part, there is a row."""
        steps = max(1, self._steps)
        row = {f"train_{name}": total / steps for name, total in self._sums.items()}
        if self._inner:
            row["inner_loss"] = float(np.mean(self._inner))
        self.curves.append(row)
        self._sums, self._steps, self._inner = {}, 0, []


class AveragedModule(TrainingModule):
    """A training of which the moving average of the weights is kept.

    Args:
        network: What is trained.
        seed: Seed of what the layers draw.
        average_decay: Decay of the exponential moving average; less in the first steps.
    """

    def __init__(self, network: nn.Module, *, seed: int, average_decay: float) -> None:
        super().__init__(network, seed=seed)
        self.average_decay = average_decay

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the average of the weights towards the present ones."""
        super().on_train_batch_end()
        decay = min(self.average_decay, self.steps_done / (self.steps_done + 10))
        with torch.no_grad():
            present = self.network.state_dict()
            for name, value in self.kept.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(present[name], 1 - decay)
                else:
                    value.copy_(present[name])


def one_cycle(step: int, total_steps: int, *, final_share: float) -> float:
    """Return the share of the peak learning rate: linear warm-up, cosine decay.

    Args:
        step: Steps done.
        total_steps: Steps of the whole training; a twentieth of them warms up.
        final_share: Share of the peak that is left at the end.

    References:
        Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.

    Example:
        >>> [round(one_cycle(step, 100, final_share=0.1), 2) for step in (0, 5, 100)]
        [0.2, 1.0, 0.1]
    """
    warmup = max(1, total_steps // 20)
    if step < warmup:
        return (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
    return final_share + (1 - final_share) * 0.5 * (1 + math.cos(math.pi * progress))


def affordable(precision: Precision) -> Precision:
    """Return a precision, or single precision in place of a bfloat16 that would be emulated.

    On a processor without AVX-512 a step in bfloat16 takes fifteen times as long as one without.
    """
    is_emulated = not torch.cuda.is_available() and torch.backends.cpu.get_cpu_capability() in (
        "DEFAULT",
        "NO AVX",
        "AVX2",
    )
    return "32-true" if precision == "bf16-mixed" and is_emulated else precision


def run_training(
    module: TrainingModule,
    loaders: Callable[[int], tuple[DataLoader[Any], DataLoader[Any]]],
    *,
    folder: Path,
    stage: str,
    epochs: int,
    precision: Precision,
    patience: int = 0,
    max_steps: int | None = None,
    show_progress: bool = True,
) -> Trained:
    """Train a module; a run that was stopped goes on from its last epoch.

    Args:
        module: What to train, fresh.
        loaders: Gives the batches to train on and those of the inner part, from an epoch on;
            asked only where something is left to train.
        folder: Where checkpoints lie; a finished run is not repeated.
        stage: Hash of all that decides the training.
        epochs: At most.
        precision: Lightning's word for it.
        patience: Epochs without a better inner loss before the training stops; 0 never stops it.
        max_steps: Stop after so many steps.
        show_progress: Whether to draw a progress bar on standard error.

    Returns:
        The network that is kept, in evaluation mode, and the curves.

    Raises:
        ConfigError: If the folder holds the run of another recipe.
        ModelError: If loss or weights become no numbers.
    """
    resumed = read_checkpoint(folder, module, stage)
    if resumed.is_finished:
        return Trained(module.kept.eval(), module.curves)
    batches, watched = loaders(resumed.epochs)
    checkpoints = Checkpoints(folder, stage, resumed=resumed, patience=patience)
    callbacks: list[pl.Callback] = [checkpoints]
    if show_progress:
        # Standard output belongs to the one JSON document of --json.
        callbacks.append(RichProgressBar(console_kwargs={"stderr": True}))
    trainer = pl.Trainer(
        accelerator="auto",
        devices=1,
        precision=affordable(precision),
        max_epochs=epochs - resumed.epochs,
        max_steps=max_steps or -1,
        callbacks=callbacks,
        gradient_clip_val=5.0,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=show_progress,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )
    trainer.fit(module, batches, watched)
    require_numbers(module.kept, step=module.steps_done)
    checkpoints.finish(module)
    return Trained(module.kept.eval(), module.curves)

"""The training loop: one network, one training part, on Lightning."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import RichProgressBar
from torch import Tensor, nn
from torch.utils.data import DataLoader

from fracturax.models.boxes import Boxes, join_boxes
from fracturax.models.catalog import NETWORKS
from fracturax.training.batches import (
    AugmentedFilms,
    BalancedDraws,
    Batch,
    ExactFilms,
    StoredFilm,
    collate,
    finest_stride,
)
from fracturax.training.checkpoint import Checkpoints, read_checkpoint, stage_sha256
from fracturax.training.losses import loss_terms
from fracturax.training.recipe import Recipe
from fracturax.training.windows import AugmentedWindows


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training leaves: the averaged network, and its loss epoch by epoch."""

    network: nn.Module
    curves: list[dict[str, float]]

    def after(self, earlier: Trained) -> Trained:
        """Return this training with the curves of the stage before it in front."""
        return Trained(self.network, [*earlier.curves, *self.curves])


class FilmModule(pl.LightningModule):
    """Network, its moving average, loss and optimizer as Lightning wants them."""

    def __init__(self, network: nn.Module, recipe: Recipe, total_steps: int) -> None:
        super().__init__()
        self.network, self.recipe, self.total_steps = network, recipe, total_steps
        self.average = copy.deepcopy(network).requires_grad_(False)
        self.curves: list[dict[str, float]] = []
        self.steps_done = 0
        self.resumed_at = 0
        self._freeze()
        self._sums: dict[str, float] = {}
        self._inner: list[float] = []

    def _freeze(self) -> None:
        """Keep the first blocks' weights; their normalization still follows the films."""
        blocks = list(self.network.backbone.features)  # type: ignore[union-attr,arg-type]
        for block in blocks[: self.recipe.network.frozen_blocks]:
            block.requires_grad_(False)

    def configure_optimizers(self) -> Any:
        """AdamW with a slower pretrained part, one cycle of the learning rate."""
        recipe = self.recipe.optimizer
        backbone = list(self.network.backbone.parameters())  # type: ignore[union-attr]
        known = {id(parameter) for parameter in backbone}
        heads = [one for one in self.network.parameters() if id(one) not in known]
        groups = [
            {"params": heads, "lr": recipe.learning_rate},
            {
                "params": [one for one in backbone if one.requires_grad],
                "lr": recipe.learning_rate * recipe.backbone_factor,
            },
        ]
        optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._pace)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _pace(self, step: int) -> float:
        """Return the share of the peak learning rate: linear warm-up, cosine decay."""
        step += self.resumed_at
        warmup = max(1, self.total_steps // 20)
        if step < warmup:
            return (step + 1) / warmup
        progress = min(1.0, (step - warmup) / max(1, self.total_steps - warmup))
        floor = self.recipe.optimizer.final_share
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))

    def on_train_epoch_start(self) -> None:
        """Seed what the layers draw, so that a run that goes on draws what it would have drawn."""
        torch.manual_seed(
            int(np.random.SeedSequence([self.recipe.seed, len(self.curves)]).generate_state(1)[0])
        )

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss of a batch."""
        terms = loss_terms(self.network(batch.images), batch, self.recipe.loss)
        loss = torch.stack(list(terms.values())).sum()
        for name, term in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(term.detach())
        self.log("loss", loss.detach(), prog_bar=True, logger=False)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the average of the weights towards the present ones."""
        self.steps_done += 1
        decay = min(self.recipe.optimizer.average_decay, self.steps_done / (self.steps_done + 10))
        with torch.no_grad():
            present = self.network.state_dict()
            for name, value in self.average.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(present[name], 1 - decay)
                else:
                    value.copy_(present[name])

    def validation_step(self, batch: Batch, index: int) -> None:
        """Add up the averaged network's loss on the inner part."""
        terms = loss_terms(self.average(batch.images), batch, self.recipe.loss)
        self._inner.append(float(torch.stack(list(terms.values())).sum()))

    def on_validation_epoch_end(self) -> None:
        """Tell the loss on the inner part."""
        if self._inner and not self.trainer.sanity_checking:
            self.log("inner_loss", float(np.mean(self._inner)), prog_bar=True, logger=False)

    def close_epoch(self) -> None:
        """Close the epoch's row of the curves; there may be no inner part, there is a row."""
        steps = max(1, self.recipe.optimizer.epoch_films // self.recipe.optimizer.batch_size)
        row = {f"train_{name}": total / steps for name, total in self._sums.items()}
        if self._inner:
            row["inner_loss"] = float(np.mean(self._inner))
        self.curves.append(row)
        self._sums, self._inner = {}, []


def train_network(
    recipe: Recipe,
    films: Sequence[StoredFilm],
    inner: Sequence[StoredFilm],
    *,
    folder: Path,
    start: nn.Module | None = None,
    candidates: Callable[[], Sequence[Boxes]] | None = None,
    max_steps: int | None = None,
    show_progress: bool = True,
) -> Trained:
    """Train one network; a run that was stopped goes on from its last epoch.

    Args:
        recipe: What to do.
        films: Training part.
        inner: Part of the training part that early stopping watches; may be empty.
        folder: Where checkpoints lie; a finished run is not repeated.
        start: Network whose weights to begin with; pretrained ones by default.
        candidates: For a closer look: finds what the first network suspects in each film of
            `films`, in pixels of the original.
        max_steps: Stop after so many steps.
        show_progress: Whether to draw a progress bar on standard error.

    Returns:
        The moving average of the weights, in evaluation mode, and the curves.
    """
    pl.seed_everything(recipe.seed, workers=True, verbose=False)
    options = recipe.optimizer
    network = NETWORKS.load(recipe.network.name)(
        backbone=recipe.network.backbone,
        weights=recipe.network.weights,
        width=recipe.network.width,
    ).to(memory_format=torch.channels_last)
    if start is not None:
        network.load_state_dict(start.state_dict())
    steps = options.epochs * (options.epoch_films // options.batch_size)
    module = FilmModule(network, recipe, total_steps=min(steps, max_steps or steps))
    stage = stage_sha256(recipe, max_steps)
    resumed = read_checkpoint(folder, module, stage)
    if resumed.is_finished:
        return Trained(module.average.eval(), module.curves)
    checkpoints = Checkpoints(
        folder, stage, resumed=resumed, patience=options.patience if inner else 0
    )
    callbacks: list[pl.Callback] = [checkpoints]
    if show_progress:
        # Standard output belongs to the one JSON document of --json.
        callbacks.append(RichProgressBar(console_kwargs={"stderr": True}))
    trainer = pl.Trainer(
        accelerator="auto",
        devices=1,
        precision=options.precision,
        max_epochs=options.epochs - resumed.epochs,
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
    draws = BalancedDraws(films, recipe, first_epoch=resumed.epochs)
    batches = DataLoader(
        AugmentedFilms(films, recipe)
        if candidates is None
        else AugmentedWindows(films, candidates(), recipe),
        batch_size=options.batch_size,
        sampler=draws,
        collate_fn=collate,
        drop_last=True,
    )
    watched = DataLoader(
        ExactFilms(inner, stride=finest_stride(recipe)), batch_size=32, collate_fn=collate
    )
    trainer.fit(module, batches, watched)
    checkpoints.finish(module)
    return Trained(module.average.eval(), module.curves)


@torch.inference_mode()
def predict_films(
    network: nn.Module, films: Sequence[StoredFilm], *, mirrored: bool = True
) -> list[float]:
    """Return the image logit of each film, averaged with its mirror image."""
    logits: list[float] = []
    loader = DataLoader(ExactFilms(films), batch_size=32, collate_fn=collate)
    for batch in loader:
        answer = network(batch.images).fracture
        if mirrored:
            answer = (answer + network(batch.images.flip(3)).fracture) / 2
        logits.extend(answer.float().tolist())
    return logits


@torch.inference_mode()
def find_candidates(
    network: nn.Module, films: Sequence[StoredFilm], *, at_most: int = 12
) -> list[Boxes]:
    """Return what an `XrayNetwork` suspects in each film: boxes in pixels of the original."""
    found: list[Boxes] = []
    loader = DataLoader(ExactFilms(films), batch_size=32, collate_fn=collate)
    for batch in loader:
        answer = network(batch.images)
        scores = torch.sigmoid(answer.box_logits.double()).numpy()
        for boxes, own in zip(answer.boxes.double().numpy(), scores, strict=True):
            joined, _ = join_boxes(boxes, own, at_most=at_most)
            found.append(films[len(found)].placement.boxes_to_original(joined))
    return found

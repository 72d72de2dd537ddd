"""How the radiograph networks are trained: one network, one training part."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
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
from fracturax.training.checkpoint import stage_sha256
from fracturax.training.loop import AveragedModule, Trained, run_training
from fracturax.training.losses import loss_terms
from fracturax.training.recipe import Recipe
from fracturax.training.windows import AugmentedWindows


class FilmModule(AveragedModule):
    """A radiograph network, the moving average of its weights, and its optimizer."""

    def __init__(self, network: nn.Module, recipe: Recipe, total_steps: int) -> None:
        super().__init__(network, seed=recipe.seed, average_decay=recipe.optimizer.average_decay)
        self.recipe, self.total_steps = recipe, total_steps
        self._freeze()

    def terms(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of the loss of a batch."""
        return loss_terms(network(batch.images), batch, self.recipe.loss)

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
        return self.in_one_cycle(
            optimizer, total_steps=self.total_steps, final_share=recipe.final_share
        )


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
        The moving average of the weights, or a share of the way to it from `start` where the
        recipe says so, in evaluation mode, and the curves.
    """
    pl.seed_everything(recipe.seed, workers=True, verbose=False)
    options = recipe.optimizer
    network = NETWORKS.load(recipe.network.name)(
        backbone=recipe.network.backbone,
        weights=recipe.network.weights,
        width=recipe.network.width,
        channels=recipe.plan.channels,
    ).to(memory_format=torch.channels_last)
    if start is not None:
        network.load_state_dict(start.state_dict())
    steps = options.epochs * (options.epoch_films // options.batch_size)
    module = FilmModule(network, recipe, total_steps=min(steps, max_steps or steps))

    def loaders(first_epoch: int) -> tuple[DataLoader[Any], DataLoader[Any]]:
        shown = (
            AugmentedFilms(films, recipe)
            if candidates is None
            else AugmentedWindows(films, candidates(), recipe)
        )
        batches = DataLoader(
            shown,
            batch_size=options.batch_size,
            sampler=BalancedDraws(films, recipe, first_epoch=first_epoch),
            collate_fn=collate,
            drop_last=True,
        )
        watched = ExactFilms(inner, stride=finest_stride(recipe))
        return batches, DataLoader(watched, batch_size=32, collate_fn=collate)

    trained = run_training(
        module,
        loaders,
        folder=folder,
        stage=stage_sha256(recipe.as_document(), max_steps),
        epochs=options.epochs,
        precision=options.precision,
        patience=options.patience if inner else 0,
        max_steps=max_steps,
        show_progress=show_progress,
    )
    if start is None or recipe.kept_share == 1:
        return trained
    return Trained(part_of_the_way(start, trained.network, recipe.kept_share), trained.curves)


def part_of_the_way(start: nn.Module, end: nn.Module, share: float) -> nn.Module:
    """Return a network whose weights lie between those of two of its kind, in evaluation mode.

    Args:
        start: Stays as it is.
        end: Stays as it is.
        share: 0 gives `start`, 1 gives `end`.
    """
    between = copy.deepcopy(end)
    first = start.state_dict()
    between.load_state_dict(
        {
            name: torch.lerp(first[name], last, share) if last.is_floating_point() else last
            for name, last in end.state_dict().items()
        }
    )
    return between.eval()


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

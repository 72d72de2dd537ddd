"""How a segmenter is trained: films with masks in memory, focal and Dice loss, the best weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from segmentation_models_pytorch.losses import BINARY_MODE, DiceLoss, FocalLoss
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler

from fracturax.core.image import Radiograph
from fracturax.models.unet import UNet
from fracturax.training.batches import RESERVE
from fracturax.training.checkpoint import stage_sha256
from fracturax.training.loop import Trained, TrainingModule, run_training
from fracturax.training.segment_recipe import MaskLoss, SegmenterRecipe
from fracturax.transforms.plan import PreprocessingPlan

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class StoredMask:
    """A film at training size with its mask.

    Args:
        pixels: 8-bit grey values, a little larger than the input.
        mask: Of the shape of `pixels`, 0 or 1.
        evaluation_pixels: The input as the shipped model sees it.
        evaluation_mask: Of the shape of `evaluation_pixels`, 0 or 1.
    """

    pixels: npt.NDArray[np.uint8]
    mask: npt.NDArray[np.uint8]
    evaluation_pixels: npt.NDArray[np.uint8]
    evaluation_mask: npt.NDArray[np.uint8]


def store_masked(film: Radiograph, mask: Mask, plan: PreprocessingPlan) -> StoredMask:
    """Bring a film and its mask, both `(rows, columns)`, to training size."""
    reserve = replace(plan, rows=round(plan.rows * RESERVE), columns=round(plan.columns * RESERVE))
    prepared = plan.prepare(film)
    frame = plan.frame_of(prepared.pixels)
    pixels = frame.turn(prepared.pixels)
    marked = frame.turn(prepared.axis_map.mask_to_new(mask))
    larger, exact = (
        (np.round(one.apply(pixels)[0] * 255).astype(np.uint8), one.place_mask(marked))
        for one in (reserve, plan)
    )
    return StoredMask(larger[0], larger[1].astype(np.uint8), exact[0], exact[1].astype(np.uint8))


class MaskBatch(NamedTuple):
    """Films with their masks.

    Attributes:
        images: Display values, shape `(b, 1, rows, columns)`.
        masks: 0 or 1, shape `(b, rows, columns)`.
    """

    images: Tensor
    masks: Tensor


class MaskSample(NamedTuple):
    """One film of a `MaskBatch`: display values `(rows, columns)`, and 0 or 1 alike."""

    image: npt.NDArray[np.float32]
    mask: npt.NDArray[np.uint8]


class AugmentedMasks(Dataset[MaskSample]):
    """Films as the network sees them in training: `(epoch, draw, film)` decides every chance."""

    def __init__(self, films: Sequence[StoredMask], recipe: SegmenterRecipe) -> None:
        self.films, self.recipe = films, recipe

    def __len__(self) -> int:
        return len(self.films)

    def __getitem__(self, draw: tuple[int, int, int]) -> MaskSample:
        """Return the augmented film for `(epoch, draw, film)`."""
        epoch, number, index = draw
        film, plan, change = self.films[index], self.recipe.plan, self.recipe.augmentation
        generator = np.random.default_rng([self.recipe.seed, epoch, number])
        warp = change.draw(
            film.pixels.shape, rows=plan.rows, columns=plan.columns, generator=generator
        )
        grey = warp.film(film.pixels).astype(np.float32) / np.float32(255)
        return MaskSample(change.expose(grey, generator), warp.mask(film.mask))


class ExactMasks(Dataset[MaskSample]):
    """Films as the shipped model sees them: the plan alone."""

    def __init__(self, films: Sequence[StoredMask]) -> None:
        self.films = films

    def __len__(self) -> int:
        return len(self.films)

    def __getitem__(self, index: int) -> MaskSample:
        """Return one film, unchanged."""
        film = self.films[index]
        grey = film.evaluation_pixels.astype(np.float32) / np.float32(255)
        return MaskSample(grey, film.evaluation_mask)


class ShuffledDraws(Sampler[tuple[int, int, int]]):
    """Draws every film once an epoch, in seeded order."""

    def __init__(self, films: int, *, seed: int, first_epoch: int = 0) -> None:
        self.films, self.seed, self.epoch = films, seed, first_epoch

    def __len__(self) -> int:
        return self.films

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        epoch = self.epoch
        self.epoch += 1
        order = np.random.default_rng([self.seed, epoch]).permutation(self.films)
        for number, index in enumerate(order.tolist()):
            yield (epoch, number, index)


def collate_masks(samples: Sequence[MaskSample]) -> MaskBatch:
    """Join samples into a batch."""
    images = np.stack([sample.image for sample in samples])[:, None]
    masks = np.stack([sample.mask for sample in samples]).astype(np.float32)
    return MaskBatch(
        torch.from_numpy(images).contiguous(memory_format=torch.channels_last),
        torch.from_numpy(masks),
    )


def mask_loss(logits: Tensor, masks: Tensor, weights: MaskLoss) -> dict[str, Tensor]:
    """Return the weighted terms of the loss by name.

    Args:
        logits: Shape `(b, rows, columns)`.
        masks: 0 or 1, same shape.
        weights: Weight of each term.

    References:
        Lin et al., "Focal loss for dense object detection", ICCV 2017; Milletari et al., "V-Net",
        3DV 2016 (Dice).

    Example:
        >>> there = torch.zeros(1, 8, 8); there[:, :4] = 1
        >>> sure = (there * 2 - 1) * 20
        >>> [round(float(one), 3) for one in mask_loss(sure, there, MaskLoss()).values()]
        [0.0, 0.0]
    """
    logits, masks = logits.float()[:, None], masks[:, None]
    return {
        "focal": weights.focal * FocalLoss(BINARY_MODE)(logits, masks),
        "dice": weights.dice * DiceLoss(BINARY_MODE)(logits, masks),
    }


class MaskModule(TrainingModule):
    """A segmenter under Adam; the weights with the least inner loss are kept."""

    def __init__(self, network: nn.Module, recipe: SegmenterRecipe, total_steps: int) -> None:
        super().__init__(network, seed=recipe.seed)
        self.recipe, self.total_steps = recipe, total_steps

    def terms(self, network: nn.Module, batch: MaskBatch) -> dict[str, Tensor]:
        """Return the terms of the loss of a batch."""
        return mask_loss(network(batch.images).mask, batch.masks, self.recipe.loss)

    @property
    def judged(self) -> nn.Module:
        """The network as it is: whether its weights are the best is to be found out."""
        return self.network

    def configure_optimizers(self) -> Any:
        """Adam, its learning rate constant or in one cycle."""
        pace = self.recipe.optimizer
        optimizer = torch.optim.Adam(self.network.parameters(), lr=pace.learning_rate)
        return self.in_one_cycle(
            optimizer, total_steps=self.total_steps, final_share=pace.final_share
        )

    def close_epoch(self) -> None:
        """Close the epoch's row, and keep its weights if no earlier ones were better."""
        earlier = min((row.get("inner_loss", math.inf) for row in self.curves), default=math.inf)
        super().close_epoch()
        if self.curves[-1].get("inner_loss", -math.inf) < earlier:
            self.kept.load_state_dict(self.network.state_dict())


def train_segmenter_network(
    recipe: SegmenterRecipe,
    films: Sequence[StoredMask],
    inner: Sequence[StoredMask],
    *,
    folder: Path,
    max_steps: int | None = None,
    show_progress: bool = True,
) -> Trained:
    """Train one segmenter; a run that was stopped goes on from its last epoch.

    Args:
        recipe: What to do.
        films: Films to train on.
        inner: Films that choose the best weights; without any the last ones are kept.
        folder: Where checkpoints lie; a finished run is not repeated.
        max_steps: Stop after so many steps.
        show_progress: Whether to draw a progress bar on standard error.

    Returns:
        The network with the best weights, in evaluation mode, and the curves.
    """
    pl.seed_everything(recipe.seed, workers=True, verbose=False)
    network = UNet(recipe.network.encoder, recipe.network.weights)
    options = recipe.optimizer
    steps = options.epochs * max(1, len(films) // options.batch_size)
    module = MaskModule(
        network.to(memory_format=torch.channels_last), recipe, min(steps, max_steps or steps)
    )

    def loaders(first_epoch: int) -> tuple[DataLoader[Any], DataLoader[Any]]:
        batches = DataLoader(
            AugmentedMasks(films, recipe),
            batch_size=options.batch_size,
            sampler=ShuffledDraws(len(films), seed=recipe.seed, first_epoch=first_epoch),
            collate_fn=collate_masks,
            # A last batch of one film would be no batch to normalize.
            drop_last=len(films) > options.batch_size,
        )
        watched = DataLoader(
            ExactMasks(inner), batch_size=options.batch_size, collate_fn=collate_masks
        )
        return batches, watched

    return run_training(
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

"""How the CT stream is trained: cubes in memory, label and fracture map, one cycle of AdamW."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from fracturax.core.errors import DataError
from fracturax.models.volume import MAP_STRIDE, build_volume_network
from fracturax.training.checkpoint import stage_sha256
from fracturax.training.loop import AveragedModule, Trained, run_training
from fracturax.training.segment import ShuffledDraws
from fracturax.training.volume_recipe import CubeLoss, VolumeRecipe
from fracturax.transforms.volume_plan import VolumePlan

Hounsfield = npt.NDArray[np.int16]


@dataclass(frozen=True, eq=False)
class StoredCube:
    """A cube of CT, a little larger than a network sees, with its truth.

    Args:
        name: Name of its place.
        hu: Isotropic voxels of the plan's spacing.
        fracture: 1 on the fracture surface, same shape.
        label: Whether a fracture lies in the middle part that is the network's input.

    Raises:
        DataError: If the shapes differ.
    """

    name: str
    hu: Hounsfield
    fracture: npt.NDArray[np.uint8]
    label: int

    def __post_init__(self) -> None:
        if self.hu.shape != self.fracture.shape or self.hu.ndim != 3:
            raise DataError(
                "a cube and its fracture surface are of one shape",
                got=f"{self.hu.shape} and {self.fracture.shape}",
            )


class CubeBatch(NamedTuple):
    """Cubes with their truth.

    Attributes:
        volumes: Bone window in [0, 1], shape `(b, 1, size, size, size)`.
        labels: 0 or 1, shape `(b,)`.
        cells: 1 where a cell of the map holds a fracture, `(b, size / 8, size / 8, size / 8)`.
    """

    volumes: Tensor
    labels: Tensor
    cells: Tensor


class CubeSample(NamedTuple):
    """One cube of a `CubeBatch`: its window, its fracture surface and its label."""

    volume: npt.NDArray[np.float32]
    fracture: npt.NDArray[np.uint8]
    label: float


class AugmentedCubes(Dataset[CubeSample]):
    """Cubes as the network sees them in training: `(epoch, draw, cube)` decides every chance."""

    def __init__(self, cubes: Sequence[StoredCube], recipe: VolumeRecipe) -> None:
        self.cubes, self.recipe = cubes, recipe

    def __len__(self) -> int:
        return len(self.cubes)

    def __getitem__(self, draw: tuple[int, int, int]) -> CubeSample:
        """Return the changed cube for `(epoch, draw, cube)`."""
        epoch, number, index = draw
        generator = np.random.default_rng([self.recipe.seed, epoch, number])
        return change_cube(self.cubes[index], self.recipe, generator)


class ExactCubes(Dataset[CubeSample]):
    """Cubes as the shipped model sees them: the middle, through the window."""

    def __init__(self, cubes: Sequence[StoredCube], plan: VolumePlan) -> None:
        self.cubes, self.plan = cubes, plan

    def __len__(self) -> int:
        return len(self.cubes)

    def __getitem__(self, index: int) -> CubeSample:
        """Return the middle of one cube."""
        cube = self.cubes[index]
        inside = _part(cube.hu.shape, self.plan.size, (0, 0, 0))
        return CubeSample(
            self.plan.window(cube.hu[inside]), cube.fracture[inside], float(cube.label)
        )


def change_cube(
    cube: StoredCube, recipe: VolumeRecipe, generator: np.random.Generator
) -> CubeSample:
    """Return a cube moved, mirrored, turned and made to look like another scan.

    The label follows the cube: what is moved out of sight is no fracture of it.

    Args:
        cube: What is changed; it stays as it is.
        recipe: How much.
        generator: Decides every chance.
    """
    change, plan = recipe.augmentation, recipe.plan
    room = min((side - plan.size) // 2 for side in cube.hu.shape)
    most = min(change.shift, room)
    shift = generator.integers(-most, most + 1, 3).tolist()
    inside = _part(cube.hu.shape, plan.size, (shift[0], shift[1], shift[2]))
    hu, fracture = cube.hu[inside].astype(np.float32), cube.fracture[inside]
    if change.is_turned:
        mirrored = tuple(axis for axis in range(3) if generator.random() < 0.5)
        turns = int(generator.integers(4))
        hu = np.rot90(np.flip(hu, mirrored), turns, axes=(1, 2))
        fracture = np.rot90(np.flip(fracture, mirrored), turns, axes=(1, 2))
    hu = hu * np.float32(1 + change.scale * generator.uniform(-1, 1))
    hu += np.float32(change.offset_hu * generator.uniform(-1, 1))
    if change.blur and generator.random() < 0.5:
        hu = ndimage.gaussian_filter(hu, change.blur * generator.random(), truncate=2.5)
    if change.noise_hu:
        strength = np.float32(change.noise_hu * generator.random())
        hu += strength * generator.standard_normal(hu.shape, np.float32)
    label = float(fracture.any())
    return CubeSample(plan.window(hu), np.ascontiguousarray(fracture), label)


def _part(
    shape: tuple[int, ...], size: int, shift: tuple[int, int, int]
) -> tuple[slice, slice, slice]:
    if min(shape) < size:
        raise DataError(
            f"a cube is smaller than the network's input of {size} voxels a side", got=str(shape)
        )
    first = [(side - size) // 2 + by for side, by in zip(shape, shift, strict=True)]
    return (
        slice(first[0], first[0] + size),
        slice(first[1], first[1] + size),
        slice(first[2], first[2] + size),
    )


def collate_cubes(samples: Sequence[CubeSample]) -> CubeBatch:
    """Join samples into a batch."""
    volumes = torch.from_numpy(np.stack([sample.volume for sample in samples])[:, None])
    surfaces = torch.from_numpy(np.stack([sample.fracture for sample in samples])[:, None])
    return CubeBatch(
        volumes.contiguous(memory_format=torch.channels_last_3d),
        torch.tensor([sample.label for sample in samples]),
        F.max_pool3d(surfaces.float(), MAP_STRIDE)[:, 0],
    )


def cube_loss(
    logit: Tensor, heat: Tensor, labels: Tensor, cells: Tensor, weights: CubeLoss
) -> dict[str, Tensor]:
    """Return the weighted terms of the loss by name.

    Args:
        logit: Of a fracture in the cube, shape `(b,)`.
        heat: Logits of the map, shape `(b, d, h, w)`.
        labels: 0 or 1, shape `(b,)`.
        cells: 0 or 1, shape of `heat`.
        weights: Weight of each term.

    Example:
        >>> there = torch.zeros(2, 6, 6, 6); there[0, 3] = 1
        >>> sure = cube_loss(torch.tensor([9.0, -9.0]), there * 40 - 20, torch.tensor([1.0, 0.0]),
        ...                  there, CubeLoss(label_smoothing=0.0))
        >>> [round(float(one), 3) for one in sure.values()]
        [0.0, 0.0]
    """
    smooth = weights.label_smoothing
    target = labels * (1 - smooth) + smooth / 2
    terms = {"cube": weights.cube * F.binary_cross_entropy_with_logits(logit, target)}
    if weights.map:
        more = torch.tensor(weights.cell_weight, device=heat.device)
        by_cell = F.binary_cross_entropy_with_logits(heat, cells, pos_weight=more)
        terms["map"] = weights.map * by_cell
    return terms


class CubeModule(AveragedModule):
    """A network of the CT stream under AdamW; the average of its weights is kept."""

    def __init__(self, network: nn.Module, recipe: VolumeRecipe, total_steps: int) -> None:
        super().__init__(network, seed=recipe.seed, average_decay=recipe.optimizer.average_decay)
        self.recipe, self.total_steps = recipe, total_steps

    def terms(self, network: nn.Module, batch: CubeBatch) -> dict[str, Tensor]:
        """Return the terms of the loss of a batch."""
        answer = network(batch.volumes)
        return cube_loss(answer.logit, answer.map, batch.labels, batch.cells, self.recipe.loss)

    def configure_optimizers(self) -> Any:
        """AdamW, its learning rate in one cycle."""
        pace = self.recipe.optimizer
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=pace.learning_rate, weight_decay=pace.weight_decay
        )
        return self.in_one_cycle(
            optimizer, total_steps=self.total_steps, final_share=pace.final_share
        )


def train_volume_network(
    recipe: VolumeRecipe,
    cubes: Sequence[StoredCube],
    watched: Sequence[StoredCube] = (),
    *,
    folder: Path,
    max_steps: int | None = None,
    show_progress: bool = True,
) -> Trained:
    """Train one network of the CT stream; a run that was stopped goes on from its last epoch.

    Args:
        recipe: What to do.
        cubes: What to train on.
        watched: Cubes whose loss the curves show after every epoch; they decide nothing.
        folder: Where checkpoints lie; a finished run is not repeated.
        max_steps: Stop after so many steps.
        show_progress: Whether to draw a progress bar on standard error.

    Returns:
        The average of the weights, in evaluation mode, and the curves.

    Raises:
        ConfigError: If the folder holds the run of another recipe.
        DataError: If a cube is smaller than the network's input, or there are fewer than a batch.
    """
    options = recipe.optimizer
    if len(cubes) < options.batch_size:
        raise DataError(
            f"there are fewer cubes than a batch of {options.batch_size}",
            got=str(len(cubes)),
            cure="prepare more, or lower batch_size in the recipe",
        )
    pl.seed_everything(recipe.seed, workers=True, verbose=False)
    network = build_volume_network(recipe.network.name, **recipe.network.options)
    steps = options.epochs * (len(cubes) // options.batch_size)
    module = CubeModule(network.train(), recipe, total_steps=min(steps, max_steps or steps))

    def loaders(first_epoch: int) -> tuple[DataLoader[Any], DataLoader[Any]]:
        batches = DataLoader(
            AugmentedCubes(cubes, recipe),
            batch_size=options.batch_size,
            sampler=ShuffledDraws(len(cubes), seed=recipe.seed, first_epoch=first_epoch),
            collate_fn=collate_cubes,
            drop_last=True,
        )
        beside = DataLoader(
            ExactCubes(watched, recipe.plan), batch_size=32, collate_fn=collate_cubes
        )
        return batches, beside

    return run_training(
        module,
        loaders,
        folder=folder,
        stage=stage_sha256(recipe.as_document(), max_steps),
        epochs=options.epochs,
        precision=options.precision,
        max_steps=max_steps,
        show_progress=show_progress,
    )


class CubeAnswers(NamedTuple):
    """What a network says of many cubes.

    Attributes:
        logits: Shape `(n,)`, averaged over the views.
        features: Shape `(n, d)`, averaged over the views.
        maps: Logits cell by cell, shape `(n, d, h, w)`, averaged over the views turned back.
    """

    logits: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]
    maps: npt.NDArray[np.float32]


@torch.inference_mode()
def predict_cubes(
    network: nn.Module,
    cubes: Sequence[StoredCube],
    plan: VolumePlan,
    *,
    is_mirrored: bool = True,
    is_half: bool = True,
) -> CubeAnswers:
    """Return logit, features and map of the middle of each cube.

    Args:
        network: A network of the CT stream, in evaluation mode.
        cubes: What to look at.
        plan: Its input.
        is_mirrored: Whether each cube is also seen left to right and the answers are averaged.
        is_half: Whether to compute in bfloat16 where that is safe.
    """
    logits, features, maps = [], [], []
    network.eval()
    for batch in _views(cubes, plan):
        views = [batch.volumes, batch.volumes.flip(4)] if is_mirrored else [batch.volumes]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=is_half):
            answers = [network(view) for view in views]
        heat = [answer.map for answer in answers]
        if is_mirrored:
            heat[1] = heat[1].flip(3)
        logits.append(torch.stack([answer.logit for answer in answers]).mean(0).float().numpy())
        features.append(
            torch.stack([answer.features for answer in answers]).mean(0).float().numpy()
        )
        maps.append(torch.stack(heat).mean(0).float().numpy())
    return CubeAnswers(np.concatenate(logits), np.concatenate(features), np.concatenate(maps))


def _views(cubes: Sequence[StoredCube], plan: VolumePlan) -> Iterator[CubeBatch]:
    yield from DataLoader(ExactCubes(cubes, plan), batch_size=32, collate_fn=collate_cubes)

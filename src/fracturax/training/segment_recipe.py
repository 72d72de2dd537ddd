"""The recipe of a segmenter: all that decides how a U-Net learns to mark bone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from fracturax.core.config import load_toml, read_toml
from fracturax.core.errors import ConfigError
from fracturax.core.provenance import begun_from
from fracturax.models.catalog import ENCODERS
from fracturax.training.recipe import Precision
from fracturax.transforms.augment import Augmentation
from fracturax.transforms.plan import PreprocessingPlan

NETWORK = "unet"


@dataclass(frozen=True)
class MaskData:
    """Which films, and how they are split; whole patients are held out.

    Args:
        dataset: Name in the registry of data sets with masks.
        train: Share of the patients to train on.
        valid: Share of those that choose the best weights.
        test: Share of those that are tested on once.
        structures: What a mask is of, in words for the bundle.
    """

    dataset: str = "image_masks"
    train: float = 0.7
    valid: float = 0.1
    test: float = 0.2
    structures: tuple[str, ...] = ("hip bones", "sacrum")

    @property
    def shares(self) -> dict[str, float]:
        """The shares by the names of the parts."""
        return {"train": self.train, "valid": self.valid, "test": self.test}


@dataclass(frozen=True)
class UNetRecipe:
    """Which U-Net.

    Args:
        name: `unet`, which tells the recipe of a segmenter from others.
        encoder: Name in the registry of encoders.
        weights: `random`, or the path of a safetensors file in the encoder's layout.
    """

    name: Literal["unet"]
    encoder: str
    weights: str = "random"


@dataclass(frozen=True)
class SegmenterPace:
    """How the weights move: Adam, as in the PBRS paper at one learning rate.

    Args:
        learning_rate: Adam's; the peak of a cycle where `final_share` is below 1.
        final_share: Share of it that a cosine decays to after a short warm-up; 1 keeps it as it is.
        batch_size: Films a step.
        epochs: At most; an epoch shows each film once.
        patience: Epochs without a better inner loss before the training stops; 0 never stops it.
        precision: `bf16-mixed` computes in half precision where that is safe; a CPU without
            bfloat16 units is ten times slower by it.
    """

    learning_rate: float = 1e-4
    final_share: float = 1.0
    batch_size: int = 10
    epochs: int = 100
    patience: int = 0
    precision: Precision = "32-true"


@dataclass(frozen=True)
class MaskLoss:
    """Weight of each term of the loss; zero leaves it out.

    Args:
        focal: Binary focal loss. The Keras library of the PBRS paper weighs it by 0.25.
        dice: Dice loss of the batch.
    """

    focal: float = 0.25
    dice: float = 1.0


def _pbrs_changes() -> Augmentation:
    """Return the changes of the PBRS paper; a grey film has no saturation to change."""
    return Augmentation(
        rotation_degrees=15.0,
        scale=0.15,
        shift=0.1,
        shear_degrees=8.0,
        gamma=0.0,
        blur=0.0,
    )


@dataclass(frozen=True)
class SegmenterRecipe:
    """All that decides the training of a segmenter. Tables of the TOML file are the fields.

    Args:
        name: Names the run and the bundle.
        seed: Seed of the split, the initialisation and every augmentation.

    Raises:
        ConfigError: If a value is outside its range.
        UnknownNameError: If there is no such encoder.
    """

    name: str
    network: UNetRecipe
    data: MaskData = field(default_factory=MaskData)
    seed: int = 0
    plan: PreprocessingPlan = field(default_factory=lambda: PreprocessingPlan(224, 224))
    augmentation: Augmentation = field(default_factory=_pbrs_changes)
    optimizer: SegmenterPace = field(default_factory=SegmenterPace)
    loss: MaskLoss = field(default_factory=MaskLoss)

    def __post_init__(self) -> None:
        _ = ENCODERS[self.network.encoder]
        if self.plan.rows % 32 or self.plan.columns % 32:
            raise ConfigError(
                "the input of a U-Net has sides that are multiples of 32",
                got=f"{self.plan.rows} x {self.plan.columns}",
            )
        if self.plan.roi != "none":
            raise ConfigError(
                "a segmenter finds the bones itself",
                got=f'[plan] roi = "{self.plan.roi}"',
                cure="leave roi out",
            )
        if self.augmentation.marker:
            raise ConfigError(
                "a film with a mask gets no side marker: it would lie on bone",
                got=f"marker = {self.augmentation.marker:g}",
                cure="leave marker out",
            )

    def as_document(self) -> dict[str, Any]:
        """Return the recipe as JSON-able data, a file of weights by its name and bytes."""
        own = {"plan": self.plan.as_document(), "augmentation": self.augmentation.as_document()}
        document = asdict(self) | own
        document["network"]["weights"] = begun_from(self.network.weights)
        return document

    def with_weights(self, weights: str) -> SegmenterRecipe:
        """Return the recipe with the encoder's weights taken from elsewhere."""
        return replace(self, network=replace(self.network, weights=weights))


def is_segmenter_recipe(path: Path) -> bool:
    """Whether a recipe is of a segmenter.

    Raises:
        ConfigError: If the file cannot be read.
    """
    network = read_toml(path).get("network")
    return isinstance(network, dict) and network.get("name") == NETWORK


def load_segmenter_recipe(path: Path) -> SegmenterRecipe:
    """Read the recipe of a segmenter.

    Raises:
        ConfigError: If a key is unknown, missing or of a wrong type.
    """
    return load_toml(SegmenterRecipe, path)

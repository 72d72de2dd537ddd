"""The recipe of a fusion: which way of fusing, and how it learns from streams that were kept."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fracturax.core.config import load_toml, read_toml
from fracturax.core.errors import ConfigError
from fracturax.models.catalog import FUSIONS

NETWORK = "fusion"


@dataclass(frozen=True)
class FusionDesign:
    """The network.

    Args:
        name: Always `fusion`.
        fusion: Name in the registry of fusions.
        width: Channels of a token.
        blocks: Transformer blocks of the head.
        dropout: Share of channels that training drops.
    """

    name: str
    fusion: str
    width: int = 32
    blocks: int = 1
    dropout: float = 0.3


@dataclass(frozen=True)
class FusionPace:
    """How fast and how long.

    Args:
        learning_rate: Of Adam.
        weight_decay: Of the weights; 0 is plain Adam.
        batch_size: Cases a step.
        epochs: Passes, at most.
        patience: Epochs without a lower loss on the inner patient before it stops; 0 trains to the
            end, on all training patients.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    batch_size: int = 16
    epochs: int = 100
    patience: int = 10


@dataclass(frozen=True)
class StreamLoss:
    """What training takes away or spoils, and the terms of the loss beside cross-entropy.

    Args:
        dropped: Chance that a stream of a case is absent; one always stays.
        degraded: Chance that a stream of a case is a degraded one, where there are such.
        ranked: Weight of the term that wants a degraded stream to weigh less than the same stream
            as it was.
        masks: Weight of the cross-entropy of the maps.
        adversarial: Weight of the generators' terms, where the fusion is generative.
        cycle: Weight of the cycle term among them; half of it is that of the identity term.
    """

    dropped: float = 0.4
    degraded: float = 0.5
    ranked: float = 1.0
    masks: float = 0.5
    adversarial: float = 1.0
    cycle: float = 10.0


@dataclass(frozen=True)
class FusionRecipe:
    """All that decides the training of a fusion. Tables of the TOML file are the fields.

    Args:
        name: Names the run.
        seed: Of the initialisation and of every draw.

    Raises:
        ConfigError: If a value is outside its range.
        UnknownNameError: If there is no such fusion.

    Example:
        >>> FusionRecipe("try", FusionDesign("fusion", "attention")).optimizer.batch_size
        16
    """

    name: str
    network: FusionDesign
    seed: int = 0
    optimizer: FusionPace = field(default_factory=FusionPace)
    loss: StreamLoss = field(default_factory=StreamLoss)

    def __post_init__(self) -> None:
        _ = FUSIONS[self.network.fusion]
        for name, share in (("dropped", self.loss.dropped), ("degraded", self.loss.degraded)):
            if not 0 <= share < 1:
                raise ConfigError(f"{name} is a chance below 1", got=f"{share:g}")
        if self.optimizer.batch_size < 2 or self.optimizer.epochs < 1:
            raise ConfigError(
                "a fusion learns from batches of two or more, for one epoch or more",
                got=f"{self.optimizer.batch_size} cases, {self.optimizer.epochs} epochs",
            )

    def as_document(self) -> dict[str, Any]:
        """Return the recipe as JSON-able data."""
        return asdict(self)


def is_fusion_recipe(path: Path) -> bool:
    """Whether a recipe is of a fusion.

    Raises:
        ConfigError: If the file cannot be read.
    """
    network = read_toml(path).get("network")
    return isinstance(network, dict) and network.get("name") == NETWORK


def load_fusion_recipe(path: Path) -> FusionRecipe:
    """Read the recipe of a fusion.

    Raises:
        ConfigError: If a key is unknown, missing or of a wrong type.
    """
    return load_toml(FusionRecipe, path)

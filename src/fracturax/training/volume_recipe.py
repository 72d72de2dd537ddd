"""The recipe of the CT stream: all that decides how a network learns to see fractures in cubes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from fracturax.core.config import load_toml, read_toml
from fracturax.core.errors import ConfigError
from fracturax.core.provenance import begun_from
from fracturax.models.catalog import VOLUME_NETWORKS
from fracturax.training.recipe import Precision
from fracturax.transforms.volume_plan import VolumePlan


@dataclass(frozen=True)
class VolumeNetworkRecipe:
    """Which network; what is not given keeps the network's own default.

    Args:
        name: Name in the registry of networks of the CT stream.
        weights: `random`, or the path of a safetensors file.
        growth_rate: Of a DenseNet.
        init_features: Of a DenseNet.
        width: Of a ResNet.
        hidden: Of the LSTM.
        dropout: Share of the joined channels that training drops.
    """

    name: str
    weights: str = "random"
    growth_rate: int | None = None
    init_features: int | None = None
    width: int | None = None
    hidden: int | None = None
    dropout: float = 0.2

    @property
    def options(self) -> dict[str, Any]:
        """What is given, for `build_volume_network`."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        del given["name"]
        return given


@dataclass(frozen=True)
class CubeAugmentation:
    """What a cube may look like in another patient, scanner or place; zero leaves a change out.

    Args:
        shift: Voxels that the cube is moved by, at most, along each axis.
        scale: Contrast is multiplied by `1 ± scale`: bone of another age, another voltage.
        offset_hu: And moved by so much, at most.
        noise_hu: Standard deviation of the noise, at most.
        blur: Standard deviation of the blur in voxels, at most; every second cube is blurred.
        is_turned: Whether the cube is mirrored along each axis and turned by 90 degrees in plane.
    """

    shift: int = 4
    scale: float = 0.2
    offset_hu: float = 60.0
    noise_hu: float = 50.0
    blur: float = 0.8
    is_turned: bool = True


@dataclass(frozen=True)
class VolumePace:
    """How the weights move: AdamW in one cycle, the average of the last weights is kept.

    Args:
        learning_rate: Peak of the cycle.
        final_share: Share of the peak that the cosine decays to.
        weight_decay: AdamW's.
        batch_size: Cubes a step.
        epochs: An epoch shows each cube once.
        average_decay: Decay of the exponential moving average of the weights that is kept.
        precision: `bf16-mixed` computes in half precision where that is safe.
    """

    learning_rate: float = 1e-3
    final_share: float = 0.02
    weight_decay: float = 0.02
    batch_size: int = 16
    epochs: int = 12
    average_decay: float = 0.99
    precision: Precision = "bf16-mixed"


@dataclass(frozen=True)
class CubeLoss:
    """Weight of each term of the loss; zero leaves it out.

    Args:
        cube: Fracture or not, of the whole cube.
        map: Fracture map against the fracture surface, cell by cell.
        cell_weight: Weight of a cell with a fracture against one without.
        label_smoothing: Share of doubt in the label of a cube.
    """

    cube: float = 1.0
    map: float = 1.0
    cell_weight: float = 3.0
    label_smoothing: float = 0.05


@dataclass(frozen=True)
class VolumeRecipe:
    """All that decides the training of the CT stream. Tables of the TOML file are the fields.

    Args:
        name: Names the run and the bundle.
        seed: Seed of the initialisation and every augmentation.

    Raises:
        UnknownNameError: If there is no such network.
        ConfigError: If a value is out of range.
    """

    name: str
    network: VolumeNetworkRecipe
    seed: int = 0
    plan: VolumePlan = field(default_factory=VolumePlan)
    augmentation: CubeAugmentation = field(default_factory=CubeAugmentation)
    optimizer: VolumePace = field(default_factory=VolumePace)
    loss: CubeLoss = field(default_factory=CubeLoss)

    def __post_init__(self) -> None:
        _ = VOLUME_NETWORKS[self.network.name]
        for name, value in asdict(self.augmentation).items():
            if value < 0:
                raise ConfigError("a change of a cube is no negative number", got=f"{name} {value}")
        if self.optimizer.batch_size < 2:
            raise ConfigError("a batch is two cubes or more", got=str(self.optimizer.batch_size))

    def as_document(self) -> dict[str, Any]:
        """Return the recipe as JSON-able data, a file of weights by its name and bytes."""
        document = asdict(self)
        document["network"]["weights"] = begun_from(self.network.weights)
        return document

    def with_weights(self, weights: str) -> VolumeRecipe:
        """Return the recipe with the network's first weights taken from elsewhere."""
        return replace(self, network=replace(self.network, weights=weights))


def is_volume_recipe(path: Path) -> bool:
    """Whether a recipe is of the CT stream.

    Raises:
        ConfigError: If the file cannot be read.
    """
    network = read_toml(path).get("network")
    return isinstance(network, dict) and network.get("name") in list(VOLUME_NETWORKS)


def load_volume_recipe(path: Path) -> VolumeRecipe:
    """Read the recipe of a network of the CT stream.

    Raises:
        ConfigError: If a key is unknown, missing or of a wrong type.
    """
    return load_toml(VolumeRecipe, path)

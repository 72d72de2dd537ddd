"""The bundle of the CT stream: a sealed folder with one graph, how it is fed, what answers mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fracturax.core.errors import ModelError
from fracturax.core.prediction import OperatingPoints
from fracturax.models.bundle import Calibration
from fracturax.models.sealed import SealedBundle
from fracturax.transforms.volume_plan import VolumePlan

GRAPH = "model.onnx"
OUTPUTS = ("logit", "features", "map")
CUBE_VALUES = ("cube", "heat")
"""What a cube is calibrated by: the network's logit, and the peak of its map, a logit too."""


@dataclass(frozen=True)
class VolumeManifest:
    """What `bundle.json` says of a network of the CT stream.

    Args:
        name: Name of the model.
        version: Version of the bundle.
        volume_network: Name in the registry of networks of the CT stream.
        created: Day of creation, ISO 8601.
        plan: How a CT becomes its input.
        step: Voxels from one cube to the next when a whole CT is read; it looks at every cell of
            this side that holds bone.
        calibration: Values of a cube to the probability that a fracture lies in it.
        study_calibration: `peak`, the highest sum of a calibrated cube as a logit, to the
            probability of a fracture in the study.
        operating_points: Thresholds on the probability of a study.
        cube_operating_points: Thresholds on the probability of a cube.
        training: Facts of the training.

    Raises:
        ModelError: If a calibration uses a value that there is not, or the step is no step.
    """

    name: str
    version: str
    volume_network: str
    created: str
    plan: VolumePlan
    step: int
    calibration: Calibration
    study_calibration: Calibration
    operating_points: OperatingPoints
    cube_operating_points: OperatingPoints
    training: tuple[tuple[str, str], ...] = field(default=())

    def __post_init__(self) -> None:
        if self.step % 8 or not 8 <= self.step <= self.plan.size:
            raise ModelError(
                "the step of a reading is a multiple of 8 within a cube", got=str(self.step)
            )
        if (self.plan.size - self.step) % 2:
            raise ModelError("a cube lies evenly about its cell", got=str(self.step))
        self.calibration.require_known(CUBE_VALUES)
        self.study_calibration.require_known(("peak",))

    @property
    def plan_sha256(self) -> str:
        """Hash of the plan."""
        return self.plan.sha256


class VolumeBundle(SealedBundle[VolumeManifest]):
    """A verified bundle of the CT stream."""

    manifest_kind = VolumeManifest
    marker = "volume_network"
    run = (GRAPH,)
    what = "bundle of the CT stream"
    recipe = "ct-densenet121"

    @property
    def graph(self) -> Path:
        """Its ONNX file."""
        return self.folder / GRAPH

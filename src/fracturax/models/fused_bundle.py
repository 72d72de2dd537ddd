"""The bundle of a fusion: its graph, that of its X-ray stream, and what its answers mean."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from fracturax.core.errors import ModelError
from fracturax.core.prediction import OperatingPoints
from fracturax.core.provenance import sha256_of_document
from fracturax.models.bundle import Calibration
from fracturax.models.catalog import FUSIONS
from fracturax.models.sealed import SealedBundle
from fracturax.models.streams import StreamSizes, present_of
from fracturax.transforms.detail import DETAIL_NAMES

GRAPH, FILM_GRAPH, NUMBERS = "fusion.onnx", "film.onnx", "radiomics.safetensors"
FILM_OUTPUTS = ("logit", "features", "map")
LOGIT = "logit"
"""The one value that a fusion is calibrated by."""


@dataclass(frozen=True)
class CropPlan:
    """How a film becomes the input of the X-ray stream: a square of it about a place.

    Args:
        pixels: Rows and columns.
        pixel_mm: Side of a pixel at the detector.
    """

    pixels: int = 112
    pixel_mm: float = 0.7

    def __post_init__(self) -> None:
        if self.pixels < 16 or self.pixels % 8 or not 0.05 <= self.pixel_mm <= 5:
            raise ModelError(
                "a crop has a multiple of 8 pixels, 0.05 to 5 mm wide",
                got=f"{self.pixels} of {self.pixel_mm:g} mm",
            )


@dataclass(frozen=True)
class SubsetCalibration:
    """What the logit means where these streams are present.

    Args:
        streams: In the order of `STREAMS`.
        calibration: Of `logit`.
    """

    streams: tuple[str, ...]
    calibration: Calibration

    def __post_init__(self) -> None:
        present_of(self.streams)
        self.calibration.require_known((LOGIT,))


@dataclass(frozen=True)
class FusedManifest:
    """What `bundle.json` says of a fusion.

    Args:
        name: Name of the model.
        version: Version of the bundle.
        fusion: Name in the registry of fusions.
        film_stream: Name in the registry of networks of the X-ray stream.
        created: Day of creation, ISO 8601.
        volume_model: `name@version` of the bundle whose features are the CT stream.
        volume_sha256: Its hash.
        crop: How films are cut.
        sizes: How many numbers each stream brings.
        detail: What stands after the features of an image, in order; see `detail_of`.
        radiomics: Hash of the plan of each radiomics stream, by its name.
        calibrations: One for each subset of streams that may be read.
        operating_points: Thresholds on the probability of a study.
        place_operating_points: Thresholds on the probability of a place.
        training: Facts of the training.

    Raises:
        ModelError: If there is no calibration, a subset has two, or the detail is another one.
        UnknownNameError: If there is no such fusion.
    """

    name: str
    version: str
    fusion: str
    film_stream: str
    created: str
    volume_model: str
    volume_sha256: str
    crop: CropPlan
    sizes: StreamSizes
    detail: tuple[str, ...]
    radiomics: tuple[tuple[str, str], ...]
    calibrations: tuple[SubsetCalibration, ...]
    operating_points: OperatingPoints
    place_operating_points: OperatingPoints
    training: tuple[tuple[str, str], ...] = field(default=())

    def __post_init__(self) -> None:
        _ = FUSIONS[self.fusion]
        if self.detail != DETAIL_NAMES:
            raise ModelError(
                "the fusion was trained on other numbers of an image than this version computes",
                got=", ".join(self.detail),
                cure="train it again",
            )
        subsets = [frozenset(one.streams) for one in self.calibrations]
        if not subsets or len(set(subsets)) < len(subsets):
            raise ModelError(
                "each subset of streams has one calibration", got=f"{len(subsets)} calibrations"
            )

    @property
    def plan_sha256(self) -> str:
        """Hash of how films are cut and what numbers and radiomics are computed."""
        return sha256_of_document(
            {
                "crop": asdict(self.crop),
                "detail": list(self.detail),
                "radiomics": dict(self.radiomics),
            }
        )

    def calibration_of(self, streams: tuple[str, ...]) -> Calibration:
        """Return the calibration of a subset.

        Raises:
            ModelError: If it was never calibrated.
        """
        for one in self.calibrations:
            if set(one.streams) == set(streams):
                return one.calibration
        raise ModelError(
            "the fusion was not calibrated on these streams",
            got=", ".join(streams) or "none",
            cure="give one of its subsets: "
            + "; ".join("+".join(one.streams) for one in self.calibrations),
        )


class FusedBundle(SealedBundle[FusedManifest]):
    """A verified bundle of a fusion: two graphs, and the radiomics of some training places."""

    manifest_kind = FusedManifest
    marker = "fusion"
    run = (GRAPH, FILM_GRAPH, NUMBERS)
    what = "bundle of a fusion"
    recipe = "fracturax-fusion-attention-small"

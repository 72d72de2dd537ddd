"""The bundle of a fusion: its graph, that of its X-ray stream, and what its answers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from fracturax.core.errors import ModelError
from fracturax.core.prediction import ModelIdentity, OperatingPoints
from fracturax.core.provenance import sha256_of_document
from fracturax.models.bundle import Calibration
from fracturax.models.catalog import FUSIONS
from fracturax.models.sealed import open_sealed, open_with_graphs, seal_folder
from fracturax.models.streams import StreamSizes, present_of

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
        radiomics: Hash of the plan of each radiomics stream, by its name.
        calibrations: One for each subset of streams that may be read.
        operating_points: Thresholds on the probability of a study.
        place_operating_points: Thresholds on the probability of a place.
        training: Facts of the training.

    Raises:
        ModelError: If there is no calibration, or a subset has two.
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
    radiomics: tuple[tuple[str, str], ...]
    calibrations: tuple[SubsetCalibration, ...]
    operating_points: OperatingPoints
    place_operating_points: OperatingPoints
    training: tuple[tuple[str, str], ...] = field(default=())

    def __post_init__(self) -> None:
        _ = FUSIONS[self.fusion]
        subsets = [frozenset(one.streams) for one in self.calibrations]
        if not subsets or len(set(subsets)) < len(subsets):
            raise ModelError(
                "each subset of streams has one calibration", got=f"{len(subsets)} calibrations"
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


@dataclass(frozen=True, eq=False)
class FusedBundle:
    """A verified bundle of a fusion.

    Args:
        folder: Where it lies.
        manifest: What it is.
        sha256: Hash of all of it.
    """

    folder: Path
    manifest: FusedManifest
    sha256: str

    @property
    def identity(self) -> ModelIdentity:
        """What a prediction says about its model."""
        manifest = self.manifest
        plan = {"crop": asdict(manifest.crop), "radiomics": dict(manifest.radiomics)}
        return ModelIdentity(
            name=manifest.name,
            version=manifest.version,
            bundle_sha256=self.sha256,
            plan_sha256=sha256_of_document(plan),
            precision="fp32",
        )

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return (self.folder / "card.md").read_text(encoding="utf-8")


def is_fused_bundle(folder: Path) -> bool:
    """Whether a folder holds a bundle of a fusion.

    Raises:
        ModelError: If it is no bundle, or a file is missing or was changed.
    """
    model, _, _ = open_sealed(folder)
    return isinstance(model, Mapping) and "fusion" in model


def write_fused_bundle(folder: Path, manifest: FusedManifest) -> FusedBundle:
    """Seal a folder that holds both graphs, the radiomics of training and the card; open it."""
    seal_folder(folder, asdict(manifest))
    return load_fused_bundle(folder)


def load_fused_bundle(folder: str | Path) -> FusedBundle:
    """Load and verify the bundle of a fusion; no torch is needed.

    Args:
        folder: Where it lies.

    Raises:
        ModelError: If it is no such bundle, or a file is missing or was changed.
    """
    place = Path(folder)
    manifest, sha256 = open_with_graphs(
        place,
        FusedManifest,
        graphs=(GRAPH, FILM_GRAPH, NUMBERS),
        what="bundle of a fusion",
        cure="give one that was trained by a recipe such as fracturax-fusion-attention-small",
    )
    return FusedBundle(place, manifest, sha256)

"""A segmenter: a bundle's U-Net on ONNX Runtime, from a film to a mask in the film's own pixels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ModelError
from fracturax.core.image import Radiograph
from fracturax.core.prediction import ModelIdentity
from fracturax.models.sealed import open_with_graphs, seal_folder
from fracturax.models.session import OnnxRuntimeSession
from fracturax.transforms.body import fill_holes, keep_parts
from fracturax.transforms.plan import Placement, PreprocessingPlan, fitted_shape

GRAPH = "model.onnx"
OUTPUTS = ("mask",)
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MaskCleaning:
    """What becomes of a probability of bone: a threshold, then parts and holes by their size.

    Args:
        threshold: Probability from which a pixel is bone.
        least_part: Parts smaller than this share of the film are dropped.
        largest_hole: Holes up to this share of the film are filled; the obturator foramina are
            larger and stay.

    Raises:
        ModelError: If a value lies outside [0, 1].
    """

    threshold: float = 0.5
    least_part: float = 0.002
    largest_hole: float = 0.0008

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value <= 1:
                raise ModelError(f"{name} lies in 0 to 1", got=str(value))

    def apply(self, probability: npt.NDArray[np.float32]) -> Mask:
        """Return the mask of a film, shape `(rows, columns)`.

        Example:
            >>> film = np.zeros((50, 50), np.float32)
            >>> film[10:40, 10:40], film[20, 20], film[2, 2] = 0.9, 0.1, 0.9
            >>> mask = MaskCleaning().apply(film)
            >>> bool(mask[20, 20]), bool(mask[2, 2]), int(mask.sum())
            (True, False, 900)
        """
        mask = np.asarray(probability >= np.float32(self.threshold))
        kept = keep_parts(mask, least=round(self.least_part * mask.size))
        return fill_holes(kept, most=round(self.largest_hole * mask.size))


@dataclass(frozen=True)
class SegmenterManifest:
    """What `bundle.json` says of a segmenter.

    Args:
        name: Name of the model.
        version: Version of the bundle.
        network: Name in the registry of networks.
        encoder: Name in the registry of encoders.
        weights: What the encoder began from: `random`, or the name of a file.
        structures: What a mask is of, in words.
        created: Day of creation, ISO 8601.
        plan: Preprocessing.
        cleaning: What becomes of the probability of bone.
        training: Facts of the training: films, patients, hashes of recipe and split.
    """

    name: str
    version: str
    network: str
    encoder: str
    weights: str
    structures: tuple[str, ...]
    created: str
    plan: PreprocessingPlan
    cleaning: MaskCleaning = field(default_factory=MaskCleaning)
    training: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.plan.roi != "none":
            raise ModelError("a segmenter finds the bones itself", got=f"roi {self.plan.roi!r}")


class Segmenter:
    """Marks bone in radiographs; thread-safe.

    Args:
        graph: The ONNX graph.
        manifest: How it is fed and what its answer means.
        sha256: Hash of the bundle.
        threads: Threads of one inference; 0 lets ONNX Runtime choose.

    Raises:
        ModelError: If ONNX Runtime refuses the graph.
    """

    def __init__(
        self, graph: Path, manifest: SegmenterManifest, *, sha256: str = "", threads: int = 0
    ) -> None:
        self.manifest, self._sha256 = manifest, sha256
        self._session = OnnxRuntimeSession(graph.read_bytes(), threads)

    @property
    def identity(self) -> ModelIdentity:
        """Which model this is."""
        return ModelIdentity(
            name=self.manifest.name,
            version=self.manifest.version,
            bundle_sha256=self._sha256,
            plan_sha256=self.manifest.plan.sha256,
            precision="fp32",
        )

    def segment(self, film: Radiograph) -> Mask:
        """Return the mask of a film, in its own pixels, shape `(rows, columns)`.

        Raises:
            ImageError: If a step of the plan does not take the film.
        """
        plan = self.manifest.plan
        prepared = plan.prepare(film)
        frame = plan.frame_of(prepared.pixels)
        turned = frame.turn(prepared.pixels)
        values, placement = plan.apply(turned)
        (logits,) = self._session.run(OUTPUTS, {"images": values[None, None]})
        wide = enlarge_logits(logits[0], placement, turned.shape)
        probability = (1 / (1 + np.exp(-np.clip(wide, -50, 50)))).astype(np.float32)
        mask = frame.turn_back(self.manifest.cleaning.apply(probability))
        return prepared.axis_map.mask_to_original(mask)


def enlarge_logits(
    logits: npt.NDArray[np.float32], placement: Placement, shape: tuple[int, ...]
) -> npt.NDArray[np.float32]:
    """Return the logits of an input as those of the film that lies in it.

    Args:
        logits: Shape `(input rows, input columns)`.
        placement: Where the film lies in the input.
        shape: Rows and columns of the film.

    Example:
        >>> wide = enlarge_logits(np.ones((8, 8), np.float32), Placement(0.5, 2, 0), (8, 16))
        >>> wide.shape, float(wide.min())
        ((8, 16), 1.0)
    """
    top, left = int(placement.row_offset), int(placement.column_offset)
    high, wide = fitted_shape(shape, rows=logits.shape[0], columns=logits.shape[1])
    inside = logits[top : top + high, left : left + wide]
    # Logits are interpolated, not probabilities: an edge stays where it is, however steep.
    enlarged = cv2.resize(inside, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(enlarged, np.float32).reshape(shape[:2])


def write_segmenter(folder: Path, manifest: SegmenterManifest) -> Segmenter:
    """Seal a folder that holds graph, weights and card, and open it."""
    seal_folder(folder, asdict(manifest) | {"plan": manifest.plan.as_document()})
    return load_segmenter(folder)


def load_segmenter(folder: str | Path, *, threads: int = 0) -> Segmenter:
    """Load and verify the bundle of a segmenter; no torch is needed.

    Args:
        folder: A folder that `fracturax train` wrote.
        threads: Threads of one inference; 0 lets ONNX Runtime choose.

    Raises:
        ModelError: If the folder is no bundle of a segmenter, or a file is missing or was changed.
    """
    place = Path(folder)
    manifest, sha256 = open_with_graphs(
        place,
        SegmenterManifest,
        graphs=(GRAPH,),
        what="bundle of a segmenter",
        cure="give one that was trained by a recipe of a U-Net",
    )
    return Segmenter(place / GRAPH, manifest, sha256=sha256, threads=threads)

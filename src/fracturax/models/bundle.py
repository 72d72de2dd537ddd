"""A bundle: a folder with everything a model is, hashed, without pickle and without torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from fracturax.core.anatomy import Region
from fracturax.core.config import build
from fracturax.core.errors import ConfigError, DataError, ModelError, UnknownNameError
from fracturax.core.prediction import Guarantee, ModelIdentity, OperatingPoints
from fracturax.datasets.register import FilmRegister
from fracturax.models.scope import ScopeModel
from fracturax.models.sealed import MANIFEST, open_sealed, seal_folder
from fracturax.models.store import find_bundle
from fracturax.transforms.plan import PreprocessingPlan
from fracturax.transforms.window import WindowPlan

TURNED = "turned"
"""Value of a film that says whether the plan turned it upright: 1 or 0."""
_SCOPE = "scope.safetensors"
_REGISTER = "training_films.safetensors"
BF16 = "bf16"
_LATER = ("guarantees", "strides", "second", "mirror_margin")
"""Fields of a manifest that came later."""


@dataclass(frozen=True)
class Calibration:
    """A logistic map from raw values of the network to a probability (Platt, 1999).

    Args:
        inputs: Names of the raw values.
        coefficients: One each.
        intercept: Added to their weighted sum.
    """

    inputs: tuple[str, ...]
    coefficients: tuple[float, ...]
    intercept: float

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.coefficients):
            raise ModelError("a calibration needs one coefficient for each input")

    def require_known(self, known: Sequence[str]) -> None:
        """Refuse values that a model does not give.

        Raises:
            ModelError: Naming them.
        """
        unknown = set(self.inputs) - set(known)
        if unknown:
            raise ModelError(
                "a calibration of the bundle uses a value that its model does not give",
                got=", ".join(sorted(unknown)),
                cure=f"known: {', '.join(known)}",
            )

    def probability(self, values: Mapping[str, float]) -> float:
        """Return the probability for raw values by name.

        Example:
            >>> Calibration(("logit",), (1.0,), 0.0).probability({"logit": 0.0})
            0.5
        """
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, self.log_odds(values)))))

    def log_odds(self, values: Mapping[str, float]) -> float:
        """Return the log-odds for raw values by name; where a probability rounds to 1, they do not.

        Example:
            >>> Calibration(("logit",), (2.0,), -1.0).log_odds({"logit": 50.0})
            99.0
        """
        return self.intercept + sum(
            weight * values[name]
            for name, weight in zip(self.inputs, self.coefficients, strict=True)
        )


def _log_odds(probability: float) -> float:
    if 0 < probability < 1:
        return math.log(probability) - math.log1p(-probability)
    return math.copysign(math.inf, probability - 0.5)


@dataclass(frozen=True)
class CloserLook:
    """The second network of a bundle, which looks again at what the first one suspects.

    Args:
        graph: Its ONNX file.
        window: How its windows are cut.
        strides: Strides of its detection head's levels, finest first.
        widths: Widths of windows in reading, as multiples of those of `window`: the first of all
            of them; with each of the others the best candidates are looked at once more, and what
            is said of them is averaged.

    Raises:
        ModelError: If there is no width, or one is not above 0.
    """

    graph: str
    window: WindowPlan
    strides: tuple[int, ...]
    widths: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if not self.widths or not min(self.widths) > 0:
            raise ModelError("windows of a closer look have a width", got=str(self.widths))


@dataclass(frozen=True)
class Manifest:
    """What `bundle.json` holds, apart from the hashes of the other files.

    Args:
        name: Name of the model.
        version: Version of the bundle.
        network: Name in the registry of networks.
        created: Day of creation, ISO 8601.
        plan: Preprocessing.
        is_mirrored: Whether films are also read mirrored and both answers are averaged.
        operating_points: Thresholds on the probability of an image.
        box_operating_points: Thresholds on the probability of a box.
        calibration: Image values to probability.
        box_calibration: Box values to probability.
        default_precision: Graph to run unless asked otherwise.
        graphs: File of each precision; `bf16` is the graph of `fp32`, run in that by OpenVINO.
        training: Facts of the training: recipe, split and data hashes.
        closer: The closer look, if there is one.
        guarantees: What answers are worth at least: at most one a region, and one over all.
        strides: Strides of its detection head's levels, finest first.
        second: ONNX file of a second opinion: another network that reads the whole film.
        mirror_margin: A film whose probability from one view lies below all thresholds by more
            than this, in log-odds, is not read mirrored; None: every film is.
    """

    name: str
    version: str
    network: str
    created: str
    plan: PreprocessingPlan
    is_mirrored: bool
    operating_points: OperatingPoints
    box_operating_points: OperatingPoints
    calibration: Calibration
    box_calibration: Calibration
    default_precision: str
    graphs: tuple[tuple[str, str], ...]
    training: tuple[tuple[str, str], ...] = field(default=())
    closer: CloserLook | None = None
    guarantees: tuple[Guarantee, ...] = ()
    strides: tuple[int, ...] = (8, 16, 32)
    second: str | None = None
    mirror_margin: float | None = None

    def guarantee_of(self, region: Region) -> Guarantee | None:
        """Return the guarantee of a region; where it has none of its own, the one over all."""
        by_region = {one.region: one for one in self.guarantees}
        return by_region.get(region, by_region.get(None))

    def needs_mirror(self, probability: float) -> bool:
        """Whether a film must also be read mirrored, one view having given this probability.

        Below every threshold by more than the margin the other view would change no answer.
        Where a fracture is suspected both views are read: its box lies better.
        """
        if not self.is_mirrored or self.mirror_margin is None:
            return self.is_mirrored
        points = [self.operating_points, *(one.points for one in self.guarantees)]
        lowest = min(one.high_sensitivity for one in points)
        return _log_odds(probability) >= _log_odds(lowest) - self.mirror_margin

    @property
    def image_values(self) -> tuple[str, ...]:
        """Names of the values of a film that a calibration may use."""
        closer = ("closer",) if self.closer else ()
        turned = (TURNED,) if self.plan.frame == "portrait" else ()
        second = ("second",) if self.second else ()
        return ("logit", "heat", "box", *closer, *second, *turned)

    @property
    def box_values(self) -> tuple[str, ...]:
        """Names of the values of a box that a calibration may use."""
        return ("box",) + (("closer",) if self.closer else ())

    def __post_init__(self) -> None:
        if self.mirror_margin is not None and not self.mirror_margin >= 0:
            raise ModelError("a margin is no negative number", got=str(self.mirror_margin))
        if len({one.region for one in self.guarantees}) < len(self.guarantees):
            raise ModelError("the bundle holds two guarantees of one region")
        self.calibration.require_known(self.image_values)
        self.box_calibration.require_known(self.box_values)


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified bundle, ready for a runtime; without a scope it takes every film.

    Args:
        folder: Where it lies.
        manifest: What it is.
        scope: What it takes.
        sha256: Hash of all of it.
        files: Names of its files, without the manifest.
    """

    folder: Path
    manifest: Manifest
    scope: ScopeModel | None
    sha256: str
    files: tuple[str, ...] = ()

    def graph(self, precision: str | None = None) -> Path:
        """Return the ONNX file of a precision (the default one if None).

        Raises:
            UnknownNameError: If the bundle does not hold it.
        """
        graphs = dict(self.manifest.graphs)
        chosen = precision or self.manifest.default_precision
        if chosen not in graphs:
            raise UnknownNameError("precision", chosen, graphs)
        return self.folder / graphs[chosen]

    def identity(self, precision: str | None = None) -> ModelIdentity:
        """Return what a prediction says about its model."""
        return ModelIdentity(
            name=self.manifest.name,
            version=self.manifest.version,
            bundle_sha256=self.sha256,
            plan_sha256=self.manifest.plan.sha256,
            precision=precision or self.manifest.default_precision,
        )

    @cached_property
    def register(self) -> FilmRegister:
        """What the model was trained on; empty where the bundle does not say.

        Raises:
            ModelError: If the file is damaged.
        """
        path = self.folder / _REGISTER
        if not path.is_file():
            return FilmRegister.of(())
        try:
            return FilmRegister.from_arrays(load_file(path))
        except (KeyError, DataError, SafetensorError) as error:
            raise ModelError("the bundle's register of films is damaged", got=str(error)) from error

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return (self.folder / "card.md").read_text(encoding="utf-8")


def write_bundle(
    folder: Path,
    manifest: Manifest,
    scope: ScopeModel | None,
    register: FilmRegister | None = None,
) -> Bundle:
    """Write the manifest of a folder that holds the graphs, weights and card, and hash all."""
    for name, part in ((_SCOPE, scope), (_REGISTER, register)):
        (folder / name).unlink(missing_ok=True)
        if part is not None:
            save_file(part.as_arrays(), folder / name)
    seal_folder(folder, _document(manifest))
    return load_bundle(folder)


def load_bundle(source: str | Path) -> Bundle:
    """Load and verify a bundle, by a name as `find_bundle` takes it or by its folder.

    Raises:
        UnknownNameError: If it is neither a known name nor a folder.
        ModelError: If a file is missing, was changed, or the manifest is damaged.
    """
    folder = find_bundle(source)
    model, hashes, stated = open_sealed(folder)
    if isinstance(model, Mapping) and "encoder" in model:
        raise ModelError(
            f"{folder.name} is a segmenter, no reader",
            got=str(model.get("name")),
            cure="use it with fracturax segment --model",
        )
    if isinstance(model, Mapping) and "volume_network" in model:
        raise ModelError(
            f"{folder.name} reads CT, not radiographs",
            got=str(model.get("name")),
            cure="use it with fracturax read --model",
        )
    try:
        manifest = build(Manifest, model, where=MANIFEST)
        scope = ScopeModel.from_arrays(load_file(folder / _SCOPE)) if _SCOPE in hashes else None
    except (ConfigError, KeyError, OSError, SafetensorError) as error:
        raise ModelError("the bundle is damaged", got=str(error)) from error
    run = {name for _, name in manifest.graphs}
    run |= {manifest.closer.graph} if manifest.closer else set()
    run |= {manifest.second} if manifest.second else set()
    unlisted = run - hashes
    if unlisted:
        raise ModelError("the bundle runs a graph without a hash", got=", ".join(sorted(unlisted)))
    return Bundle(folder, manifest, scope, stated, tuple(sorted(hashes)))


def _document(manifest: Manifest) -> dict[str, Any]:
    # Like the plan, it leaves out what came later and is not used: old bundles keep their hash.
    document = asdict(manifest) | {"plan": manifest.plan.as_document()}
    plainest = {one.name: one.default for one in fields(manifest)}
    for name in _LATER:
        if getattr(manifest, name) == plainest[name]:
            del document[name]
    if manifest.closer is not None and manifest.closer.widths == (1.0,):
        del document["closer"]["widths"]
    plain: dict[str, Any] = json.loads(json.dumps(document))
    return plain

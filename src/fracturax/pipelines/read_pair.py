"""Film and CT of one patient, place by place: laid over each other, looked at in both, answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import MissingExtraError
from fracturax.core.finding import Finding
from fracturax.core.fusion import FusedReading, StreamShare
from fracturax.core.image import Volume
from fracturax.core.prediction import (
    ImagePrediction,
    ModelIdentity,
    OperatingPoints,
    Prediction,
    ProjectedFinding,
    most_suspicious,
)
from fracturax.core.study import Study
from fracturax.models.fused_answer import FusedAnswer, settle
from fracturax.models.fused_bundle import LOGIT
from fracturax.models.fused_runtime import FusedNetwork, FusedRaw, Streams
from fracturax.models.volume_reader import (
    VolumeAnswer,
    VolumePredictor,
    apart,
    both_sides,
    finding_at,
)
from fracturax.pipelines.explain_fusion import explain_radiomics
from fracturax.pipelines.pair_check import remarks_on
from fracturax.pipelines.place_on_film import FilmHint, PlacedFilm, place_films
from fracturax.radiomics.places import describe_crop, describe_cube
from fracturax.transforms.detail import with_detail

_AIR_HU = -1000.0
_CELL = 8
_OF_FILM, _OF_CT = ("xray", "radiomics_film"), ("ct", "radiomics_ct")
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Places:
    """Places of a CT with all that is known of them.

    Args:
        chosen: Their cubes, by number in the raw answer.
        side: Voxels along each side of a cube.
        streams: What the fusion takes.
        feature_names: Of each radiomics stream there is.
    """

    chosen: list[int]
    side: int
    streams: Streams
    feature_names: dict[str, tuple[str, ...]]


def read_pair(
    study: Study,
    ct: Volume,
    *,
    of_films: Prediction,
    reader: VolumePredictor,
    network: FusedNetwork,
    hint: FilmHint | None = None,
) -> Prediction:
    """Answer about films and a CT together, or about each alone where they cannot be joined.

    Args:
        study: Films and one CT.
        ct: The CT.
        of_films: What the films' own reader says of them.
        reader: Reader of CT.
        network: The fusion that goes with it.
        hint: What the films' files do not say.
    """
    films = study.radiographs
    own, raw = reader.examine(ct)
    remarks = remarks_on(films, ct)
    placed: tuple[PlacedFilm, ...] = ()
    if raw is not None:
        placed = place_films(films, ct, hint)
    used = [one for one in placed if one.beam is not None]
    placements = tuple(one.placement for one in placed)
    if raw is None or not used:
        why = own.reason or "no film could be laid over the CT"
        reading = FusedReading(0, films=placements, remarks=(*remarks, f"not fused: {why}"))
        of_ct = _of_one(study, own, reader.identity, reader.operating_points)
        return _joined(study, [of_ct, of_films], reading)
    places, missing = _look(ct, raw, reader, network, used)
    said = network.fuse(places.streams)
    answers = network.answers(places.streams, said)
    best = int(np.argmax([one.probability for one in answers]))
    answer = _answer_about(ct, raw, own, network, places, said, answers)
    manifest = network.bundle.manifest
    shares = answers[best].weights
    reading = FusedReading(
        places=len(answers),
        shares=tuple(StreamShare(name, weight) for name, weight in shares),
        alone=_alone(network, places.streams, best),
        generated=answers[best].generated,
        films=placements,
        features=explain_radiomics(network, places.streams, best, places.feature_names),
        remarks=(*remarks, *missing),
    )
    fused = _of_one(study, answer, network.bundle.identity, manifest.operating_points)
    shown = replace(of_films, images=tuple(_with_projections(of_films, placed, ct, answer)))
    return _joined(study, [fused, shown], reading)


def _look(
    ct: Volume,
    raw: VolumeAnswer,
    reader: VolumePredictor,
    network: FusedNetwork,
    films: Sequence[PlacedFilm],
) -> tuple[_Places, tuple[str, ...]]:
    """Look at the suspicious places of a CT, in it and in the films."""
    plan, crop = reader.bundle.manifest.plan, network.bundle.manifest.crop
    chosen = apart(raw.places, reader.probabilities(raw), size=plan.size)
    centers = _centers_mm(ct, raw, chosen, plan.size)
    cubes = _cubes(raw, chosen, plan.size)
    shown = plan.window(cubes)
    features, maps = both_sides(reader, shown)
    crops = [_crop_of(films, center, crop.pixels, crop.pixel_mm) for center in centers]
    seen = [index for index, one in enumerate(crops) if one is not None]
    cells = crop.pixels // _CELL
    by_stream = {
        "ct": with_detail(features, shown),
        "xray": np.full((len(chosen), network.bundle.manifest.sizes.xray), np.nan, np.float32),
    }
    film_maps = np.zeros((len(chosen), cells, cells), np.float32)
    if seen:
        film = network.film(np.stack([one for one in crops if one is not None]))
        by_stream["xray"][seen], film_maps[seen] = film.features, film.map
    numbers, names, missing = _radiomics(cubes, crops, plan.spacing_mm, crop.pixel_mm, network)
    streams = Streams({**by_stream, **numbers}, film_maps, maps)
    return _Places(chosen, plan.size, streams, names), missing


def _radiomics(
    cubes: Floats,
    crops: Sequence[Floats | None],
    voxel_mm: float,
    pixel_mm: float,
    network: FusedNetwork,
) -> tuple[dict[str, Floats], dict[str, tuple[str, ...]], tuple[str, ...]]:
    """Return the radiomics of places, their names, and what is to be told where there are none."""
    if not network.bundle.manifest.radiomics:
        return {}, {}, ()
    try:
        of_ct = [describe_cube(cube, voxel_mm) for cube in cubes]
        of_film = [None if one is None else describe_crop(one, pixel_mm) for one in crops]
    except MissingExtraError as error:
        return {}, {}, (f"radiomics did not take part: {error}",)
    names = {"radiomics_ct": of_ct[0].names}
    numbers = {"radiomics_ct": np.array([one.values for one in of_ct], np.float32)}
    known = [one for one in of_film if one is not None]
    if known:
        names["radiomics_film"] = known[0].names
        blank = np.full(len(known[0].names), np.nan)
        numbers["radiomics_film"] = np.array(
            [blank if one is None else one.values for one in of_film], np.float32
        )
    return numbers, names, ()


def _answer_about(
    ct: Volume,
    raw: VolumeAnswer,
    own: ImagePrediction,
    network: FusedNetwork,
    places: _Places,
    said: FusedRaw,
    answers: Sequence[FusedAnswer],
) -> ImagePrediction:
    """Return the fused answer about the CT: that of its most suspicious place."""
    manifest = network.bundle.manifest
    probability = max(one.probability for one in answers)
    completed = max(
        manifest.calibration_of(places.streams.names(index)).probability({LOGIT: float(logit)})
        for index, logit in enumerate(said.logit)
    )
    points = manifest.operating_points
    status = settle(points.status(probability), points.status(completed))
    findings: list[Finding] = []
    if status != "no_fracture":
        order = np.argsort([-one.probability for one in answers], kind="stable").tolist()
        for rank, index in enumerate(order):
            one = answers[index]
            if rank and one.status == "no_fracture":
                break
            certain = status == "fracture" and one.status == "fracture"
            findings.append(
                finding_at(
                    ct,
                    raw,
                    places.chosen[index],
                    places.side,
                    one.probability,
                    "certain" if certain else "doubt",
                )
            )
    return ImagePrediction(
        image=ct.name,
        status=status,
        probability=probability,
        findings=tuple(findings),
        activation=own.activation,
    )


def _alone(network: FusedNetwork, streams: Streams, place: int) -> tuple[tuple[str, float], ...]:
    """Return what the fusion says of a place from one kind of image alone."""
    found = []
    for kind, wanted in (("film", _OF_FILM), ("ct", _OF_CT)):
        names = tuple(name for name in streams.names(place) if name in wanted)
        if not names:
            continue
        part = slice(place, place + 1)
        one = Streams(
            {name: streams.features[name][part] for name in names},
            streams.xray_map[part],
            streams.ct_map[part],
        )
        logit = float(network.fuse(one).real_logit[0])
        calibration = network.bundle.manifest.calibration_of(names)
        found.append((kind, calibration.probability({LOGIT: logit})))
    return tuple(found)


def _with_projections(
    of_films: Prediction, placed: Sequence[PlacedFilm], ct: Volume, answer: ImagePrediction
) -> list[ImagePrediction]:
    """Return the films' answers with the CT's findings where they are seen in them."""
    by_name = {one.film.name: one for one in placed if one.beam is not None}
    made = []
    for own in of_films.images:
        film = by_name.get(own.image)
        shown: list[ProjectedFinding] = []
        for finding in answer.findings if film is not None else ():
            assert film is not None and finding.extent_mm is not None
            low, high = (np.array(corner) for corner in finding.extent_mm)
            sides = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
            box = film.box_of(sides)
            if box is not None:
                shown.append(ProjectedFinding(ct.name, box, finding.probability, finding.certainty))
        made.append(replace(own, projections=tuple(shown)))
    return made


def _crop_of(
    films: Sequence[PlacedFilm], center: npt.NDArray[np.float64], pixels: int, pixel_mm: float
) -> Floats | None:
    """Return a place in the film that fits the CT best among those that show it."""
    for film in sorted(films, key=lambda one: -(one.placement.likeness or 0.0)):
        found = film.crop(center, pixels=pixels, pixel_mm=pixel_mm)
        if found is not None:
            return found
    return None


def _cubes(raw: VolumeAnswer, chosen: Sequence[int], size: int) -> Floats:
    """Return cubes of the fine grid in HU, air where they reach over its border."""
    cubes = np.full((len(chosen), size, size, size), _AIR_HU, np.float32)
    for cube, index in zip(cubes, chosen, strict=True):
        first, row, column = raw.places[index].tolist()
        slab = raw.grid.slab(first, first + size)
        rows, columns = slab.shape[1:]
        top, left = max(row, 0), max(column, 0)
        part = slab[:, top : min(row + size, rows), left : min(column + size, columns)]
        cube[:, top - row :, left - column :][:, : part.shape[1], : part.shape[2]] = part
    return cubes


def _centers_mm(
    ct: Volume, raw: VolumeAnswer, chosen: Sequence[int], size: int
) -> npt.NDArray[np.float64]:
    middles = raw.places[list(chosen)] + size / 2
    sides = raw.grid.axis_map.boxes_to_original(np.concatenate([middles, middles], axis=1))
    affine = np.array(ct.geometry.affine)
    return np.asarray((sides[:, :3] - 0.5) @ affine[:3, :3].T + affine[:3, 3])


def _of_one(
    study: Study, answer: ImagePrediction, model: ModelIdentity, points: OperatingPoints
) -> Prediction:
    return Prediction(
        study_key=study.key,
        status=answer.status,
        model=model,
        operating_points=points,
        probability=answer.probability,
        reason=answer.reason,
        decisive_image=answer.image if answer.probability is not None else None,
        images=(answer,),
    )


def _joined(study: Study, answers: Sequence[Prediction], reading: FusedReading) -> Prediction:
    decisive = most_suspicious(answers)
    by_name = {image.image: image for answer in answers for image in answer.images}
    ordered = tuple(by_name[image.name] for image in study.images)
    return replace(decisive, images=ordered, fusion=reading)

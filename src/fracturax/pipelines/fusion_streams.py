"""What the streams say of prepared pairs, with networks that never saw the patient held out."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from fracturax.core.errors import DataError
from fracturax.core.progress import Progress, silent
from fracturax.datasets.pairs import PairedCase, PairedData
from fracturax.models.film_stream import FilmCnn, FilmTransformer
from fracturax.models.volume_reader import VolumePredictor, both_sides
from fracturax.pipelines.degraded_streams import (
    degraded_out_of_fold,
    degraded_streams,
    with_degraded,
)
from fracturax.pipelines.describe_pairs import CT_TABLE, FILM_TABLE
from fracturax.training.export import round_to_half
from fracturax.training.film_stream import (
    StemViews,
    StoredCrops,
    StreamPace,
    answer_maps,
    cells_of,
    central,
    make_views,
    train_film_stream,
)
from fracturax.training.fusion import StreamTable
from fracturax.transforms.detail import detail_of, with_detail
from fracturax.transforms.volume_plan import VolumePlan

FILM_NETWORK = "film_cnn"
FILM_RUN, CT_RUN = "film-stream", "ct-densenet121"
"""Folders of the streams' runs, beside that of the fusion."""
ANSWERS = "answers.safetensors"
_FILM_SIDE, _CT_SIDE = 112, 48
_VIEWS = 0
Floats = npt.NDArray[np.float32]


def store_crops(data: PairedData) -> StoredCrops:
    """Read the film crops of all cases."""
    films = [case.film() for case in data.cases]
    numbers = {patient: number for number, patient in enumerate(data.patients)}
    return StoredCrops(
        np.stack([one.pixels for one in films]),
        np.stack([one.fracture for one in films]),
        np.array([case.label for case in data.cases]),
        np.array([numbers[case.patient] for case in data.cases]),
    )


def view_crops(crops: StoredCrops, weights: str, *, seed: int) -> StemViews:
    """Return what the stem with some weights makes of crops; the same for every fold."""
    import torch

    from fracturax.models.film_stream import FilmStem

    # A network begins with its stem: of random weights it draws the very same one from this seed.
    torch.manual_seed(seed)
    return make_views(FilmStem(weights), crops, views=_VIEWS, seed=seed)


@dataclass(frozen=True)
class FilmStreamRun:
    """How the X-ray stream is trained.

    Args:
        network: Name in the registry of networks of the X-ray stream.
        weights: What its stem has.
        pace: How fast and how long.
    """

    network: str
    weights: str
    pace: StreamPace


@dataclass(frozen=True, eq=False)
class FinalStreams:
    """The streams as they ship, and what they say of all cases.

    Args:
        film: The X-ray stream's network, its weights rounded to half precision.
        table: What the streams say.
    """

    film: FilmCnn | FilmTransformer
    table: StreamTable


def final_streams(
    data: PairedData, crops: StoredCrops, film: FilmStreamRun, ct: VolumePredictor
) -> FinalStreams:
    """Train the X-ray stream on all patients, and ask it and a CT reader about all cases.

    Args:
        data: The pairs.
        crops: Their films.
        film: How the X-ray stream is trained.
        ct: Reader whose features are the CT stream.
    """
    views = view_crops(crops, film.weights, seed=film.pace.seed)
    network = train_film_stream(film.network, views, weights=film.weights, pace=film.pace)
    round_to_half(network)
    said = answer_maps(network, views.fine[0])
    features, maps = zip(*(_of_place(place, ct) for place in data.places()), strict=True)
    of_place = places_of(data)
    table = _table_of(
        data,
        crops,
        film=(said.features.numpy(), said.map.numpy()),
        ct=(np.concatenate(features)[of_place], np.concatenate(maps)[of_place]),
    )
    plan = ct.bundle.manifest.plan
    assert plan.size == _CT_SIDE, "the CT stream of the pairs sees cubes of this size"
    spoilt = degraded_streams(data, crops, network, partial(both_sides, ct))
    return FinalStreams(network, with_degraded(table, spoilt))


def _of_place(place: PairedCase, ct: VolumePredictor) -> tuple[Floats, Floats]:
    hu = central(place.ct().hu[None], _CT_SIDE)
    return both_sides(ct, ct.bundle.manifest.plan.window(hu))


def keep_film_stream(
    film: FilmStreamRun,
    views: StemViews,
    held_out: int,
    folder: Path,
    *,
    progress: Progress = silent,
) -> None:
    """Train the X-ray stream without one patient, and keep what it says of every crop."""
    network = train_film_stream(
        film.network,
        views.part(views.group != held_out),
        weights=film.weights,
        pace=film.pace,
        progress=progress,
    )
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.contiguous().numpy() for key, value in network.state_dict().items()}
    save_file(state, folder / "network.safetensors")
    said = answer_maps(network, views.fine[0])
    arrays = {"logit": said.logit, "features": said.features, "map": said.map}
    save_file({key: value.contiguous().numpy() for key, value in arrays.items()}, folder / ANSWERS)


def read_streams(
    data: PairedData, crops: StoredCrops, patient: str, runs: Path
) -> tuple[StreamTable, dict[str, Floats]]:
    """Return what the streams say of all cases, with networks that never saw a patient.

    Degraded streams are made on the way, once.

    Args:
        data: The pairs.
        crops: Their films.
        patient: Who was held out.
        runs: Folder of the runs of both streams.

    Returns:
        The table, and the streams' own logits, by stream, shape `(n,)`.

    Raises:
        DataError: If the CT stream has no answers about these pairs.
    """
    of_place = places_of(data)
    film = _answers(runs / FILM_RUN / patient / ANSWERS, "the X-ray stream")
    ct = _answers(runs / CT_RUN / patient / "features.safetensors", "the CT stream")
    if len(ct["logit"]) != of_place.max() + 1 or len(film["logit"]) != len(data.cases):
        raise DataError(
            "the streams were trained on other pairs",
            got=f"{len(ct['logit'])} places and {len(film['logit'])} films",
            cure="train both again on this folder",
        )
    table = _table_of(
        data,
        crops,
        film=(film["features"], film["map"]),
        ct=(ct["features"][of_place], ct["map"][of_place]),
    )
    spoilt = degraded_out_of_fold(
        data,
        crops,
        patient,
        runs=runs,
        film_run=runs / FILM_RUN,
        film_network=FILM_NETWORK,
        ct_run=runs / CT_RUN,
    )
    table = with_degraded(table, spoilt)
    return table, {"xray": film["logit"], "ct": ct["logit"][of_place]}


def _table_of(
    data: PairedData,
    crops: StoredCrops,
    *,
    film: tuple[Floats, Floats],
    ct: tuple[Floats, Floats],
) -> StreamTable:
    """Return features and maps of both networks, with detail, radiomics and truth beside them."""
    places, of_place = [case.ct() for case in data.places()], places_of(data)
    cubes = VolumePlan().window(central(np.stack([one.hu for one in places]), _CT_SIDE))
    features = {
        "xray": with_detail(film[0], central(crops.pixels, _FILM_SIDE)),
        "ct": np.concatenate([ct[0], detail_of(cubes)[of_place]], axis=1),
        **_radiomics(data),
    }
    fracture = np.stack([one.fracture for one in places])
    cells = {
        "xray": cells_of(np.asarray(central(crops.fracture, _FILM_SIDE), bool)),
        "ct": cells_of(np.asarray(central(fracture, _CT_SIDE), bool))[of_place],
    }
    return StreamTable(features, {"xray": film[1], "ct": ct[1]}, cells, crops.label, crops.group)


def places_of(data: PairedData) -> npt.NDArray[np.int64]:
    """Return the number of the place of every case, in the order in which places first stand."""
    number = {place.ct_path: index for index, place in enumerate(data.places())}
    return np.array([number[case.ct_path] for case in data.cases])


def _answers(path: Path, whose: str) -> dict[str, Floats]:
    try:
        return {name: np.asarray(one, np.float32) for name, one in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"{whose} has no answers about a patient it never saw",
            got=f"{type(error).__name__} for {path.parent.name}/{path.name}",
            cure=f"train it first with the same --out: recipes/{CT_RUN}.toml",
        ) from error


def _radiomics(data: PairedData) -> dict[str, Floats]:
    """Return the radiomics that lie beside the pairs; a table that is not there is no stream."""
    films = [case.name for case in data.cases]
    cubes = [case.ct_path.relative_to(data.folder).as_posix() for case in data.cases]
    read: dict[str, Floats] = {}
    tables = {"radiomics_film": (FILM_TABLE, films), "radiomics_ct": (CT_TABLE, cubes)}
    for stream, (table, names) in tables.items():
        if (data.folder / table).is_file():
            read[stream] = read_radiomics(data.folder / table, names)
    return read


def read_radiomics(path: Path, names: Sequence[str]) -> Floats:
    """Return rows of a table of radiomics, shape `(len(names), features)`.

    Raises:
        DataError: If a row is missing or holds no number.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        _, *rows = list(csv.reader(stream))
    try:
        table = {row[0]: [float(value) for value in row[1:]] for row in rows}
        values = np.array([table[name] for name in names], np.float32)
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(f"{path.name} lacks a row", got=f"{type(error).__name__}") from error
    if not np.isfinite(values).all():
        raise DataError(f"{path.name} holds what is no number", got="NaN or infinity")
    return values

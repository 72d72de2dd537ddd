"""What the streams say of prepared pairs, with networks that never saw the patient held out."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from fracturax.core.errors import DataError
from fracturax.core.progress import Progress, silent
from fracturax.datasets.pairs import PairedData
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

FILM_RUN, CT_RUN = "film-stream", "ct-densenet121"
"""Folders of the streams' runs, beside that of the fusion."""
ANSWERS = "answers.safetensors"
_CT_SIDE = 48
_VIEWS = 0
_LEFT_OUT = ("_shape", "Energy")
"""Radiomics of the outline and of its size: the outline is drawn by hand, fragment by fragment, and
knows where bone is broken."""
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
    from fracturax.models.film_stream import FilmStem

    return make_views(FilmStem(weights), crops, views=_VIEWS, seed=seed)


def keep_film_stream(
    name: str,
    views: StemViews,
    held_out: int,
    folder: Path,
    *,
    weights: str,
    pace: StreamPace,
    progress: Progress = silent,
) -> None:
    """Train the X-ray stream without one patient, and keep what it says of every crop."""
    network = train_film_stream(
        name, views.part(views.group != held_out), weights=weights, pace=pace, progress=progress
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
    features = {"xray": film["features"], "ct": ct["features"][of_place]}
    features |= _radiomics(data)
    fracture = np.stack([case.ct().fracture for case in data.places()])
    cells = {
        "xray": cells_of(np.asarray(central(crops.fracture, 112), bool)),
        "ct": cells_of(np.asarray(central(fracture, _CT_SIDE), bool))[of_place],
    }
    maps = {"xray": film["map"], "ct": ct["map"][of_place]}
    table = StreamTable(features, maps, cells, crops.label, crops.group)
    return table, {"xray": film["logit"], "ct": ct["logit"][of_place]}


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
    for stream, names in (("radiomics_film", films), ("radiomics_ct", cubes)):
        path = data.folder / f"{stream}.csv"
        if path.is_file():
            read[stream] = read_radiomics(path, names)
    return read


def read_radiomics(path: Path, names: Sequence[str]) -> Floats:
    """Return rows of a table of radiomics, without those that tell of the outline.

    Raises:
        DataError: If a row is missing or holds no number.
    """
    with path.open(newline="", encoding="utf-8") as stream:
        header, *rows = list(csv.reader(stream))
    kept = [
        index
        for index, name in enumerate(header)
        if index and not any(part in name for part in _LEFT_OUT)
    ]
    try:
        table = {row[0]: [float(row[index]) for index in kept] for row in rows}
        values = np.array([table[name] for name in names], np.float32)
    except (KeyError, ValueError, IndexError) as error:
        raise DataError(f"{path.name} lacks a row", got=f"{type(error).__name__}") from error
    if not np.isfinite(values).all():
        raise DataError(f"{path.name} holds what is no number", got="NaN or infinity")
    return values

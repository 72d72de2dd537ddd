"""Degraded films and cubes through the encoders: what a fusion learns to trust less."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import load_file, save_file

from fracturax.datasets.pairs import PairedCase, PairedData
from fracturax.models.film_stream import FilmCnn, FilmTransformer, build_film_stream
from fracturax.pipelines.train_volume import load_kept_network
from fracturax.training.degrade import DEGRADATIONS, degrade
from fracturax.training.film_stream import StoredCrops, answer_maps, central, stem_of
from fracturax.training.fusion import Spoilt, StreamTable
from fracturax.transforms.detail import with_detail
from fracturax.transforms.volume_plan import VolumePlan

EVERY = 2
"""Each so many films and places are degraded, in every way: the encoders take their time."""
DEGRADED_RUN = "degraded"
_CROP, _CUBE, _BATCH = 112, 48, 8
Floats = npt.NDArray[np.float32]
CtStream = Callable[[Floats], tuple[Floats, Floats]]
"""From cubes through the window, shape `(n, s, s, s)`, to features and maps."""


def degraded_streams(
    data: PairedData, crops: StoredCrops, film: FilmCnn | FilmTransformer, ct: CtStream
) -> dict[str, npt.NDArray[np.generic]]:
    """Return what both encoders say of degraded films and cubes.

    Args:
        data: The pairs.
        crops: Their films.
        film: The X-ray stream.
        ct: The CT stream.

    Returns:
        `xray_rows`, `ct_rows`: numbers of the cases; `<stream>_<kind>_features` and `…_map`: one
        row for each of them.
    """
    places = data.places()
    number = {place.ct_path: index for index, place in enumerate(places)}
    of_place = np.array([number[case.ct_path] for case in data.cases])
    rows = np.arange(0, len(data.cases), EVERY)
    chosen = np.arange(0, len(places), EVERY)
    # Both films of a place have its cube.
    cases = np.flatnonzero(np.isin(of_place, chosen))
    place_of_case = np.searchsorted(chosen, of_place[cases])
    films = central(crops.pixels, _CROP)
    arrays: dict[str, npt.NDArray[np.generic]] = {"xray_rows": rows, "ct_rows": cases}
    for kind in DEGRADATIONS:
        spoilt = np.stack([degrade(films[i], kind, generator=_chance(kind, i)) for i in rows])
        said = answer_maps(film, stem_of(film.stem, spoilt))
        arrays[f"xray_{kind}_features"] = with_detail(said.features.numpy(), spoilt)
        arrays[f"xray_{kind}_map"] = said.map.numpy()
        cubes = np.stack([_cube(places[i], kind, _chance(kind, i)) for i in chosen])
        features, maps = ct(cubes)
        arrays[f"ct_{kind}_features"] = with_detail(features, cubes)[place_of_case]
        arrays[f"ct_{kind}_map"] = maps[place_of_case]
    return arrays


def degraded_out_of_fold(
    data: PairedData,
    crops: StoredCrops,
    patient: str,
    *,
    runs: Path,
    film_run: Path,
    film_network: str,
    ct_run: Path,
) -> dict[str, npt.NDArray[np.generic]]:
    """Return the degraded streams of the encoders that never saw a patient, kept once made.

    Args:
        data: The pairs.
        crops: Their films.
        patient: Who was held out.
        runs: Folder of the runs; they are kept in `degraded/` of it.
        film_run: Run of the X-ray stream.
        film_network: Its name in the registry.
        ct_run: Run of the CT stream.
    """
    path = runs / DEGRADED_RUN / f"{patient}.safetensors"
    if path.is_file():
        return dict(load_file(path))
    film = build_film_stream(film_network)
    state = load_file(film_run / patient / "network.safetensors")
    film.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    network = load_kept_network(ct_run / patient)
    made = degraded_streams(data, crops, film, lambda cubes: _of_both_sides(network, cubes))
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(one) for name, one in made.items()}, path)
    return made


def with_degraded(table: StreamTable, arrays: Mapping[str, npt.NDArray[np.generic]]) -> StreamTable:
    """Return a table of streams with its degraded ones; of the other cases none are known."""
    spoilt: dict[str, dict[str, Spoilt]] = {}
    for stream in ("xray", "ct"):
        rows = arrays[f"{stream}_rows"]
        for kind in DEGRADATIONS:
            features = np.full_like(table.features[stream], np.nan)
            maps = np.full_like(table.maps[stream], np.nan)
            features[rows] = arrays[f"{stream}_{kind}_features"]
            maps[rows] = arrays[f"{stream}_{kind}_map"]
            spoilt.setdefault(stream, {})[kind] = Spoilt(features, maps)
    return replace(table, spoilt=spoilt)


def _chance(kind: str, index: int | np.integer[Any]) -> np.random.Generator:
    return np.random.default_rng([DEGRADATIONS.index(kind), int(index)])


def _cube(place: PairedCase, kind: str, generator: np.random.Generator) -> Floats:
    hu = central(place.ct().hu[None], _CUBE)[0]
    return degrade(VolumePlan().window(hu), kind, generator=generator)


@torch.inference_mode()
def _of_both_sides(network: torch.nn.Module, cubes: Floats) -> tuple[Floats, Floats]:
    """Return features and maps, each the mean of a cube and its mirror image, as of clean ones."""
    features, maps = [], []
    for start in range(0, len(cubes), _BATCH):
        part = torch.from_numpy(cubes[start : start + _BATCH])[:, None]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            one, other = network(part), network(part.flip(4))
        features.append(((one.features.float() + other.features.float()) / 2).numpy())
        maps.append(((one.map.float() + other.map.float().flip(3)) / 2).numpy())
    return np.concatenate(features), np.concatenate(maps)

"""Degraded streams through the encoders, for `tables.py`: of each fifth film and cube.

python benchmarks/accuracy/fusion/degraded.py --root PAIRS --runs RUNS --weights MOBILENET
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file

from fracturax.datasets.pairs import open_pairs
from fracturax.models.film_stream import FilmStem, build_film_stream
from fracturax.models.volume import build_volume_network
from fracturax.pipelines.fusion_streams import CT_RUN, FILM_RUN, places_of, store_crops
from fracturax.training.degrade import DEGRADATIONS, degrade
from fracturax.training.film_stream import answer_maps, central, stem_of
from fracturax.transforms.volume_plan import VolumePlan

EVERY = 5


def main() -> None:
    """Write `RUNS/degraded/<patient>.safetensors`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--weights", required=True, help="what the stem of the film stream has")
    options = parser.parse_args()
    data = open_pairs(options.root)
    films = central(store_crops(data).pixels, 112)
    of_place, places = places_of(data), data.places()
    rows = np.arange(0, len(films), EVERY)
    chosen = np.arange(0, len(places), EVERY)
    stem = FilmStem(options.weights)
    fine = {
        kind: stem_of(
            stem, np.stack([degrade(films[i], kind, generator=_chance(kind, i)) for i in rows])
        )
        for kind in DEGRADATIONS
    }
    cubes = {
        kind: np.stack([_cube(places[i], kind, _chance(kind, i)) for i in chosen])
        for kind in DEGRADATIONS
    }
    # Both films of a place have its cube.
    cases = np.flatnonzero(np.isin(of_place, chosen))
    place_of_case = np.searchsorted(chosen, of_place[cases])
    for patient in data.patients:
        film = build_film_stream("film_cnn", weights=options.weights)
        film.load_state_dict(load_file(options.runs / FILM_RUN / patient / "network.safetensors"))
        ct = build_volume_network(
            "densenet121_3d", weights=str(options.runs / CT_RUN / patient / "network.safetensors")
        ).eval()
        arrays = {"xray_rows": rows, "ct_rows": cases}
        for kind in DEGRADATIONS:
            said = answer_maps(film, fine[kind])
            arrays[f"xray_{kind}_features"] = said.features.numpy()
            arrays[f"xray_{kind}_map"] = said.map.numpy()
            features, maps = _of_both_sides(ct, cubes[kind])
            arrays[f"ct_{kind}_features"] = features[place_of_case]
            arrays[f"ct_{kind}_map"] = maps[place_of_case]
        folder = options.runs / "degraded"
        folder.mkdir(exist_ok=True)
        save_file(
            {name: np.ascontiguousarray(one) for name, one in arrays.items()},
            folder / f"{patient}.safetensors",
        )


def _chance(kind: str, index: int) -> np.random.Generator:
    return np.random.default_rng([DEGRADATIONS.index(kind), int(index)])


def _cube(place, kind: str, generator: np.random.Generator) -> np.ndarray:
    return degrade(VolumePlan().window(place.ct().hu[4:52, 4:52, 4:52]), kind, generator=generator)


@torch.inference_mode()
def _of_both_sides(network, cubes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return features and maps, each the mean of a cube and its mirror image, as of clean ones."""
    features, maps = [], []
    for start in range(0, len(cubes), 8):
        part = torch.from_numpy(cubes[start : start + 8])[:, None]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            one, other = network(part), network(part.flip(4))
        features.append(((one.features.float() + other.features.float()) / 2).numpy())
        maps.append(((one.map.float() + other.map.float().flip(3)) / 2).numpy())
    return np.concatenate(features), np.concatenate(maps)


if __name__ == "__main__":
    main()

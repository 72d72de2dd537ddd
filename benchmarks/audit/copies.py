"""How well and how fast copies are found on FracAtlas.

    python benchmarks/audit/copies.py --root ../shared/data/fracatlas [--pairs FILE] [--look DIR]

Measures, and writes `copies.json` beside this script:
  release   all films: reading and fingerprints in two processes, the search in one; wall-clock and
            CPU seconds, memory, the natural copies (named in `--pairs`)
  planted   1,000 films clean of natural copies and 100 planted copies of ten kinds, found blind:
            recall by kind and false pairs, drawn side by side into `--look`. Thresholds were set
            on films whose number has an even quotient by 50; these are the others
  growth    the search alone on 5,000 to 40,000 synthetic fingerprints: each corner's descriptor
            is the mean of two that were drawn from real films, so that their spread is real and
            no two are the same; places and pictures are those of real films
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from planted_copies import KINDS, plant

from fracturax.core.errors import ImageError
from fracturax.datasets.copies import CopyPair, find_copies
from fracturax.datasets.fingerprints import Fingerprint, fingerprint
from fracturax.imaging import open_study

HERE = Path(__file__).parent
PROCESSES = 2
FILMS, COPIES = 1000, 100
BLOCK = 50


@dataclass(frozen=True, eq=False)
class Film:
    """A film of the release that can be read."""

    path: Path
    fingerprint: Fingerprint

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def is_for_report(self) -> bool:
        """Whether the thresholds were set without this film."""
        return int(self.name[3:]) // BLOCK % 2 == 1


def read_pixels(path: Path) -> npt.NDArray[np.uint8]:
    """Read a film as the package does, in 8 bits."""
    study = open_study(path)
    if study.unreadable:
        raise ImageError(study.unreadable[0].reason)
    return np.round(study.radiographs[0].pixels * 255).astype(np.uint8)


def take(path: Path) -> Fingerprint | None:
    """Read and fingerprint one film; None if it cannot be read."""
    try:
        return fingerprint(read_pixels(path))
    except ImageError:
        return None


def cpu_s() -> float:
    """Return the CPU seconds of this process and its finished children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_mib() -> float:
    """Return the largest resident memory so far: this process and two of its largest child."""
    own, child = (
        resource.getrusage(who).ru_maxrss / 1024
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own + PROCESSES * child


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """Do some work; return its result and its wall-clock and CPU seconds."""
    wall, cpu = time.perf_counter(), cpu_s()
    result = work()
    return result, {
        "wall_s": round(time.perf_counter() - wall, 2),
        "cpu_s": round(cpu_s() - cpu, 2),
    }


def one_thread() -> None:
    """Keep OpenCV to one thread in each process."""
    cv2.setNumThreads(1)


def measure_release(root: Path) -> tuple[list[Film], list[CopyPair], dict[str, Any]]:
    """Read, fingerprint and search the whole release."""
    paths = sorted((root / "images").rglob("*.jpg"))

    def take_all() -> list[Fingerprint | None]:
        with ProcessPoolExecutor(PROCESSES, initializer=one_thread) as pool:
            return list(pool.map(take, paths, chunksize=32))

    prints, taking = timed(take_all)
    films = [Film(path, one) for path, one in zip(paths, prints, strict=True) if one is not None]
    pairs, searching = timed(lambda: find_copies([film.fingerprint for film in films]))
    return (
        films,
        pairs,
        {
            "files": len(paths),
            "readable": len(films),
            "reading_and_fingerprints": {"processes": PROCESSES, **taking},
            "search": {"processes": 1, **searching},
            "peak_mib": round(peak_mib()),
            "exact_pairs": sum(pair.kind == "exact" for pair in pairs),
            "near_pairs": sum(pair.kind == "near" for pair in pairs),
        },
    )


def measure_planted(
    films: Sequence[Film], natural: Sequence[CopyPair], *, seed: int, look: Path | None
) -> dict[str, Any]:
    """Plant 100 copies among 1,000 clean films and look for them."""
    copied = {index for pair in natural for index in (pair.one, pair.other)}
    clean = [film for index, film in enumerate(films) if index not in copied and film.is_for_report]
    generator = np.random.default_rng(seed)
    chosen = [clean[index] for index in generator.permutation(len(clean))[:FILMS].tolist()]
    kinds = [kind for kind in KINDS for _ in range(COPIES // len(KINDS))]
    copies = [
        plant(read_pixels(film.path), kind, generator)
        for film, kind in zip(chosen, kinds, strict=False)
    ]
    prints = [film.fingerprint for film in chosen] + [fingerprint(copy) for copy in copies]
    order = generator.permutation(len(prints)).tolist()
    pairs, searching = timed(lambda: find_copies([prints[index] for index in order]))
    found = {tuple(sorted((order[pair.one], order[pair.other]))): pair for pair in pairs}
    planted = {(number, FILMS + number): kind for number, kind in enumerate(kinds)}
    false = sorted(set(found) - set(planted))
    if look is not None:
        for one, other in false:
            sides = [
                copies[index - FILMS] if index >= FILMS else read_pixels(chosen[index].path)
                for index in (one, other)
            ]
            names = [chosen[index % FILMS].name for index in (one, other)]
            draw_side_by_side(sides, look / f"{seed}-{names[0]}-{names[1]}.png")
    recall = {
        kind: sum(name == kind and pair in found for pair, name in planted.items())
        / kinds.count(kind)
        for kind in KINDS
    }
    return {
        "seed": seed,
        "recall": sum(pair in found for pair in planted) / len(planted),
        "recall_by_kind": recall,
        "missed": sorted(
            f"{chosen[pair[0]].name} {kind}" for pair, kind in planted.items() if pair not in found
        ),
        "false_pairs": [
            {
                "films": [chosen[index % FILMS].name for index in pair],
                "planted": [kinds[index - FILMS] if index >= FILMS else None for index in pair],
                "similarity": found[pair].similarity,
            }
            for pair in false
        ],
        "search": searching,
    }


def draw_side_by_side(sides: Sequence[npt.NDArray[np.uint8]], path: Path) -> None:
    """Write two films into one picture, each 512 high."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scaled = [
        cv2.resize(side, (max(1, round(side.shape[1] * 512 / side.shape[0])), 512))
        for side in sides
    ]
    cv2.imwrite(str(path), np.hstack(scaled))


def synthetic(
    films: Sequence[Film], count: int, generator: np.random.Generator
) -> list[Fingerprint]:
    """Make fingerprints of films that do not exist; their pictures are shared with real ones."""
    pool = np.concatenate([film.fingerprint.descriptors for film in films]).astype(np.int16)
    prints = []
    for number in range(count):
        model = films[number % len(films)].fingerprint
        drawn = pool[generator.integers(0, len(pool), (2, len(model.places)))]
        mixed = np.clip(np.round(drawn.sum(axis=0) / np.sqrt(2)), -127, 127).astype(np.int8)
        prints.append(replace(model, pixel_sha256=f"synthetic {number}", descriptors=mixed))
    return prints


def measure_growth(films: Sequence[Film], counts: Sequence[int]) -> list[dict[str, float]]:
    """Measure the search on more and more synthetic fingerprints."""
    rows = []
    for count in counts:
        prints = synthetic(films, count, np.random.default_rng(count))
        pairs, seconds = timed(lambda prints=prints: find_copies(prints))
        rows.append(
            {
                "images": count,
                "cpu_ms_per_image": round(1000 * seconds["cpu_s"] / count, 3),
                "pairs": len(pairs),
                "peak_mib": round(peak_mib()),
                **seconds,
            }
        )
    return rows


def measure_release_in_parts(films: Sequence[Film]) -> list[dict[str, float]]:
    """Measure the search on parts of the release."""
    generator = np.random.default_rng(0)
    rows = []
    for count in (len(films) // 4, len(films) // 2, len(films)):
        part = generator.permutation(len(films))[:count].tolist()
        prints = [films[index].fingerprint for index in part]
        _, seconds = timed(lambda prints=prints: find_copies(prints))
        rows.append(
            {
                "images": count,
                "cpu_ms_per_image": round(1000 * seconds["cpu_s"] / count, 3),
                **seconds,
            }
        )
    return rows


def main() -> None:
    """Measure all and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the FracAtlas release")
    parser.add_argument("--pairs", type=Path, help="where to write the release's pairs, named")
    parser.add_argument("--look", type=Path, help="folder for pictures of the false pairs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103, 104, 105])
    parser.add_argument("--counts", type=int, nargs="*", default=[5000, 20000, 40000])
    parser.add_argument("--out", type=Path, default=HERE / "copies.json")
    options = parser.parse_args()
    one_thread()
    films, pairs, release = measure_release(options.root)
    print(json.dumps(release), flush=True)
    if options.pairs is not None:
        named = [
            {**asdict(pair), "one": films[pair.one].name, "other": films[pair.other].name}
            for pair in pairs
        ]
        options.pairs.write_text(json.dumps(named, indent=1) + "\n", encoding="utf-8")
    planted = []
    for seed in options.seeds:
        planted.append(measure_planted(films, pairs, seed=seed, look=options.look))
        print(json.dumps(planted[-1]), flush=True)
    growth = measure_growth(films, options.counts)
    print(json.dumps(growth), flush=True)
    result = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "opencv": cv2.__version__,
        "release": release,
        "release_in_parts": measure_release_in_parts(films),
        "planted": {
            "films": FILMS,
            "copies": COPIES,
            "trials": planted,
            "recall": sum(one["recall"] for one in planted) / len(planted),
            "false_pairs_per_1000_images": 1000
            * sum(len(one["false_pairs"]) for one in planted)
            / (len(planted) * (FILMS + COPIES)),
        },
        "growth": growth,
    }
    text = json.dumps(result, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

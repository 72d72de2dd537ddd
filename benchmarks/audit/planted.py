"""What `fracturax audit` finds of what was planted in 1,000 real films, and what it costs.

    python benchmarks/audit/planted.py --root ../shared/data/fracatlas

Writes planted.json beside itself. The films are whole ones of FracAtlas that are no copy of
another, decoded and encoded anew in one way under new numbers, in a folder per class: so nothing
but what is planted is left to be found. Planted are 100 copies of ten kinds, of which 20 have the
contrary label, 30 truncated files, and a JPEG quality that goes with the label.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from fracturax.core.audit import Audit
from fracturax.datasets import open_dataset
from fracturax.datasets.examine import display_pixels
from fracturax.imaging import open_study
from fracturax.pipelines.audit import audit, write_audit

HERE = Path(__file__).parent
SEED = 20261121
FILMS, FRACTURED, OF_EACH_KIND, FLIPS, TRUNCATED = 1000, 300, 10, 20, 30
QUALITY, OTHER_QUALITY = 90, 80
SHARE_TOLD, SHARE_MISLED = 0.8, 0.1
"""The other quality has so many of the fractured films, and so many of those that are not."""

Film = npt.NDArray[np.uint8]


def turned(film: Film, degrees: float) -> Film:
    """Turn a film a little, as when it is scanned askew; the corners become black."""
    rows, columns = film.shape
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1.0)
    return np.asarray(
        cv2.warpAffine(film, matrix, (columns, rows), flags=cv2.INTER_CUBIC), np.uint8
    )


def smaller(film: Film) -> Film:
    """Scale a film to 60 %."""
    return np.asarray(
        cv2.resize(film, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA), np.uint8
    )


def cropped(film: Film) -> Film:
    """Cut a tenth off at each side."""
    rows, columns = (side // 10 for side in film.shape)
    return film[rows:-rows, columns:-columns]


def cut_off(film: Film) -> Film:
    """Paint the lower quarter black, as a broken transfer leaves it."""
    film = film.copy()
    film[film.shape[0] * 3 // 4 :] = 0
    return film


def brighter(film: Film) -> Film:
    """Brighten by a curve, as another viewer does."""
    return np.rint(255 * (film / 255) ** 0.7).astype(np.uint8)


KINDS: dict[str, Callable[[Film], Film]] = {
    "same pixels": lambda film: film,
    "encoded anew": lambda film: film,
    "brighter": brighter,
    "smaller": smaller,
    "mirrored": lambda film: film[:, ::-1],
    "a quarter turn": np.rot90,
    "upside down": lambda film: film[::-1, ::-1],
    "turned by 4 degrees": lambda film: turned(film, 4.0),
    "cropped": cropped,
    "cut off": cut_off,
}


def main() -> None:
    """Plant, audit, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    parser.add_argument("--keep", type=Path, help="keep the planted set and its page here")
    chosen = parser.parse_args()
    path = HERE / "planted.json"
    result = json.loads(path.read_text()) if path.is_file() else {}
    with tempfile.TemporaryDirectory() as place:
        folder = chosen.keep or Path(place)
        truth = plant(chosen.root, folder / "films")
        found, cost = measured(folder / "films")
        result["planted"] = {**compare(found, truth), "cost": cost}
        if chosen.keep:
            write_audit(found, root=folder / "films", out=folder)
    result["machine"] = {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_average_when_done": [round(load, 2) for load in os.getloadavg()],
    }
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


def plant(root: Path, folder: Path) -> dict[str, object]:
    """Write the planted set and return what is true of it, by file."""
    shutil.rmtree(folder, ignore_errors=True)
    generator = np.random.default_rng(SEED)
    names = clean_films(root, generator)
    numbers = generator.permutation(len(names) + OF_EACH_KIND * len(KINDS)) + 1
    files = [_file(label, number) for (_, label), number in zip(names, numbers, strict=False)]
    order = generator.permutation(len(names)).tolist()
    sources, damaged = order[: OF_EACH_KIND * len(KINDS)], order[-TRUNCATED:]
    copies, flips = {}, []
    for kind_folder in ("fractured", "normal"):
        (folder / kind_folder).mkdir(parents=True)
    for index, (path, label) in enumerate(names):
        film = display_pixels(open_study(path).radiographs[0])
        _write(folder / files[index], film, _quality(label, generator))
        if index not in sources:
            continue
        place = sources.index(index)
        kind = list(KINDS)[place % len(KINDS)]
        is_flipped = place < FLIPS
        copy = _file(label != is_flipped, int(numbers[len(names) + place]))
        if kind == "same pixels":
            shutil.copyfile(folder / files[index], folder / copy)
        else:
            quality = 60 if kind == "encoded anew" else _quality(label != is_flipped, generator)
            _write(folder / copy, np.ascontiguousarray(KINDS[kind](film)), quality)
        copies[copy] = (files[index], kind)
        if is_flipped:
            flips.append(copy)
    for place, index in enumerate(damaged):
        data = (folder / files[index]).read_bytes()
        # Each sixth lacks its end marker alone: every decoder shows the whole picture.
        end = len(data) - 2 if place % 6 == 0 else round(len(data) * generator.uniform(0.15, 0.98))
        (folder / files[index]).write_bytes(data[:end])
    return {"copies": copies, "flips": flips, "truncated": [files[index] for index in damaged]}


def clean_films(root: Path, generator: np.random.Generator) -> list[tuple[Path, bool]]:
    """Return whole films that are no copies of another, with their labels."""
    before = audit(root)
    excluded = {one.file for one in (*before.truncated, *before.unreadable)}
    excluded |= {file for group in before.copies for file in group.files}
    by_label: dict[bool, list[Path]] = {True: [], False: []}
    for case in open_dataset("fracatlas", root=root):
        assert case.path is not None
        if case.path.relative_to(root).as_posix() not in excluded:
            by_label[case.reference.fracture].append(case.path)
    chosen = []
    for label, count in ((True, FRACTURED), (False, FILMS - FRACTURED)):
        picked = generator.choice(len(by_label[label]), count, replace=False)
        chosen += [(by_label[label][index], label) for index in picked.tolist()]
    return chosen


def compare(found: Audit, truth: dict[str, object]) -> dict[str, object]:
    """Say how much of what was planted was found, and what was found besides."""
    copies: dict[str, tuple[str, str]] = truth["copies"]  # type: ignore[assignment]
    planted = {frozenset((copy, original)): kind for copy, (original, kind) in copies.items()}
    pairs = {frozenset((link.one, link.other)) for group in found.copies for link in group.pairs}
    hit = planted.keys() & pairs
    flips = {frozenset((copy, copies[copy][0])) for copy in truth["flips"]}  # type: ignore[attr-defined]
    conflicts = {frozenset(one.fractured + one.not_fractured) for one in found.label_conflicts}
    truncated = {one.file for one in found.truncated}
    damaged = set(truth["truncated"])  # type: ignore[call-overload]
    return {
        "films": found.counts.files,
        "copies_planted": len(planted),
        "copies_found": len(hit),
        "copies_found_by_kind": {
            kind: sum(planted[pair] == kind for pair in hit) for kind in KINDS
        },
        "copies_missed": sorted(
            f"{planted[pair]}: {' and '.join(sorted(pair))}" for pair in planted.keys() - hit
        ),
        "false_pairs": sorted(" and ".join(sorted(pair)) for pair in pairs - planted.keys()),
        "label_conflicts_planted": len(flips),
        "label_conflicts_found": len(flips & conflicts),
        "label_conflicts_false": len(conflicts - flips),
        "truncated_planted": len(damaged),
        "truncated_found": len(damaged & truncated),
        "truncated_false": len(truncated - damaged),
        "unreadable_false": len(found.unreadable),
        "shortcuts_named": {one.trait: round(one.auroc, 3) for one in found.named_shortcuts},
        "shortcut_rule": next(
            (one.rule for one in found.shortcuts if one.trait == "quality"), "not measured"
        ),
        "weak": [one.trait for one in found.shortcuts if one.verdict == "weak"],
        "harmless": [one.trait for one in found.shortcuts if one.verdict == "harmless"],
    }


def measured(root: Path) -> tuple[Audit, dict[str, float]]:
    """Audit a data set and return what it cost: seconds, processor seconds, memory of all parts."""
    before = [resource.getrusage(who) for who in _WHO]
    start = time.perf_counter()
    found = audit(root)
    wall = time.perf_counter() - start
    after = [resource.getrusage(who) for who in _WHO]
    cpu = sum(
        now.ru_utime + now.ru_stime - then.ru_utime - then.ru_stime
        for now, then in zip(after, before, strict=True)
    )
    own, one_child = (usage.ru_maxrss / 1024 for usage in after)
    workers = os.cpu_count() or 1
    return found, {
        "wall_s": round(wall, 1),
        "processor_s": round(cpu, 1),
        "processor_ms_a_film": round(1000 * cpu / max(found.counts.files, 1), 2),
        "memory_mib_at_most": round(own + workers * one_child),
    }


_WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


def _file(label: bool, number: int) -> str:
    return f"{'fractured' if label else 'normal'}/film{number:05d}.jpg"


def _quality(label: bool, generator: np.random.Generator) -> int:
    share = SHARE_TOLD if label else SHARE_MISLED
    return OTHER_QUALITY if generator.random() < share else QUALITY


def _write(path: Path, film: Film, quality: int) -> None:
    if not cv2.imwrite(str(path), film, [cv2.IMWRITE_JPEG_QUALITY, quality]):
        sys.exit(f"{path} cannot be written")


if __name__ == "__main__":
    main()

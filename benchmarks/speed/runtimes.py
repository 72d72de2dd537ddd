"""Each runtime on the graphs that come with the package, in one run, and how far answers differ.

  python benchmarks/speed/runtimes.py --root ../shared/data [--films 100] [--out FILE]

graphs  wall-clock time of one inference, as a reader makes it, on one thread and on two: median
        of 15 runs
films   FracAtlas films, evenly spread: the largest difference of a probability from that of
        ONNX Runtime, and answers that change
ct      the same of the real CT of `totalsegmentator-ct`
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import fracturax as fx
from fracturax.core.errors import UnreadableImageError
from fracturax.core.study import Study
from fracturax.models.fastest import RUNTIME_VARIABLE, RUNTIMES
from fracturax.models.store import packaged_bundles

HERE = Path(__file__).parent
CT = Path("totalsegmentator-ct/example_ct.nii.gz")
GRAPHS = {
    "xray, both views": ("xray/model.onnx", "images", (2, 1, 416, 352)),
    "closer look, 8 windows": ("xray/closer.onnx", "images", (16, 1, 96, 96)),
    "ct, 4 cubes": ("ct/model.onnx", "volumes", (4, 1, 48, 48, 48)),
}
RUNS = 15


def measure_graphs() -> dict[str, dict[str, float]]:
    """Time every graph on every runtime."""
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, float]] = {}
    for what, (file, name, shape) in GRAPHS.items():
        bundle, graph = file.split("/")
        data = (packaged_bundles()[bundle] / graph).read_bytes()
        images = rng.random(shape, np.float32)
        for threads in (1, 2):
            row = {}
            for runtime, opened in RUNTIMES.items():
                session = opened(data, threads)
                session.run(session.output_names, {name: images})
                times = []
                for _ in range(RUNS):
                    start = time.perf_counter()
                    session.run(session.output_names, {name: images})
                    times.append(time.perf_counter() - start)
                row[f"{runtime}_s"] = statistics.median(times)
            found[f"{what}, {threads} {'thread' if threads == 1 else 'threads'}"] = row
    return found


def measure_answers(name: str, studies: list[Study]) -> dict[str, dict[str, float]]:
    """Compare the answers of every runtime with those of the first."""
    found: dict[str, dict[str, float]] = {}
    first: list[tuple[float, str]] = []
    for runtime in RUNTIMES:
        os.environ[RUNTIME_VARIABLE] = runtime
        model = fx.load(name)
        said = [fx.read(study, model) for study in studies]
        answers = [(one.probability or 0.0, one.status) for one in said]
        first = first or answers
        pairs = list(zip(answers, first, strict=True))
        found[runtime] = {
            "studies": len(studies),
            "largest_difference_of_a_probability": max(abs(a[0] - b[0]) for a, b in pairs),
            "answers_that_change": sum(a[1] != b[1] for a, b in pairs),
        }
    del os.environ[RUNTIME_VARIABLE]
    return found


def films_of(root: Path, count: int) -> Iterator[Study]:
    """Yield FracAtlas films; the release holds some that are cut off."""
    every = sorted(root.rglob("IMG*.jpg"))
    for path in every[:: max(1, len(every) // count)][:count]:
        with suppress(UnreadableImageError):
            yield fx.open(path)


def main() -> None:
    """Run all and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the folder of shared data")
    parser.add_argument("--films", type=int, default=100)
    parser.add_argument("--out", type=Path, default=HERE / "runtimes.json")
    options = parser.parse_args()
    films = list(films_of(options.root / "fracatlas" / "images", options.films))
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in RUNTIMES},
        "graphs": measure_graphs(),
        "films": measure_answers("xray", films),
        "ct": measure_answers("ct", [fx.open(options.root / CT)]),
    }
    text = json.dumps(result, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

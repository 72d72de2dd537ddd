"""How long a film takes: the six U-Nets at the paper's 224 x 224, on ONNX Runtime and one thread.

    python benchmarks/accuracy/pelvis/speed.py --films films --runs runs/pelvis

Median processor time from a film to its mask, which other work on the machine does not lengthen by
much. What the weights are does not matter, so the networks are not trained.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from fracturax.core.image import Radiograph
from fracturax.datasets.masks import open_masked_films
from fracturax.models.catalog import ENCODERS
from fracturax.models.segmenter import GRAPH, OUTPUTS, Segmenter, SegmenterManifest
from fracturax.models.unet import UNet
from fracturax.training.export import export_network
from fracturax.transforms.plan import PreprocessingPlan

_PLAN = PreprocessingPlan(224, 224)
_REPEATS = 12


def main() -> None:
    """Measure what was not measured before, and write it after each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--films", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    options = parser.parse_args()
    film, _ = open_masked_films(options.films, salt="simulated films have no secrets")[0].read()
    path = options.runs / "speed.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    for encoder in ENCODERS:
        if encoder not in known:
            known[encoder] = milliseconds(encoder, film)
            path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
            print(encoder, f"{known[encoder]:.0f} ms", flush=True)


def milliseconds(encoder: str, film: Radiograph) -> float:
    """Return the median processor time of one film, from film to mask."""
    manifest = SegmenterManifest(
        *(encoder, "0", "unet", encoder, "random", ("bone",), "2026-01-01"), _PLAN
    )
    with tempfile.TemporaryDirectory() as name:
        export_network(UNet(encoder).eval(), (224, 224), Path(name), outputs=OUTPUTS)
        segmenter = Segmenter(Path(name) / GRAPH, manifest, threads=1)
    times = []
    for _ in range(_REPEATS):
        start = time.process_time()
        segmenter.segment(film)
        times.append(1000 * (time.process_time() - start))
    return float(np.median(times))


if __name__ == "__main__":
    main()

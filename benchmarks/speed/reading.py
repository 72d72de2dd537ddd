"""How fast FracturaX reads, beside its peers in the same run.

    python benchmarks/speed/reading.py --root ../shared/data [--films 300] [--out FILE]

Measures, on this machine, with medians of several runs:
  film     a JPEG 2000 film from file to JSON in a warm process, and its decoding alone
  network  the ONNX graph on one film, beside the same weights in torch eager (needs `train`)
  folder   FracAtlas images from files to JSON and table, images a second
  cold     `fracturax read` of one film as a whole process
  memory   resident memory after all of it
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

import fracturax as fx
from fracturax.imaging import find_studies
from fracturax.pipelines.read import read_to_folder
from fracturax.reporting import document_text

HERE = Path(__file__).parent


def median_s(work: Callable[[], object], *, runs: int) -> float:
    """Return the median wall-clock seconds of some work, after one run to warm up."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def resident_mib() -> float:
    """Return the resident memory of this process in MiB (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure_film(path: Path) -> dict[str, float]:
    """Measure one film from file to JSON, and its decoding alone."""
    model = fx.load("xray")

    def read() -> str:
        study = fx.open(path)
        return document_text(fx.report(study, fx.read(study, model)))

    film = fx.open(path).radiographs[0]
    decode = median_s(lambda: pydicom.dcmread(path).pixel_array, runs=9)
    total = median_s(read, runs=9)
    return {
        "decode_s": decode,
        "total_s": total,
        "beyond_decoding_s": total - decode,
        "network_and_preprocessing_s": median_s(lambda: model.infer(film), runs=15),
    }


def measure_network(path: Path) -> dict[str, float]:
    """Measure the graph of one film, mirrored image included, beside torch eager."""
    model = fx.load("xray")
    values, _ = model.bundle.manifest.plan.apply(fx.open(path).radiographs[0].pixels)
    images = np.stack([values, values[:, ::-1]])[:, None]
    feed = {"images": np.ascontiguousarray(images)}
    seconds = {}
    for precision, _ in model.bundle.manifest.graphs:
        run = fx.load("xray", precision=precision)._session.run
        seconds[f"onnxruntime_{precision}_s"] = median_s(partial(run, None, feed), runs=25)
    try:
        import torch

        from fracturax.models.backbones import load_weights
        from fracturax.models.xray import XrayNetwork
    except ModuleNotFoundError:
        return seconds
    network = XrayNetwork().eval()
    network.load_state_dict(load_weights(model.bundle.folder / "model.safetensors"))
    tensor = torch.from_numpy(feed["images"])
    with torch.inference_mode():
        seconds["torch_eager_s"] = median_s(lambda: network(tensor), runs=15)
    shipped = seconds[f"onnxruntime_{model.identity.precision}_s"]
    seconds["times_faster_than_torch"] = seconds["torch_eager_s"] / shipped
    return seconds


def measure_folder(root: Path, films: int) -> dict[str, float]:
    """Measure a folder of FracAtlas images, evenly spread over the release."""
    every = [path for path in sorted(root.rglob("IMG*.jpg")) if path.stat().st_size]
    chosen = every[:: max(1, len(every) // films)][:films]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "films"
        folder.mkdir()
        for path in chosen:
            (folder / path.name).symlink_to(path)
        studies = [files for path in chosen for files in find_studies(path)]
        model = fx.load("xray", threads=1)
        start = time.perf_counter()
        out = Path(scratch) / "out"
        count = sum(1 for _ in read_to_folder(studies, model, out=out, forms=["json", "csv"]))
        seconds = time.perf_counter() - start
    return {"images": count, "images_per_s": count / seconds}


def measure_cold(path: Path) -> dict[str, float]:
    """Measure the whole command on one film, default forms."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "fracturax", "read", str(path), "--out", out]
        seconds = median_s(lambda: subprocess.run(command, check=True, capture_output=True), runs=5)
    return {"read_s": seconds}


def main() -> None:
    """Run all and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the folder of shared data")
    parser.add_argument("--films", type=int, default=300)
    parser.add_argument("--out", type=Path, default=HERE / "reading.json")
    options = parser.parse_args()
    film = options.root / "dicom" / "hip_radiograph_j2k.dcm"
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "film": measure_film(film),
        "folder": measure_folder(options.root / "fracatlas" / "images", options.films),
    }
    result["memory"] = {"resident_mib": resident_mib()}
    result["network"] = measure_network(film)
    result["cold"] = measure_cold(film)
    text = json.dumps(result, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

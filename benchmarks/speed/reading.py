"""How fast FracturaX reads, beside its peers in the same run.

    python benchmarks/speed/reading.py --root ../shared/data [--films 300] [--out FILE]

Measures, on this machine, with medians of several runs:
  film     a JPEG 2000 film from file to JSON in a warm process, and its decoding alone
  answer   FracAtlas films in memory, one after the other, to the answer: the median, the slowest
           tenth, and the median where every film is read mirrored too. The model has seen these
           films, and is surer of them than of others: the share read once out of fold is in
           `values.csv` of the model's results
  network  the ONNX graph on one film, beside the same weights in torch eager (needs `train`)
  folder   FracAtlas images from files to JSON and table, images a second
  cold     `fracturax read` of one film as a whole process
  memory   the same folder and film in a process of its own: resident memory at its highest and
           at the end, with JSON alone and with every form
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
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

import fracturax as fx
from fracturax.core.errors import UnreadableImageError
from fracturax.imaging import find_studies
from fracturax.models.bundle import BF16
from fracturax.models.runtime import XrayPredictor
from fracturax.models.session import OnnxRuntimeSession
from fracturax.pipelines.read import read_to_folder
from fracturax.reporting import document_text

HERE = Path(__file__).parent
FILM = Path("dicom/hip_radiograph_j2k.dcm")


def median_s(work: Callable[[], object], *, runs: int) -> float:
    """Return the median wall-clock seconds of some work, after one run to warm up."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def resident_mb() -> dict[str, float]:
    """Return the resident memory of this process in MB, 10^6 bytes (Linux)."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        name: int(status[key].split()[0]) * 1024 / 1e6
        for name, key in (("highest_mb", "VmHWM"), ("at_the_end_mb", "VmRSS"))
    }


def measure_memory(root: Path, films: int) -> dict[str, dict[str, float]]:
    """Measure processes that read the folder and the film and do nothing else."""
    command = [sys.executable, __file__, "--root", str(root), "--films", str(films), "--forms"]
    return {
        forms: json.loads(
            subprocess.run([*command, forms], check=True, stdout=subprocess.PIPE).stdout
        )
        for forms in ("json", "html,json,png,csv")
    }


def read_all(root: Path, films: int, forms: list[str]) -> None:
    """Read the folder of FracAtlas images and the JPEG 2000 film in this process."""
    paths = [*chosen_films(root / "fracatlas" / "images", films), root / FILM]
    studies = [files for path in paths for files in find_studies(path)]
    model = fx.load("xray", threads=1)
    with tempfile.TemporaryDirectory() as out:
        for _ in read_to_folder(studies, model, out=Path(out), forms=forms):
            pass


def chosen_films(root: Path, films: int) -> list[Path]:
    """Choose FracAtlas images, evenly spread over the release."""
    every = [path for path in sorted(root.rglob("IMG*.jpg")) if path.stat().st_size]
    return every[:: max(1, len(every) // films)][:films]


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


def measure_answers(root: Path, films: int = 100) -> dict[str, float]:
    """Measure films in memory, read as the model does and from both views each."""
    images = []
    for path in chosen_films(root, films):
        with suppress(UnreadableImageError):  # some of the release are cut off
            images.append(fx.open(path).radiographs[0])
    model = fx.load("xray")
    twice = replace(model.bundle, manifest=replace(model.bundle.manifest, mirror_margin=None))
    found: dict[str, float] = {"films": len(images)}
    for name, reader in (("as_shipped", model), ("both_views", XrayPredictor(twice))):
        seconds = []
        for image in [*images[:5], *images]:
            start = time.perf_counter()
            reader.predict_image(image)
            seconds.append(time.perf_counter() - start)
        measured = np.array(seconds[5:])
        found[f"{name}_median_s"] = float(np.median(measured))
        found[f"{name}_slowest_tenth_s"] = float(np.quantile(measured, 0.9))
    return found


def measure_network(path: Path) -> dict[str, float]:
    """Measure the graph of one film, mirrored image included, beside torch eager."""
    model = fx.load("xray")
    values, _ = model.bundle.manifest.plan.apply(fx.open(path).radiographs[0].pixels)
    images = np.stack([values, values[:, ::-1]])[:, None]
    feed = {"images": np.ascontiguousarray(images)}
    seconds = {}
    graphs = dict(model.bundle.manifest.graphs)
    graphs.pop(BF16, None)  # not ONNX Runtime's
    for precision in graphs:
        session = OnnxRuntimeSession(model.bundle.graph(precision).read_bytes(), 0)
        run = partial(session.run, session.output_names, feed)
        seconds[f"onnxruntime_{precision}_s"] = median_s(run, runs=25)
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
    shipped = seconds[f"onnxruntime_{model.bundle.manifest.default_precision}_s"]
    seconds["times_faster_than_torch"] = seconds["torch_eager_s"] / shipped
    return seconds


def measure_folder(root: Path, films: int) -> dict[str, float]:
    """Measure a folder of FracAtlas images."""
    chosen = chosen_films(root, films)
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
    parser.add_argument("--forms", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.forms:
        read_all(options.root, options.films, options.forms.split(","))
        print(json.dumps(resident_mb()))
        return
    film = options.root / FILM
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "film": measure_film(film),
        "answer": measure_answers(options.root / "fracatlas" / "images"),
        "folder": measure_folder(options.root / "fracatlas" / "images", options.films),
    }
    result["memory"] = measure_memory(options.root, options.films)
    result["network"] = measure_network(film)
    result["cold"] = measure_cold(film)
    text = json.dumps(result, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

"""How fast a whole CT is read, beside the same network in MONAI's sliding window, in one run.

    python benchmarks/speed/ct.py --root ../shared/data [--runs 3] [--peer-layers N] [--out FILE]

The CT is the real one of `totalsegmentator-ct` (3 mm), interpolated to 512 x 512 x 300 voxels of
0.8 x 0.8 x 1.12 mm with air around and noise of 15 HU: what interpolation smooths away would make
it easier to unpack and to segment than a real one. It is written as DICOM files and as NIfTI.
  read   `fracturax read` as a process of its own, default forms: wall, CPU and highest memory
  parts  where the time of one reading goes, in a process that reads once
  peer   `monai.inferers.sliding_window_inference` with the same weights in torch eager over the
         same isotropic voxels, cubes and step: over the whole volume, and over the box around the
         bones. It is given the voxels and writes nothing, while the reader's time is all of it.
         `--peer-layers` runs so many layers of its windows, from the middle, and scales its time
         to all: every window costs the same
  cube   CPU time of one cube on one thread, by each runtime and by torch: says what the graph
         gains, and a machine that is busy with other work disturbs it least
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
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
import numpy.typing as npt

import fracturax as fx
from fracturax.core.image import Volume
from fracturax.models.fastest import RUNTIMES
from fracturax.models.volume_reader import VolumePredictor
from fracturax.pipelines.read import find_all
from fracturax.transforms.ct_bone import segment_ct_bone
from fracturax.transforms.isotropic import IsotropicGrid

HERE = Path(__file__).parent
CT = Path("totalsegmentator-ct/example_ct.nii.gz")
PLANE, PLANE_MM = 512, 0.8
NOISE_HU = 15
AIR_HU = -1024
THREADS = 2
FORMS = "html,json,png"


def make_ct(root: Path, folder: Path, slices: int) -> dict[str, Any]:
    """Write the CT as DICOM and as NIfTI, and say what it is.

    More slices than the real CT has room for at 1.12 mm repeat it, every other copy upside down,
    so that the bones go on without a break.
    """
    import nibabel
    from scipy.ndimage import map_coordinates

    image = nibabel.load(root / CT)
    real = np.asarray(image.dataobj, np.float32).transpose(2, 1, 0)
    real_mm = float(image.header.get_zooms()[0])
    slice_mm = 1.12
    # In voxels of the real CT, about its middle; RAS as it is stored.
    plane = (np.arange(PLANE) - (PLANE - 1) / 2) * PLANE_MM / real_mm
    rows, columns = (plane + (size - 1) / 2 for size in real.shape[1:])
    heights = np.arange(slices) * slice_mm / real_mm
    last = len(real) - 1
    heights = last - np.abs(heights % (2 * last) - last)
    rng = np.random.default_rng(0)
    hu = np.empty((slices, PLANE, PLANE), np.int16)
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    for place, height in zip(hu, heights, strict=True):
        low = min(int(height), last - 1)
        part = real[low] + (real[low + 1] - real[low]) * np.float32(height - low)
        smooth = map_coordinates(part, grid, order=1, cval=AIR_HU)
        noisy = smooth + rng.normal(0, NOISE_HU, smooth.shape)
        place[:] = np.clip(np.rint(noisy), AIR_HU, 3071)
    affine = np.diag([PLANE_MM, PLANE_MM, slice_mm, 1.0])
    stored = nibabel.Nifti1Image(hu.transpose(2, 1, 0), affine)
    stored.set_qform(affine, code=1)
    stored.set_sform(affine, code=1)
    nibabel.save(stored, folder / "ct.nii.gz")
    write_dicom(hu, slice_mm, folder / "dicom")
    return {
        "what": "the real CT of totalsegmentator-ct (3 mm), interpolated, with air around and "
        f"noise of {NOISE_HU} HU; {'repeated by mirroring' if slices > 300 else 'not repeated'}",
        "shape": list(hu.shape),
        "spacing_mm": [slice_mm, PLANE_MM, PLANE_MM],
    }


def write_dicom(hu: npt.NDArray[np.int16], slice_mm: float, folder: Path) -> None:
    """Write one uncompressed file a slice; rows and columns go on to the front and the right."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    folder.mkdir()
    study, series, frame = (generate_uid(entropy_srcs=[name]) for name in ("a", "b", "c"))
    for number, plane in enumerate(hu):
        one = Dataset()
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        one.SOPClassUID = CTImageStorage
        one.SOPInstanceUID = generate_uid(entropy_srcs=[series, str(number)])
        one.Modality, one.PatientName, one.PatientID = "CT", "Made^Up", "0"
        one.StudyInstanceUID, one.SeriesInstanceUID = study, series
        one.FrameOfReferenceUID, one.InstanceNumber = frame, number + 1
        one.ImagePositionPatient = [0.0, 0.0, number * slice_mm]
        one.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0]
        one.PixelSpacing, one.SliceThickness = [PLANE_MM, PLANE_MM], slice_mm
        one.RescaleSlope, one.RescaleIntercept = 1, AIR_HU
        one.Rows, one.Columns = plane.shape
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated = one.BitsStored = 16
        one.HighBit, one.PixelRepresentation = 15, 0
        one.PixelData = (plane.astype(np.int32) - AIR_HU).astype(np.uint16).tobytes()
        one["PixelData"].VR = "OW"
        one.save_as(folder / f"{number:04d}.dcm", enforce_file_format=True)


def read_once(path: Path) -> dict[str, Any]:
    """Run `fracturax read` as a process of its own and say what it took and answered."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "fracturax", "read", str(path), "--json"]
        command += ["--out", out, "--forms", FORMS]
        start = time.perf_counter()
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            said = process.stdout.read()
            # Of this child and those it waited for; this process is small, see `main`.
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"fracturax read ended with {process.returncode}")
    (study,) = json.loads(said)["studies"]
    return {
        "wall_s": round(seconds, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss * 1024 / 1e6),
        "answer": {
            "status": study["status"],
            "probability": study["probability"],
            "findings": sum(len(image["findings"]) for image in study["images"]),
        },
    }


class Clock:
    """Adds up the seconds of what is called through it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return the same function, its seconds added to a name's."""

        def call(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return work(*arguments)
            finally:
                spent = time.perf_counter() - start
                self.seconds[name] = self.seconds.get(name, 0.0) + spent

        return call


def measure_parts(path: Path, kept: Path) -> dict[str, Any]:
    """Read once, keep what the network said for the peers, and say how long each part took."""
    from fracturax.models import volume_reader
    from fracturax.reporting.forms import make_forms

    clock, highest = Clock(), {}

    def part(name: str, work: Callable[..., Any], *arguments: Any) -> Any:
        result = clock.timed(name, work)(*arguments)
        highest[name] = round(peak_mb())
        return result

    model = fx.load("ct")
    assert isinstance(model, VolumePredictor)
    session = model._session

    class Timed:
        run = staticmethod(clock.timed("network", session.run))

    model._session = Timed()
    (files,) = part("find", find_all, [path])
    study = part("open", files.open)
    volume = study.images[0]
    found = part("bones", segment_ct_bone, volume)
    volume_reader.IsotropicGrid.slab = clock.timed("resample", IsotropicGrid.slab)
    raw = part("slide", model.infer, volume, found.mask)
    np.savez(kept, places=raw.places, logits=raw.logits)
    part("answer", model.answer, volume, raw)
    volume_reader.segment_ct_bone = lambda _: found
    model.infer = lambda *_: raw  # type: ignore[method-assign]
    made = fx.report(study, fx.read(study, model))
    part("forms", lambda: list(make_forms(made, FORMS.split(","))))
    clock.seconds["slide_rest"] = (
        clock.seconds.pop("slide") - clock.seconds["network"] - clock.seconds["resample"]
    )
    return {
        "seconds": {name: round(seconds, 2) for name, seconds in clock.seconds.items()},
        "highest_mb_after": highest,
        "cubes": len(raw.logits),
    }


def peak_mb() -> float:
    """Return the highest resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def eager(model: VolumePredictor, threads: int) -> Any:
    """Return the network of a bundle in torch, with its weights."""
    import torch

    from fracturax.models.volume import build_volume_network

    torch.set_num_threads(threads)
    weights = str(model.bundle.folder / "model.safetensors")
    return build_volume_network(model.bundle.manifest.volume_network, weights=weights).eval()


def measure_peer(path: Path, kept: Path, layers: int, *, is_whole: bool) -> dict[str, Any]:
    """Slide the same weights in torch eager by MONAI over the same voxels."""
    import torch
    from monai.inferers import sliding_window_inference

    model = fx.load("ct", threads=THREADS)
    assert isinstance(model, VolumePredictor)
    plan, step = model.bundle.manifest.plan, model.bundle.manifest.step
    network = eager(model, THREADS)
    volume = fx.open(path).images[0]
    assert isinstance(volume, Volume)
    grid = IsotropicGrid(volume, plan.spacing_mm)
    with np.load(kept) as answer:
        places, expected = answer["places"], answer["logits"]
    # The reader's own voxels, with its border of air, so that its cubes are MONAI's windows.
    margin = (plan.size - step) // 2
    cubes = (places + margin) // step
    low, high = np.zeros(3, int), np.array([-(-side // step) for side in grid.shape])
    if not is_whole:
        low, high = cubes.min(axis=0), cubes.max(axis=0) + 1
    every = int(np.prod(high - low))
    if layers:
        low[0] += max(0, (high[0] - low[0] - layers) // 2)
        high[0] = min(high[0], low[0] + layers)
    start, stop = low * step - margin, high * step + margin
    inner = plan.window(grid.slab(int(start[0]), int(stop[0])))
    beside = [
        (margin, max(0, end - side)) for end, side in zip(stop[1:], grid.shape[1:], strict=True)
    ]
    voxels = np.pad(inner, ((0, 0), *beside))
    del inner
    rows, columns = (
        slice(a + margin, b + margin) for a, b in zip(start[1:], stop[1:], strict=True)
    )
    voxels = np.ascontiguousarray(voxels[:, rows, columns])
    logits: list[float] = []

    def heat(windows: torch.Tensor) -> torch.Tensor:
        answer = network(windows)
        logits.extend(answer.logit.tolist())
        return answer.map[:, None]

    clock, cores = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        sliding_window_inference(
            torch.from_numpy(voxels)[None, None],
            roi_size=(plan.size,) * 3,
            sw_batch_size=4,
            predictor=heat,
            overlap=1 - step / plan.size,
        )
    wall, cpu = time.perf_counter() - clock, time.process_time() - cores
    assert len(logits) == int(np.prod(high - low)), "MONAI's windows are the reader's places"
    run = ((cubes >= low) & (cubes < high)).all(axis=1)
    mine = np.ravel_multi_index(tuple((cubes[run] - low).T), tuple(high - low))
    differences = np.abs(np.array(logits)[mine] - expected[run])
    scale = every / len(logits)
    return {
        "windows": every,
        "windows_run": len(logits),
        "is_scaled": bool(layers),
        "wall_s": round(wall * scale, 1),
        "cpu_s": round(cpu * scale, 1),
        "peak_mb": round(peak_mb()),
        "cubes_compared": int(run.sum()),
        "greatest_difference_of_a_logit": float(differences.max(initial=0.0)),
    }


def measure_cube() -> dict[str, float]:
    """Measure the CPU time of a cube on one thread, least of several runs, in batches of four."""
    import torch

    model = fx.load("ct", threads=1)
    assert isinstance(model, VolumePredictor)
    size = model.bundle.manifest.plan.size
    network = eager(model, 1)
    values = np.random.default_rng(0).random((4, 1, size, size, size), np.float32)
    tensor = torch.from_numpy(values)

    def least(work: Callable[[], object]) -> float:
        times = []
        for _ in range(8):
            start = time.process_time()
            work()
            times.append((time.process_time() - start) / len(values))
        return round(min(times[1:]), 4)

    with torch.inference_mode():
        seconds = {"torch_eager_cpu_s": least(lambda: network(tensor))}
    for name, opened in RUNTIMES.items():
        session = opened(model.bundle.graph.read_bytes(), 1)
        run = partial(session.run, session.output_names, {"volumes": values})
        seconds[f"{name}_cpu_s"] = least(run)
    return seconds


def in_own_process(what: str, options: argparse.Namespace, *more: str) -> Any:
    """Return what a step says that runs in a process of its own, so that this one stays small.

    Linux counts the memory of who starts a process as the process's own highest.
    """
    command = [sys.executable, __file__, "--root", str(options.root), "--step", what, *more]
    # Threads of torch that wait actively would be slowed by other work on the same cores.
    given = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=given)
    return json.loads(done.stdout)


def measure(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Run all parts, each in a process of its own, the readings among the peers."""
    from importlib.metadata import version

    kept = scratch / "kept.npz"
    given = ["--at", str(scratch / "dicom"), "--kept", str(kept)]
    layers = ["--peer-layers", str(options.peer_layers)]
    load = [os.getloadavg()[0]]
    slices = ["--slices", str(options.slices)]
    made = in_own_process("make", options, "--at", str(scratch), *slices)
    reads = [read_once(scratch / "dicom")]
    load.append(os.getloadavg()[0])
    parts = in_own_process("parts", options, *given)
    peer = in_own_process("peer", options, *given, *layers)
    load.append(os.getloadavg()[0])
    reads += [read_once(scratch / "dicom") for _ in range(options.runs - 1)]
    box = in_own_process("peer_box", options, *given, *layers)
    nifti = read_once(scratch / "ct.nii.gz")
    cube = in_own_process("cube", options)
    load.append(os.getloadavg()[0])
    if any(one["answer"] != reads[0]["answer"] for one in [*reads, nifti]):
        raise SystemExit("two readings of one CT differ")
    read = {key: statistics.median(one[key] for one in reads) for key in ("wall_s", "cpu_s")}
    return {
        "ct": made,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_average": [round(one, 1) for one in load],
        "runtime": type(fx.load("ct")._session).__name__,
        "versions": {name: version(name) for name in ("onnxruntime", "torch", "monai")},
        "read_dicom": {
            **read,
            "peak_mb": max(one["peak_mb"] for one in reads),
            "runs": reads,
        },
        "read_nifti": nifti,
        "parts": parts,
        "peer_whole": {**peer, **ratios(peer, read)},
        "peer_bone_box": {**box, **ratios(box, read)},
        "cube_on_one_thread": cube,
    }


def ratios(peer: dict[str, Any], read: dict[str, float]) -> dict[str, float]:
    """Return how many times as fast as a peer the whole reading is."""
    return {
        "wall_ratio": round(peer["wall_s"] / read["wall_s"], 2),
        "cpu_ratio": round(peer["cpu_s"] / read["cpu_s"], 2),
    }


def main() -> None:
    """Run all and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the folder of shared data")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--peer-layers", type=int, default=0, help="0 runs all of its windows")
    parser.add_argument("--out", type=Path, default=HERE / "ct.json")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--at", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--kept", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        peer = (options.at, options.kept, options.peer_layers)
        steps: dict[str, Callable[[], Any]] = {
            "make": lambda: make_ct(options.root, options.at, options.slices),
            "parts": lambda: measure_parts(options.at, options.kept),
            "peer": lambda: measure_peer(*peer, is_whole=True),
            "peer_box": lambda: measure_peer(*peer, is_whole=False),
            "cube": measure_cube,
            "read": lambda: read_once(options.at),
        }
        print(json.dumps(steps[options.step]()))
        return
    with tempfile.TemporaryDirectory() as scratch:
        result = measure(options, Path(scratch))
    text = json.dumps(result, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

"""How fast a whole CT is read, beside the same network in MONAI's sliding window, in one run.

    python benchmarks/speed/ct.py --root ../shared/data [--runs 3] [--out FILE]

The CT is the real one of `totalsegmentator-ct` (3 mm), interpolated to 512 x 512 x 300 voxels of
0.8 x 0.8 x 1.12 mm with air around and noise of 15 HU: what interpolation smooths away would make
it easier to unpack and to segment than a real one. It is written as 300 DICOM files and as NIfTI.
  read   `fracturax read` as a process of its own, default forms: wall, CPU and highest memory
  parts  where its time goes, in this process
  peer   `monai.inferers.sliding_window_inference` with the same weights in torch eager over the
         same isotropic voxels, cubes and step: over the whole volume, and over the box around the
         bones alone. The peer is given the voxels and writes nothing; the reader's time is all of it
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
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import fracturax as fx
from fracturax.core.image import Volume
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


def measure_parts(path: Path) -> dict[str, Any]:
    """Read once in this process and say how long each part took, and the memory after it."""
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


def measure_peer(path: Path, *, is_whole: bool) -> dict[str, Any]:
    """Slide the same weights in torch eager by MONAI over the same voxels."""
    import torch
    from monai.inferers import sliding_window_inference

    from fracturax.models.volume import build_volume_network

    torch.set_num_threads(THREADS)
    model = fx.load("ct", threads=THREADS)
    assert isinstance(model, VolumePredictor)
    plan, step = model.bundle.manifest.plan, model.bundle.manifest.step
    network = build_volume_network(
        model.bundle.manifest.volume_network,
        weights=str(model.bundle.folder / "model.safetensors"),
    ).eval()
    volume = fx.open(path).images[0]
    assert isinstance(volume, Volume)
    raw = model.infer(volume, segment_ct_bone(volume).mask)
    # The reader's own voxels: a border of air, so that its cubes are MONAI's windows.
    margin = (plan.size - step) // 2
    cells = [-(-side // step) for side in raw.grid.shape]
    after = [cell * step + margin for cell in cells]
    inner = plan.window(raw.grid.slab(-margin, after[0]))
    beside = [(margin, stop - side) for stop, side in zip(after[1:], inner.shape[1:], strict=True)]
    voxels = np.pad(inner, ((0, 0), *beside))
    del inner
    cubes = (raw.places + margin) // step
    low, high = np.zeros(3, int), np.array(cells)
    if not is_whole:
        low, high = cubes.min(axis=0), cubes.max(axis=0) + 1
        box = [slice(a * step, b * step + 2 * margin) for a, b in zip(low, high, strict=True)]
        voxels = np.ascontiguousarray(voxels[tuple(box)])
    logits: list[float] = []

    def heat(windows: torch.Tensor) -> torch.Tensor:
        answer = network(windows)
        logits.extend(answer.logit.tolist())
        return answer.map[:, None]

    start, cores = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        sliding_window_inference(
            torch.from_numpy(voxels)[None, None],
            roi_size=(plan.size,) * 3,
            sw_batch_size=4,
            predictor=heat,
            overlap=1 - step / plan.size,
        )
    wall, cpu = time.perf_counter() - start, time.process_time() - cores
    mine = np.ravel_multi_index(tuple((cubes - low).T), tuple(high - low))
    theirs = np.array(logits)[mine]
    return {
        "windows": len(logits),
        "share_of_windows_run": 1.0,
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "peak_mb": round(peak_mb()),
        "reader_cubes": len(raw.logits),
        "greatest_difference_of_a_logit": float(np.abs(theirs - raw.logits).max()),
        "probability_from_its_logits": model.answer(
            volume, type(raw)(**{**vars(raw), "logits": theirs.astype(np.float32)})
        ).probability,
    }


def in_own_process(what: str, options: argparse.Namespace, *more: str) -> Any:
    """Return what a step says that runs in a process of its own, so that this one stays small.

    Linux counts the memory of who starts a process as the process's own highest.
    """
    command = [sys.executable, __file__, "--root", str(options.root), "--step", what, *more]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def main() -> None:
    """Run all and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the folder of shared data")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=HERE / "ct.json")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    parser.add_argument("--at", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--slices", type=int, default=300, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        steps: dict[str, Callable[[], Any]] = {
            "make": lambda: make_ct(options.root, options.at, options.slices),
            "parts": lambda: measure_parts(options.at),
            "peer": lambda: measure_peer(options.at, is_whole=True),
            "peer_box": lambda: measure_peer(options.at, is_whole=False),
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

"""How fast a reading is written in every form, beside other programs in the same run.

    python benchmarks/speed/forms.py [--runs 9] [--out FILE]

Writes the example study (two films, with the answer of the packaged model) in each form in a warm
process on one core, and beside it what others make of the same films: highdicom alone a minimal
structured report and a segmentation, DCMTK's img2dcm a secondary capture of one picture. Reading
the study is not part of it. Numbers are medians, of the wall clock and of this process's CPU time;
the two differ where the machine was busy with other work.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TARGET_S = 1.5

# Before NumPy and OpenCV start their threads: what is measured is one core.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import cv2
import highdicom
import numpy as np
import pydicom
from highdicom.sr.coding import CodedConcept
from pydicom.sr.codedict import codes

import fracturax as fx
from fracturax.core.report import Report
from fracturax.reporting.forms import FORMS, make_forms
from fracturax.reporting.picture import draw_picture

cv2.setNumThreads(1)


def measure(work: Callable[[], object], *, runs: int) -> dict[str, float]:
    """Return median seconds of the wall clock and of CPU, and the first run's wall clock."""
    start = time.perf_counter()
    work()
    first = time.perf_counter() - start
    walls, cpus = [], []
    for _ in range(runs):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return {
        "wall_s": statistics.median(walls),
        "cpu_s": statistics.median(cpus),
        "first_s": first,
    }


def example() -> Report:
    """Return the report on the example study."""
    study = fx.open(fx.example_study_folder() / "forearm")
    return fx.report(study, fx.read(study, fx.load("xray", threads=1)))


def write(report: Report, forms: list[str]) -> dict[str, int]:
    """Write the forms and return how many bytes each took."""
    sizes = {}
    for made in make_forms(report, forms):
        if made.error is not None:
            raise made.error
        sizes[made.form.name] = sum(map(len, made.files))
    return sizes


def highdicom_sr(sources: list[pydicom.Dataset]) -> bytes:
    """Return a structured report of one region, the least that TID 1500 lets highdicom write."""
    sr = highdicom.sr
    region = sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.POLYLINE,
        graphic_data=np.array([(10.0, 10), (60, 10), (60, 60), (10, 60), (10, 10)]),
        source_image=sr.SourceImageForRegion.from_source_image(sources[0]),
    )
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=region,
        tracking_identifier=sr.TrackingIdentifier(uid=highdicom.UID(), identifier="1"),
        finding_type=CodedConcept("125605004", "SCT", "Fracture of bone"),
    )
    observer = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(uid=highdicom.UID()),
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=CodedConcept("168537006", "SCT", "Plain radiography"),
        imaging_measurements=[group],
    )
    document = sr.Comprehensive3DSR(
        evidence=sources,
        content=content,
        series_number=1,
        series_instance_uid=highdicom.UID(),
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer="peer",
    )
    return saved(document)


def saved(dataset: pydicom.Dataset) -> bytes:
    """Return the bytes of an object's file."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def img2dcm(report: Report, folder: Path) -> Callable[[], object]:
    """Return the work of making one secondary capture with DCMTK from a picture on disk."""
    picture = folder / "picture.jpg"
    pixels = draw_picture(report, image=report.study.images[0].name).pixels
    cv2.imwrite(str(picture), pixels[..., ::-1])
    command = ["img2dcm", str(picture), str(folder / "sc.dcm")]
    return lambda: subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    """Measure and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--out", type=Path, default=HERE / "forms.json")
    options = parser.parse_args()
    report, forms = example(), list(FORMS)
    sources = [
        pydicom.dcmread(path) for path in sorted((fx.example_study_folder() / "forearm").iterdir())
    ]
    write(report, forms)
    result: dict[str, Any] = {
        "machine": f"{platform.machine()}, 1 of {os.cpu_count()} cores",
        "load_at_start": round(os.getloadavg()[0], 1),
        "study": f"forearm: {len(sources)} films, {len(report.prediction.findings)} findings",
        "target_s": TARGET_S,
        "all_forms": measure(lambda: write(report, forms), runs=options.runs),
        "each_form": {
            form: measure(lambda form=form: write(report, [form]), runs=options.runs)
            for form in forms
        },
        "bytes": write(report, forms),
        "peers": {
            "highdicom, a structured report of one region": measure(
                lambda: highdicom_sr(sources), runs=options.runs
            )
        },
    }
    if shutil.which("img2dcm"):
        with tempfile.TemporaryDirectory() as scratch:
            result["peers"]["DCMTK img2dcm, one secondary capture (a process)"] = measure(
                img2dcm(report, Path(scratch)), runs=options.runs
            )
    text = json.dumps(result, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

"""How fast a region is described, beside the library alone in the same run.

    python benchmarks/speed/regions.py [--out benchmarks/speed/regions.json]

A region of 256 x 256 pixels of a film and one of 64 x 64 x 64 voxels of a CT, both synthetic, all
families of the original image; one thread, medians.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import radiomics
import SimpleITK
from radiomics.featureextractor import RadiomicsFeatureExtractor
from scipy.ndimage import gaussian_filter

from fracturax.core.geometry import Geometry
from fracturax.core.image import Radiograph, Volume
from fracturax.radiomics import extract_features


def median_s(work: Callable[[], object], *, runs: int) -> float:
    """Return the median wall-clock seconds of some work, after one run to warm up."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Measure and print or write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    radiomics.logger.setLevel(logging.CRITICAL)
    generator = np.random.default_rng(0)
    texture = gaussian_filter(generator.normal(0, 1, (320, 320)), 2)
    film = np.asarray((texture - texture.min()) / np.ptp(texture), np.float32)
    on_film = np.zeros(film.shape, bool)
    on_film[32:288, 32:288] = True
    block = gaussian_filter(generator.normal(0, 1, (80, 80, 80)), 2)
    hu = np.asarray(300 * block / block.std() + 300, np.float32)
    on_ct = np.zeros(hu.shape, bool)
    on_ct[8:72, 8:72, 8:72] = True
    cases = {
        "film_256": (Radiograph(film), on_film, film[None] * 255, on_film[None]),
        "ct_64": (Volume(hu, geometry=Geometry((1.0, 1.0, 1.0))), on_ct, hu, on_ct),
    }
    document: dict[str, object] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    }
    for name, (image, mask, raw, raw_mask) in cases.items():
        ours = median_s(lambda image=image, mask=mask: extract_features(image, mask), runs=7)
        is_film = name.startswith("film")
        extractor = RadiomicsFeatureExtractor(force2D=is_film, binWidth=25)
        extractor.disableAllFeatures()
        shape = "shape2D" if is_film else "shape"
        for family in ("firstorder", shape, "glcm", "glrlm", "glszm", "gldm", "ngtdm"):
            extractor.enableFeatureClassByName(family)
        whole, marked = (
            SimpleITK.GetImageFromArray(one)
            for one in (raw.astype(np.float64), raw_mask.astype(np.uint8))
        )
        alone = median_s(lambda e=extractor, w=whole, m=marked: e.execute(w, m), runs=7)
        document[name] = {"ours_s": ours, "library_alone_s": alone, "ratio": ours / alone}
    text = json.dumps(document, indent=1)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

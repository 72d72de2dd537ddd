"""What networks of the CT stream say of worse cubes: of patients they never saw.

    python benchmarks/accuracy/ct/coarse.py --root PAIRS --runs RUNS [--out FILE]

Each held-out patient's cubes as they are, with 3 mm voxels, blurred (one voxel) and with noise of
30 HU: AUROC, and how many healthy cubes are called fractured (probability above one half, by the
calibration on what all networks said out of fold of clean cubes). A network that lives on fine
texture, such as that of drawn flesh, loses it with 3 mm. Unlike in `lopo.py` a cube is looked at
once, not mirrored too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lopo import answers_of
from scipy.ndimage import gaussian_filter, zoom

from fracturax.core.provenance import sha256_of_file, software_version
from fracturax.datasets.pairs import PairedCase, open_pairs
from fracturax.evaluation import auroc, fit_platt
from fracturax.pipelines.train_volume import load_kept_network
from fracturax.transforms.volume_plan import VolumePlan

HERE = Path(__file__).parent
RUNS = ("ct-densenet121", "ct-cnn-lstm")
SIDE, RIM, BATCH = 48, 4, 8
Floats = npt.NDArray[np.float32]


def at_3_mm(hu: Floats) -> Floats:
    """Return a cube of 0.75 mm as one of 3 mm shows it."""
    low = zoom(hu, 0.25, order=1, grid_mode=True, mode="nearest")
    return np.asarray(zoom(low, 4, order=1, grid_mode=True, mode="nearest"), np.float32)


def noisy(hu: Floats) -> Floats:
    """Return a cube with noise of 30 HU."""
    return (hu + np.random.default_rng(0).normal(0, 30, hu.shape)).astype(np.float32)


WAYS: dict[str, Callable[[Floats], Floats]] = {
    "as it is": lambda hu: hu,
    "3 mm": at_3_mm,
    "blur, 1 voxel": lambda hu: np.asarray(gaussian_filter(hu, 1.0), np.float32),
    "noise, 30 HU": noisy,
}


@torch.inference_mode()
def logits_of(
    network: torch.nn.Module, places: list[PairedCase], change: Callable[[Floats], Floats]
) -> npt.NDArray[np.float64]:
    """Return what a network says of changed cubes."""
    window, found = VolumePlan().window, []
    inner = (slice(RIM, RIM + SIDE),) * 3
    for start in range(0, len(places), BATCH):
        part = [one.ct().hu[inner].astype(np.float32) for one in places[start : start + BATCH]]
        cubes = torch.from_numpy(np.stack([window(change(hu)) for hu in part]))
        found += network(cubes[:, None]).logit.tolist()
    return np.array(found)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=Path, required=True, help="prepared pairs")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE / "coarse.json")
    options = parser.parse_args()
    data = open_pairs(options.root)
    places = data.places()
    found: dict[str, Any] = {}
    for name in RUNS:
        out_of_fold = answers_of(options.root, options.runs / name)
        calibration = fit_platt(out_of_fold.logits[:, None], out_of_fold.reference)
        for patient in data.patients:
            network = load_kept_network(options.runs / name / patient)
            own = [one for one in places if one.patient == patient]
            reference = np.array([int(one.label) for one in own])
            for way, change in WAYS.items():
                logits = logits_of(network, own, change)
                chance = np.asarray(calibration.apply(logits[:, None]))
                found.setdefault(name, {}).setdefault(way, {})[patient] = {
                    "auroc": auroc(reference, logits),
                    "healthy_called_fractured": float((chance[reference == 0] > 0.5).mean()),
                }
    document = {
        "pairs_sha256": sha256_of_file(options.root / "pairs.csv"),
        "software": software_version(),
        "networks": found,
    }
    text = json.dumps(document, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

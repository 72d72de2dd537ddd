"""What networks of the CT stream say of a whole CT without a known fracture, cube by cube.

    python benchmarks/accuracy/ct/whole.py --root PAIRS --runs RUNS --ct CT --out FILE

`RUNS` holds a run of each network with the networks that left one patient out; their logits become
probabilities by what all of them said out of fold. The pairs are bones alone in drawn flesh: here
bones have neighbours, and joints are gaps that are no fracture. Writes, for each network, in how
many of the cubes over bone it sees a fracture (probability above one half), and quantiles.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lopo import answers_of
from torch import nn

import fracturax as fx
from fracturax.core.image import Volume
from fracturax.core.provenance import software_version
from fracturax.evaluation import fit_platt
from fracturax.models.volume_reader import VolumePredictor
from fracturax.pipelines.train_volume import load_kept_network
from fracturax.pipelines.volume_cubes import patients_of, read_cubes
from fracturax.transforms.ct_bone import segment_ct_bone

HERE = Path(__file__).parent
RUNS = ("ct-densenet121", "ct-resnet18", "ct-cnn-lstm")
QUANTILES = (0.5, 0.9, 0.99)


class InTorch:
    """A network in the place of a reader's graph."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    @torch.inference_mode()
    def run(
        self, outputs: Sequence[str], inputs: Mapping[str, npt.NDArray[np.float32]]
    ) -> list[npt.NDArray[np.float32]]:
        """Return logit, features and map of cubes."""
        said = self.network(torch.from_numpy(np.ascontiguousarray(inputs["volumes"])))
        return [getattr(said, name).numpy() for name in outputs]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", type=Path, required=True, help="prepared pairs")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--ct", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=HERE / "whole.json")
    options = parser.parse_args()
    ct = fx.open(options.ct).images[0]
    reader = fx.load("ct")
    assert isinstance(ct, Volume)
    assert isinstance(reader, VolumePredictor)
    bones = segment_ct_bone(ct).mask
    patients = patients_of(read_cubes(options.root))
    found: dict[str, Any] = {}
    for name in RUNS:
        out_of_fold = answers_of(options.root, options.runs / name)
        calibration = fit_platt(out_of_fold.logits[:, None], out_of_fold.reference)
        for patient in patients:
            reader._session = InTorch(load_kept_network(options.runs / name / patient))
            logits = np.asarray(reader.infer(ct, bones).logits, np.float64)
            chance = np.asarray(calibration.apply(logits[:, None]))
            quantiles = {f"{one:g}": float(np.quantile(chance, one)) for one in QUANTILES}
            found.setdefault(name, {})[f"without {patient}"] = {
                "cubes": len(chance),
                "called_fractured": float((chance > 0.5).mean()),
                "quantiles": quantiles,
            }
    document = {"ct": options.ct.name, "software": software_version(), "networks": found}
    text = json.dumps(document, indent=1) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

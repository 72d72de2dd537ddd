"""From a trained fusion to the graph that a reader runs."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor

from fracturax.models.fusion import Fusion, FusionOutput
from fracturax.models.streams import INPUTS

_OPSET = 20


def write_fusion_graph(network: Fusion, example: tuple[Tensor, ...], path: Path) -> None:
    """Write an ONNX graph that takes any batch; inputs and outputs have the names of the fields.

    Args:
        network: A fusion.
        example: Its inputs, in the order of `INPUTS`, at least two of a batch.
        path: Where to write.
    """
    batch = torch.export.Dim("batch", min=1, max=4096)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            network.eval(),
            example,
            dynamo=True,
            input_names=list(INPUTS),
            output_names=list(FusionOutput._fields),
            dynamic_shapes=tuple({0: batch} for _ in INPUTS),
            opset_version=_OPSET,
            verbose=False,
        )
    assert program is not None
    program.save(str(path), external_data=False)

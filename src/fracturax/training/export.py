"""From a trained network to what a bundle runs: half-precision weights and an ONNX graph."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import nn

from fracturax.models.runtime import OUTPUTS
from fracturax.models.session import import_quietly

_OPSET = 20
_LEAST_STORED_AS_HALVES = 1024
"""Biases and statistics stay as they are."""


def export_network(
    network: nn.Module,
    shape: tuple[int, int],
    folder: Path,
    *,
    stem: str = "model",
    outputs: tuple[str, ...] = OUTPUTS,
    channels: int = 1,
) -> None:
    """Write `STEM.safetensors` (half precision) and `STEM.onnx` (of the very same weights).

    Args:
        network: An `XrayNetwork`; its weights are rounded to half precision in place, so that
            both files hold one and the same model.
        shape: Rows and columns of the graph's input; it takes any batch.
        folder: Where to write.
        stem: Stem of the names of both files.
        outputs: Fields of the network's output that the graph gives; it computes no others.
        channels: Channels of the graph's input.
    """
    write_halves(network, folder / f"{stem}.safetensors")
    images = torch.rand(2, channels, *shape)
    write_graph(network, images, folder / f"{stem}.onnx", name="images", outputs=outputs)


def write_halves(network: nn.Module, path: Path) -> None:
    """Round a network's weights to half precision in place, and write them."""
    round_to_half(network)
    state = {
        name: value.half() if _fits_half(name, value) else value
        for name, value in network.state_dict().items()
    }
    save_file({name: value.contiguous() for name, value in state.items()}, path)


def write_graph(
    network: nn.Module, example: torch.Tensor, path: Path, *, name: str, outputs: tuple[str, ...]
) -> None:
    """Write an ONNX graph that takes any batch of inputs of one size.

    Args:
        network: It answers with named fields.
        example: Input of that size, two of a batch.
        path: Where to write.
        name: Name of the input.
        outputs: Fields of the answer that the graph gives; it computes no others.
    """
    network = network.eval().to(memory_format=torch.contiguous_format)
    batch = torch.export.Dim("batch", min=1, max=64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            _Chosen(network, outputs),
            (example,),
            dynamo=True,
            input_names=[name],
            output_names=list(outputs),
            dynamic_shapes=({0: batch},),
            opset_version=_OPSET,
            verbose=False,
        )
    assert program is not None
    program.save(str(path), external_data=False)


def store_halves(path: Path) -> None:
    """Round a graph's weights to half precision and store them so: half the bytes.

    It computes in single precision still: what runs it widens them once, when it loads it.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    model = onnx.load(path)
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _LEAST_STORED_AS_HALVES:
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)


class _Chosen(nn.Module):
    """A network that gives some fields of its output."""

    def __init__(self, network: nn.Module, names: tuple[str, ...]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the chosen fields, in the order they were named."""
        answer = self.network(images)
        return tuple(getattr(answer, name) for name in self.names)


def round_to_half(network: nn.Module) -> None:
    """Round the weights to half precision in place, those excepted that it cannot hold."""
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if _fits_half(name, value):
                value.copy_(value.half().float())


def _fits_half(name: str, value: torch.Tensor) -> bool:
    """Whether half precision holds a tensor: numbers that are neither too small nor too large.

    Running variances of a few channels are below the smallest half; running means behind an
    encoder without normalization, such as VGG16, can be above the largest.
    """
    if not value.is_floating_point() or name.endswith("running_var"):
        return False
    return bool(value.abs().max() <= torch.finfo(torch.half).max)


def quantize_graph(folder: Path, samples: npt.NDArray[np.float32]) -> None:
    """Write `model.int8.onnx`: static 8-bit quantization, calibrated on real films.

    The heads stay in float: their few outputs decide, and they cost next to nothing.

    Args:
        folder: Holds `model.onnx`.
        samples: Inputs of the graph, shape `(n, channels, rows, columns)`.
    """
    import_quietly()
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Films(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = iter(samples)

        def get_next(self) -> dict[str, npt.NDArray[np.float32]] | None:
            sample = next(self.rest, None)
            return None if sample is None else {"images": sample[None]}

    prepared = folder / "prepared.onnx"
    quant_pre_process(str(folder / "model.onnx"), str(prepared), skip_symbolic_shape=True)
    quantize_static(
        str(prepared),
        str(folder / "model.int8.onnx"),
        Films(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        calibrate_method=CalibrationMethod.MinMax,
        op_types_to_quantize=["Conv", "Add"],
        nodes_to_exclude=_head_nodes(prepared),
    )
    prepared.unlink()


def _head_nodes(path: Path) -> list[str]:
    """Return the names of the convolutions that write an output or a head's last map."""
    import onnx

    graph = onnx.load(path).graph
    heads = []
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        weight = next((one for one in graph.initializer if one.name == node.input[1]), None)
        if weight is not None and weight.dims[0] <= 4:
            heads.append(node.name)
    return heads

"""Sessions of OpenVINO: the one place where it is imported, without what tells its maker."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import MissingExtraError, ModelError
from fracturax.models.session import Arrays

_TELEMETRY = "openvino_telemetry"
_HINTS = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoSession:
    """A graph on OpenVINO, on the CPU, in single precision unless asked otherwise.

    OpenVINO computes in bfloat16 by itself where the processor can; logits of the radiograph model
    then move by up to 3. Here it may only where it is asked to.

    Args:
        graph: The bytes of an ONNX file.
        threads: Threads of one inference; 0 lets OpenVINO choose.
        precision: `fp32` or `bf16`; a processor that has no units for it computes bf16 as fp32.

    Raises:
        ModelError: If OpenVINO refuses the graph.
        MissingExtraError: If it is not installed.
    """

    def __init__(
        self, graph: bytes, threads: int, *, precision: Literal["fp32", "bf16"] = "fp32"
    ) -> None:
        openvino = import_quietly()
        self.precision: str = precision
        hint = _HINTS[precision]
        options = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = str(threads)
        try:
            core = openvino.Core()
            self._graph = core.compile_model(core.read_model(graph), "CPU", options)
        except Exception as error:  # OpenVINO's errors are plain RuntimeError
            raise ModelError(
                "OpenVINO cannot load the graph", got=type(error).__name__, cure="get it again"
            ) from error
        self._own = threading.local()

    @property
    def input_shape(self) -> tuple[int | str, ...]:
        """Shape of the first input; an axis that may have any length is a name."""
        shape = self._graph.inputs[0].get_partial_shape()
        return tuple("any" if side.is_dynamic else side.get_length() for side in shape)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of all outputs."""
        return tuple(one.get_any_name() for one in self._graph.outputs)

    def run(self, outputs: Sequence[str], inputs: Arrays) -> list[npt.NDArray[np.float32]]:
        """Return some outputs by name."""
        # A request holds the tensors of one inference: each thread has its own.
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._graph.create_infer_request()
        found = request.infer({name: np.ascontiguousarray(one) for name, one in inputs.items()})
        return [np.array(found[name]) for name in outputs]


def is_installed() -> bool:
    """Whether OpenVINO can be imported."""
    return find_spec("openvino") is not None


def computes_bfloat16() -> bool:
    """Whether OpenVINO is installed and has units for bfloat16 here.

    Without them it computes as in single precision, and what it loses cannot be measured.
    """
    if not is_installed():
        return False
    return "BF16" in import_quietly().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def import_quietly() -> Any:
    """Return the module `openvino`, without the package that reports its use.

    OpenVINO's converters send what they are used for unless somebody said no; they do without
    that package where it is not there. No converter is used here, and none is imported with it.

    Raises:
        MissingExtraError: If OpenVINO is not installed.
    """
    if _TELEMETRY not in sys.modules:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # an import of it fails
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("openvino", verb="the runtime openvino") from error
    return openvino

"""Sessions that run a graph; ONNX Runtime's, and the one place where it is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from fracturax.core.errors import ModelError

Arrays = Mapping[str, npt.NDArray[Any]]


class Session(Protocol):
    """A graph, ready to run; thread-safe, whatever runs it.

    Attributes:
        precision: What it computes in: `fp32` (also an 8-bit graph, outside its 8-bit parts), or
            `bf16`.
    """

    precision: str

    @property
    def input_shape(self) -> tuple[int | str, ...]:
        """Shape of the first input; an axis that may have any length is a name."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of all outputs."""

    def run(self, outputs: Sequence[str], inputs: Arrays) -> list[npt.NDArray[np.float32]]:
        """Return some outputs by name."""


class OnnxRuntimeSession:
    """A graph on ONNX Runtime, on the CPU.

    Args:
        graph: The bytes of an ONNX file.
        threads: Threads of one inference; 0 lets ONNX Runtime choose.

    Raises:
        ModelError: If ONNX Runtime refuses the graph.
    """

    def __init__(self, graph: bytes, threads: int) -> None:
        ort = import_quietly()
        self.precision = "fp32"
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Warm threads that spin would starve the decoders of a folder and the other graph.
        options.add_session_config_entry(
            "session.intra_op.allow_spinning", "0" if threads == 1 else "1"
        )
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors share no base class
            raise ModelError(
                "ONNX Runtime cannot load the graph", got=type(error).__name__, cure="get it again"
            ) from error

    @property
    def input_shape(self) -> tuple[int | str, ...]:
        """Shape of the first input; an axis that may have any length is a name."""
        return tuple(self._session.get_inputs()[0].shape)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of all outputs."""
        return tuple(one.name for one in self._session.get_outputs())

    def run(self, outputs: Sequence[str], inputs: Arrays) -> list[npt.NDArray[np.float32]]:
        """Return some outputs by name."""
        found: list[npt.NDArray[np.float32]] = self._session.run(list(outputs), dict(inputs))
        return found


def import_quietly() -> Any:
    """Return the module `onnxruntime`, its telemetry switched off.

    Since 1.29 its official builds for Linux and macOS keep an identifier of the device and send
    what machine and what models they run on, as they did on Windows before. That is nobody's
    business outside a hospital. The switch counts only before the first import in a process; where
    another package was first, what can still be silenced is.

    References:
        ONNX Runtime, docs/Privacy.md, "Disabling Telemetry".
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime

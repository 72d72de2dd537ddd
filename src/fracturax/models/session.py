"""Sessions of ONNX Runtime: the one place where it is imported, and told to tell nobody."""

from __future__ import annotations

import os
from typing import Any

from fracturax.core.errors import ModelError


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


def open_session(graph: bytes, threads: int) -> Any:
    """Return a session of ONNX Runtime on the CPU.

    Args:
        graph: The bytes of an ONNX file.
        threads: Threads of one inference; 0 lets ONNX Runtime choose.

    Raises:
        ModelError: If ONNX Runtime refuses the graph.
    """
    ort = import_quietly()
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Warm threads that spin would starve the decoders of a folder, and the other graph's threads.
    options.add_session_config_entry(
        "session.intra_op.allow_spinning", "0" if threads == 1 else "1"
    )
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise ModelError(
            "ONNX Runtime cannot load the graph", got=type(error).__name__, cure="get it again"
        ) from error

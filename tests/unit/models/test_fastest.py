"""Runtimes: they answer alike, the fastest is found once, and one that errs is never taken."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fracturax.core.errors import MissingExtraError, ModelError, UnknownNameError
from fracturax.models import fastest
from fracturax.models.fastest import RUNTIME_VARIABLE, RUNTIMES, open_fastest
from fracturax.models.openvino_session import OpenVinoSession
from fracturax.models.session import OnnxRuntimeSession
from fracturax.models.store import packaged_bundles

SHAPES = {"images": (4, 1, 96, 96)}


@pytest.fixture(scope="module")
def graph() -> bytes:
    return (packaged_bundles()["xray"] / "closer.onnx").read_bytes()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder where nothing was found yet, and nobody names a runtime."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(RUNTIME_VARIABLE)
    return tmp_path


def windows(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(SHAPES["images"], np.float32)


@pytest.mark.parametrize("name", RUNTIMES)
def test_every_runtime_answers_as_the_first_whoever_asks_at_once(graph: bytes, name: str) -> None:
    first, other = OnnxRuntimeSession(graph, 1), RUNTIMES[name](graph, 1)
    assert set(other.output_names) == set(first.output_names)
    assert other.input_shape[1:] == first.input_shape[1:]
    assert isinstance(other.input_shape[0], str)
    outputs = first.output_names[::-1]

    def ask(seed: int) -> list[np.ndarray]:
        return other.run(outputs, {"images": windows(seed)})

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(8)))
    for seed, answer in enumerate(answers):
        expected = first.run(outputs, {"images": windows(seed)})
        for said, wanted in zip(answer, expected, strict=True):
            np.testing.assert_allclose(said, wanted, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("name", RUNTIMES)
def test_what_is_no_graph_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="cannot load the graph"):
        RUNTIMES[name](b"no graph", 1)


def test_the_choice_is_kept_and_followed(graph: bytes, home: Path) -> None:
    session = open_fastest(graph, 1, SHAPES)
    kept = home / ".fracturax" / "runtimes.json"
    ((key, chosen),) = json.loads(kept.read_text()).items()
    assert isinstance(session, RUNTIMES[chosen])  # type: ignore[arg-type]
    other = next(name for name in RUNTIMES if name != chosen)
    kept.write_text(json.dumps({key: other}))
    assert isinstance(open_fastest(graph, 1, SHAPES), RUNTIMES[other])  # type: ignore[arg-type]
    # Other threads are another question.
    open_fastest(graph, 2, SHAPES)
    assert len(json.loads(kept.read_text())) == 2


@pytest.mark.parametrize("text", ["{", "[1]", "", '{"a": 1}'])
def test_a_damaged_choice_is_made_again(graph: bytes, home: Path, text: str) -> None:
    kept = home / ".fracturax" / "runtimes.json"
    kept.parent.mkdir()
    kept.write_text(text)
    open_fastest(graph, 1, SHAPES)
    assert set(json.loads(kept.read_text()).values()) & set(RUNTIMES)


def test_where_nothing_can_be_kept_a_session_opens(graph: bytes, home: Path) -> None:
    (home / ".fracturax").write_text("a file in the way")
    assert open_fastest(graph, 1, SHAPES).output_names


def test_where_nobody_is_at_home_a_session_opens(
    graph: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    assert open_fastest(graph, 1, SHAPES).output_names


def test_a_runtime_that_errs_is_never_taken(
    graph: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(OnnxRuntimeSession):
        """At once, and wrong."""

        def run(self, outputs, inputs):  # type: ignore[no-untyped-def]
            return [np.zeros_like(one) for one in expected]

    expected = OnnxRuntimeSession(graph, 1).run(
        OnnxRuntimeSession(graph, 1).output_names, {"images": windows(0)}
    )
    monkeypatch.setitem(fastest.RUNTIMES, "openvino", Wrong)
    assert not isinstance(open_fastest(graph, 1, SHAPES), Wrong)


@pytest.mark.parametrize(("share", "is_taken"), [(0.5, True), (0.9, False)])
def test_a_reduced_precision_is_taken_only_where_it_may_be_and_is_much_faster(
    graph: bytes, home: Path, monkeypatch: pytest.MonkeyPatch, share: float, is_taken: bool
) -> None:
    class Reduced(OnnxRuntimeSession):
        """Near, and not near enough to be exact."""

        def run(self, outputs, inputs):  # type: ignore[no-untyped-def]
            return [one + 1 for one in super().run(outputs, inputs)]

    def seconds(session: object, *_: object) -> float:
        return share if isinstance(session, Reduced) else 1.0

    monkeypatch.setitem(fastest.REDUCED, "openvino-bf16", Reduced)
    monkeypatch.setattr(fastest, "_seconds", seconds)
    assert not isinstance(open_fastest(graph, 1, SHAPES), Reduced)
    assert isinstance(open_fastest(graph, 1, SHAPES, reduced=True), Reduced) is is_taken
    # What was found for a graph that may be reduced is nothing to one that may not.
    assert not isinstance(open_fastest(graph, 1, SHAPES), Reduced)


def test_bfloat16_is_near_single_precision(graph: bytes) -> None:
    exact, reduced = OpenVinoSession(graph, 1), OpenVinoSession(graph, 1, precision="bf16")
    assert (exact.precision, reduced.precision) == ("fp32", "bf16")
    said, wanted = (one.run(["box_logits"], {"images": windows(1)})[0] for one in (reduced, exact))
    assert np.corrcoef(said.ravel(), wanted.ravel())[0, 1] > 0.99


def test_a_runtime_may_be_named(graph: bytes, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUNTIME_VARIABLE, "openvino")
    assert isinstance(open_fastest(graph, 1, SHAPES), OpenVinoSession)
    monkeypatch.setenv(RUNTIME_VARIABLE, "openvin")
    with pytest.raises(UnknownNameError, match="did you mean 'openvino'"):
        open_fastest(graph, 1, SHAPES)
    assert not (home / ".fracturax").exists()


def test_without_the_extra_onnx_runtime_runs_and_nothing_is_timed(
    graph: bytes, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert isinstance(open_fastest(graph, 1, SHAPES), OnnxRuntimeSession)
    assert not (home / ".fracturax").exists()
    monkeypatch.setenv(RUNTIME_VARIABLE, "openvino")
    with pytest.raises(MissingExtraError, match=r"fracturax\[openvino\]"):
        open_fastest(graph, 1, SHAPES)


def test_inputs_that_a_graph_does_not_take_are_left_to_who_opened_it(
    graph: bytes, home: Path
) -> None:
    session = open_fastest(graph, 1, {"images": (2, 3, 96, 96)})
    assert session.input_shape[1] == 1
    assert not (home / ".fracturax").exists()

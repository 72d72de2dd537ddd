"""What every fusion obeys, whichever streams it is given."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from fracturax.models.catalog import FUSIONS
from fracturax.models.fusion import Fusion, FusionOutput
from fracturax.models.session import OnnxRuntimeSession
from fracturax.models.streams import INPUTS, STREAMS, StreamSizes, present_of
from fracturax.training.export_fusion import write_fusion_graph

SIZES = StreamSizes(xray=6, ct=5, radiomics_film=4, radiomics_ct=3)
SUBSETS = [names for count in range(1, len(STREAMS) + 1) for names in combinations(STREAMS, count)]
every = pytest.mark.parametrize("name", list(FUSIONS))


def _network(name: str, *, classes: int = 2) -> Fusion:
    torch.manual_seed(0)
    return Fusion(name, SIZES, width=16, classes=classes).eval()


def _inputs(*, seed: int = 0) -> tuple[Tensor, ...]:
    """One case for every subset of streams; numbers of a seed stand also where none is present."""
    generator = torch.Generator().manual_seed(seed)
    count = len(SUBSETS)
    vectors = [torch.randn(count, size, generator=generator) for size in SIZES.as_tuple()]
    present = torch.from_numpy(np.stack([present_of(names) for names in SUBSETS]))
    maps = [torch.randn(count, *shape, generator=generator) for shape in ((7, 7), (3, 3, 3))]
    return (*vectors, present, *maps)


@torch.inference_mode()
def _ask(network: Fusion, inputs: tuple[Tensor, ...]) -> FusionOutput:
    answer: FusionOutput = network(*inputs)
    return answer


def _same(one: FusionOutput, other: FusionOutput, *, within: float = 0.0) -> bool:
    return all((a - b).abs().max() <= within for a, b in zip(one, other, strict=True))


@every
@pytest.mark.parametrize("classes", [2, 4])
def test_any_subset_is_answered_the_same_each_time(name: str, classes: int) -> None:
    network, inputs = _network(name, classes=classes), _inputs()
    answer = _ask(network, inputs)
    assert answer.logits.shape == (31, classes)
    assert all(part.isfinite().all() for part in answer)
    assert _same(answer, _ask(network, inputs))


@every
def test_weights_are_shares_of_the_present_streams(name: str) -> None:
    inputs = _inputs()
    weights, present = _ask(_network(name), inputs).weights, inputs[5]
    assert (weights >= 0).all()
    assert (weights[~present] == 0).all()
    assert torch.allclose(weights.sum(dim=1), torch.ones(31), atol=1e-6)


@every
@pytest.mark.parametrize("content", ["other", "nan"])
def test_what_stands_in_an_absent_stream_has_no_influence(name: str, content: str) -> None:
    network, inputs = _network(name), _inputs()
    present = inputs[5]
    changed = list(inputs)
    for index, other in enumerate(_inputs(seed=1)):
        stream = {6: 0, 7: 1}.get(index, index)
        if stream == 5:
            continue
        there = present[:, stream].reshape(-1, *(1,) * (other.ndim - 1))
        filled = torch.full_like(other, torch.nan) if content == "nan" else other
        changed[index] = torch.where(there, inputs[index], filled)
    assert _same(_ask(network, inputs), _ask(network, tuple(changed)))


@every
def test_what_stands_in_a_present_stream_has_influence(name: str) -> None:
    network, inputs = _network(name), _inputs()
    for index in range(len(STREAMS)):
        changed = list(inputs)
        changed[index] = inputs[index] + 1
        difference = (_ask(network, inputs).logits - _ask(network, tuple(changed)).logits).abs()
        there = inputs[5][:, index]
        assert (difference.amax(dim=1)[there] > 0).all()


@every
def test_a_batch_is_answered_as_one_by_one(name: str) -> None:
    network, inputs = _network(name), _inputs()
    alone = [_ask(network, tuple(part[case : case + 1] for part in inputs)) for case in range(31)]
    joined = FusionOutput(*(torch.cat(parts) for parts in zip(*alone, strict=True)))
    assert _same(_ask(network, inputs), joined, within=1e-5)


@every
def test_only_a_lone_film_or_a_lone_ct_brings_generated_features(name: str) -> None:
    network, inputs = _network(name), _inputs()
    answer, present = _ask(network, inputs), inputs[5]
    differs = (answer.logits != answer.real_logits).any(dim=1)
    expected = present[:, 0] ^ present[:, 1]
    if FUSIONS[name].is_generative:
        assert torch.equal(differs, expected)
    else:
        assert not differs.any()


@every
def test_it_comes_back_from_files(name: str, tmp_path: Path) -> None:
    network, inputs = _network(name), _inputs()
    answer = _ask(network, inputs)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    torch.manual_seed(1)
    again = Fusion(name, SIZES, width=16).eval()
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert _same(answer, _ask(again, inputs))
    write_fusion_graph(network, inputs, tmp_path / "model.onnx")
    session = OnnxRuntimeSession((tmp_path / "model.onnx").read_bytes(), 1)
    fed = {key: part.numpy() for key, part in zip(INPUTS, inputs, strict=True)}
    said = session.run(FusionOutput._fields, fed)
    for ours, theirs in zip(answer, said, strict=True):
        assert np.abs(ours.numpy() - theirs).max() <= 4e-5
    # Any batch, not only that of the example.
    few = session.run(("weights",), {key: part[:3] for key, part in fed.items()})[0]
    assert np.abs(few - answer.weights[:3].numpy()).max() <= 4e-5


@every
def test_it_names_who_described_it_and_under_which_licence(name: str) -> None:
    assert "20" in FUSIONS[name].paper
    assert FUSIONS[name].licence

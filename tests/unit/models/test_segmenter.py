"""A segmenter's mask lies in the film's own pixels, and its folder is sealed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from fracturax.core.errors import ImageError, ModelError
from fracturax.core.image import Radiograph, Volume
from fracturax.example import example_study_folder
from fracturax.imaging import find_studies
from fracturax.models.bundle import load_bundle
from fracturax.models.segmenter import (
    OUTPUTS,
    MaskCleaning,
    Segmenter,
    SegmenterManifest,
    enlarge_logits,
    load_segmenter,
    write_segmenter,
)
from fracturax.models.unet import UNet
from fracturax.pipelines.segment import segment_by, segment_to_folder
from fracturax.transforms.plan import PreprocessingPlan
from masked_films import draw_masked


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[UNet, Path]:
    """A network without training and its bundle; the export is slow."""
    from fracturax.training.export import export_network

    torch.manual_seed(0)
    network = UNet("mobilenet_v2").eval()
    folder = tmp_path_factory.mktemp("segmenter")
    export_network(network, (64, 64), folder, outputs=OUTPUTS)
    manifest = SegmenterManifest(
        name="tiny",
        version="0",
        network="unet",
        encoder="mobilenet_v2",
        weights="random",
        structures=("bone",),
        created="2026-01-01",
        plan=PreprocessingPlan(64, 64),
        cleaning=MaskCleaning(least_part=0.0, largest_hole=0.0),
    )
    write_segmenter(folder, manifest)
    return network, folder


def _film(shape: tuple[int, int] = (101, 67)) -> Radiograph:
    grey, _ = draw_masked(np.random.default_rng(3), shape)
    return Radiograph(grey.astype(np.float32) / np.float32(255))


def test_the_graph_says_what_the_network_says(exported: tuple[UNet, Path]) -> None:
    network, folder = exported
    film = _film()
    values, placement = PreprocessingPlan(64, 64).apply(film.pixels)
    with torch.inference_mode():
        logits = network(torch.from_numpy(values[None, None])).mask[0].numpy()
    expected = enlarge_logits(logits, placement, film.pixels.shape) >= 0
    found = load_segmenter(folder, threads=1).segment(film)
    assert found.shape == (101, 67)
    assert (found == expected).mean() > 0.999


def test_segmenting_twice_gives_the_same_mask(exported: tuple[UNet, Path]) -> None:
    segmenter = load_segmenter(exported[1], threads=1)
    assert np.array_equal(segmenter.segment(_film()), segmenter.segment(_film()))
    assert segmenter.identity.bundle_sha256


@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (400, 3)])
def test_odd_films_get_a_mask_of_their_size(
    exported: tuple[UNet, Path], shape: tuple[int, int]
) -> None:
    film = Radiograph(np.zeros(shape, np.float32))
    assert load_segmenter(exported[1], threads=1).segment(film).shape == shape


class _Bright(Segmenter):
    """Marks what is brighter than mid-grey: what a perfect network would say of a drawn film."""

    def __init__(self, plan: PreprocessingPlan) -> None:
        self.manifest = SegmenterManifest(
            *("bright", "0", "unet", "mobilenet_v2", "random", ("bone",), "2026-01-01"), plan
        )
        self._session = self

    def run(self, outputs: tuple[str, ...], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert outputs == OUTPUTS
        return [(inputs["images"][:, 0] - 0.5) * 20]


@pytest.mark.parametrize("frame", ["film", "portrait"])
@pytest.mark.parametrize("shape", [(300, 240), (190, 333)])
def test_the_mask_lies_where_the_bone_is(frame: str, shape: tuple[int, int]) -> None:
    grey, mask = draw_masked(np.random.default_rng(1), shape)
    plan = PreprocessingPlan(128, 128, frame=frame)  # type: ignore[arg-type]
    found = _Bright(plan).segment(Radiograph(grey.astype(np.float32) / np.float32(255)))
    assert (found & mask).sum() / (found | mask).sum() > 0.97


def test_a_changed_folder_is_refused(exported: tuple[UNet, Path], tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(exported[1], tmp_path / "copy"))
    (copy / "card.md").write_text("a card that was not there")
    assert load_segmenter(copy).manifest.name == "tiny"
    with (copy / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(ModelError, match="changed or cut off"):
        load_segmenter(copy)
    (copy / "model.onnx").unlink()
    with pytest.raises(ModelError, match="missing"):
        load_segmenter(copy)


def test_the_bundle_of_a_reader_is_no_segmenter() -> None:
    from fracturax.models.store import packaged_bundles

    with pytest.raises(ModelError, match="no bundle of a segmenter"):
        load_segmenter(packaged_bundles()["xray"])


def test_a_segmenter_is_no_reader(exported: tuple[UNet, Path]) -> None:
    with pytest.raises(ModelError, match="is a segmenter, no reader"):
        load_bundle(exported[1])


def test_a_threshold_is_a_probability() -> None:
    with pytest.raises(ModelError, match="0 to 1"):
        MaskCleaning(threshold=2.0)


def test_segment_marks_films_by_a_model_and_says_which(
    exported: tuple[UNet, Path], tmp_path: Path
) -> None:
    segmenter = load_segmenter(exported[1])
    studies = find_studies(example_study_folder() / "leg")
    find = partial(segment_by, segmenter)
    (done,) = segment_to_folder(studies, out=tmp_path, find=find)
    assert done.facts["model"]["bundle_sha256"] == segmenter.identity.bundle_sha256
    assert done.facts["quality"] is None
    with PIL.Image.open(done.files[0]) as picture:
        mask = np.asarray(picture) > 0
    (film,) = studies[0].open().radiographs
    assert np.array_equal(mask, segmenter.segment(film))
    volume = Volume(np.zeros((3, 8, 8), np.float32))
    with pytest.raises(ImageError, match="the model segments films"):
        segment_by(segmenter, volume)

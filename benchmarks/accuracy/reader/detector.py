"""A detector of torchvision in the folds of the radiograph model: FCOS on MobileNetV2, its peer.

    python benchmarks/accuracy/reader/detector.py --root FRACATLAS --weights FILE --out RUNS

Fits FCOS (Tian et al., ICCV 2019) with a pyramid of 128 channels over the strides 8, 16 and
32 of an ImageNet MobileNetV2: folds, input, augmentations and balance of the first look in
`recipes/xray.toml`, 10,400 films a fold as in `plain.py`. It writes what it finds in the films it
never saw, from both views, into `tables/`; a run that was stopped goes on.

`boxes.py` compares it with the packaged model. On two cores with bfloat16 a fold takes 18 minutes;
what `tables/` holds is of fold 0, whose loss was still falling.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOSHead
from torchvision.ops import FeaturePyramidNetwork

from fracturax.core.case import Case
from fracturax.datasets.clean_list import read_clean_list
from fracturax.datasets.passport import Split
from fracturax.evaluation import PredictionTable
from fracturax.evaluation.localization import (
    ImageDetections,
    boxes_as_array,
    write_boxes,
)
from fracturax.imaging.size import image_size
from fracturax.models.backbones import MobileNetV2
from fracturax.models.boxes import join_boxes
from fracturax.pipelines.train import TrainingData, prepare_training_data
from fracturax.training.batches import (
    AugmentedFilms,
    BalancedDraws,
    Batch,
    ExactFilms,
    StoredFilm,
    collate,
)
from fracturax.training.checkpoint import stage_sha256
from fracturax.training.loop import AveragedModule, Trained, run_training
from fracturax.training.recipe import Recipe, load_recipe
from fracturax.transforms.frame import Frame

HERE = Path(__file__).parent
XRAY = HERE.parent / "xray"
RECIPES = HERE.parents[2] / "recipes"
TABLE = HERE / "tables" / "detector.csv"
BOXES = HERE / "tables" / "detector_boxes.csv"

WIDTH = 128
EPOCHS = 5
"""Of 2,080 films: as many as the plain classifiers of `plain.py` are shown."""
LEARNING_RATE = 3e-4


def main() -> None:
    """Train in every fold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of FracAtlas")
    parser.add_argument("--weights", required=True, help="MobileNetV2's file of weights")
    parser.add_argument("--out", type=Path, required=True, help="folder of the runs")
    options = parser.parse_args()
    recipe = load_recipe(RECIPES / "xray.toml").with_weights(options.weights)
    data = prepare_training_data(
        recipe,
        root=options.root,
        split=Split.read(XRAY / "split.json"),
        unwanted=read_clean_list(RECIPES / "xray-clean.csv"),
    )
    train(recipe, data, out=options.out)


class _Features(nn.Module):
    """A pyramid of equally wide maps over a backbone, as torchvision's detectors want it."""

    out_channels = WIDTH

    def __init__(self, weights: str) -> None:
        super().__init__()
        self.backbone = MobileNetV2(weights)
        self.pyramid = FeaturePyramidNetwork(list(MobileNetV2.channels), WIDTH)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = self.backbone(images)
        levels: dict[str, Tensor] = self.pyramid(dict(zip("012", maps, strict=True)))
        return levels


class _Head(FCOSHead):
    """FCOS's own, whose answers leave bfloat16 before they are summed to a loss."""

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        return {name: answer.float() for name, answer in super().forward(x).items()}


def build_detector(recipe: Recipe) -> FCOS:
    """Build the detector for inputs of the recipe's plan, with the weights it begins from."""
    plan = recipe.plan
    sizes = tuple((stride,) for stride in MobileNetV2.strides)
    anchors = AnchorGenerator(sizes, ((1.0,),) * len(sizes))
    detector = FCOS(
        _Features(recipe.network.weights),
        num_classes=2,
        anchor_generator=anchors,
        head=_Head(WIDTH, anchors.num_anchors_per_location()[0], 2),
        min_size=min(plan.rows, plan.columns),
        max_size=max(plan.rows, plan.columns),
        score_thresh=0.01,
        nms_thresh=0.5,
        detections_per_img=30,
        _skip_resize=True,
    )
    return detector.to(memory_format=torch.channels_last)


class DetectorModule(AveragedModule):
    """A detector, the moving average of its weights, and its optimizer."""

    def __init__(self, network: FCOS, recipe: Recipe, total_steps: int) -> None:
        options = recipe.optimizer
        super().__init__(network, seed=recipe.seed, average_decay=options.average_decay)
        self.recipe, self.total_steps = recipe, total_steps
        blocks = list(network.backbone.backbone.features)
        for block in blocks[: recipe.network.frozen_blocks]:
            block.requires_grad_(False)

    def terms(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return the terms of the loss of a batch, as torchvision weighs them."""
        targets = [
            {
                "boxes": boxes[:, [1, 0, 3, 2]].reshape(-1, 4),
                "labels": torch.ones(len(boxes), dtype=torch.int64),
            }
            for boxes in batch.boxes
        ]
        losses: dict[str, Tensor] = network(_colors(batch.images), targets)
        return losses

    def configure_optimizers(self):
        """AdamW, one cycle of the learning rate."""
        options = self.recipe.optimizer
        learned = [one for one in self.network.parameters() if one.requires_grad]
        optimizer = torch.optim.AdamW(
            learned, lr=options.learning_rate, weight_decay=options.weight_decay
        )
        return self.in_one_cycle(
            optimizer, total_steps=self.total_steps, final_share=options.final_share
        )


def _colors(images: Tensor) -> list[Tensor]:
    """Return each film as the three equal colours that torchvision normalizes."""
    return list(images.expand(-1, 3, -1, -1))


def train(recipe: Recipe, data: TrainingData, *, out: Path) -> None:
    """Train in every fold, and write what is found in the films held out."""
    pace = replace(recipe.optimizer, epochs=EPOCHS, learning_rate=LEARNING_RATE)
    stage = replace(recipe, name="detector", optimizer=pace)
    seen: dict[str, ImageDetections] = {}
    for fold in range(recipe.data.folds):
        films: list[StoredFilm] = []
        others: list[tuple[Case, StoredFilm]] = []
        for case, film in zip(data.cases, data.films, strict=True):
            if data.split.trains(case.name, fold):
                films.append(film)
            else:
                others.append((case, film))
        trained = train_detector(stage, films, folder=out / f"fold-{fold}")
        seen_now = find_boxes(trained.network, [film for _, film in others])
        for (case, film), (placed, scores) in zip(others, seen_now, strict=True):
            boxes = _frame(stage, case).turn_boxes_back(film.placement.boxes_to_original(placed))
            there = boxes_as_array(case.reference.boxes or ())
            seen[case.name] = ImageDetections(case.name, case.name, boxes, scores, there)
        write_answers(data, seen)


def write_answers(data: TrainingData, seen: dict[str, ImageDetections]) -> None:
    """Write both tables of the films read so far."""
    read = [case for case in data.cases if case.name in seen]
    records = []
    for case in read:
        best = float(seen[case.name].scores.max(initial=0.0))
        records.append(
            {
                "case": case.name,
                "image": case.name,
                "patient_key": case.patient_key,
                "reference": int(case.reference.fracture),
                "probability": best,
                "status": "fracture" if best >= 0.5 else "no_fracture",
                "fold": data.split.fold_of[case.name],
                "model": "detector",
            }
        )
    PredictionTable.from_records(records).write_csv(TABLE)
    write_boxes([seen[case.name] for case in read], BOXES)


def train_detector(recipe: Recipe, films: Sequence[StoredFilm], *, folder: Path) -> Trained:
    """Train one detector; a run that was stopped goes on from its last epoch."""
    torch.manual_seed(recipe.seed)
    options = recipe.optimizer
    marked = [film for film in films if film.reference.boxes is not None]
    steps = options.epochs * (options.epoch_films // options.batch_size)

    def loaders(first_epoch: int) -> tuple[DataLoader, DataLoader]:
        batches = DataLoader(
            AugmentedFilms(marked, recipe),
            batch_size=options.batch_size,
            sampler=BalancedDraws(marked, recipe, first_epoch=first_epoch),
            collate_fn=collate,
            drop_last=True,
        )
        return batches, DataLoader(ExactFilms(()), collate_fn=collate)

    return run_training(
        DetectorModule(build_detector(recipe), recipe, steps),
        loaders,
        folder=folder,
        stage=stage_sha256({**recipe.as_document(), "detector": f"FCOS, {WIDTH}"}, None),
        epochs=options.epochs,
        precision=options.precision,
    )


@torch.inference_mode()
def find_boxes(
    network: nn.Module, films: Sequence[StoredFilm]
) -> list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]:
    """Return boxes and scores in each film, in input pixels: those of both views joined."""
    found = []
    for batch in DataLoader(ExactFilms(films), batch_size=16, collate_fn=collate):
        columns = batch.images.shape[3]
        upright = network(_colors(batch.images))
        mirrored = network(_colors(batch.images.flip(3)))
        for one, other in zip(upright, mirrored, strict=True):
            boxes, turned = _boxes_of(one), _boxes_of(other)
            turned[:, [1, 3]] = columns - turned[:, [3, 1]]
            scores = [view["scores"].double().numpy() for view in (one, other)]
            found.append(join_boxes(np.concatenate([boxes, turned]), np.concatenate(scores)))
    return found


def _boxes_of(answer: dict[str, Tensor]) -> npt.NDArray[np.float64]:
    """Return boxes of torchvision's, columns first, as rows first."""
    boxes: npt.NDArray[np.float64] = answer["boxes"].double().numpy()[:, [1, 0, 3, 2]]
    return boxes


def _frame(recipe: Recipe, case: Case) -> Frame:
    assert case.path is not None, "a released film is a file"
    return recipe.plan.frame_of(np.empty(image_size(case.path), np.uint8))


if __name__ == "__main__":
    main()

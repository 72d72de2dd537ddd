"""What the network is asked for: image answer, heat map, boxes, region and hardware."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fracturax.models.classifier import ClassifierOutput
from fracturax.models.xray import XrayOutput
from fracturax.training.batches import Batch
from fracturax.training.recipe import LossRecipe

_CANDIDATES = 9


def loss_terms(
    output: XrayOutput | ClassifierOutput, batch: Batch, weights: LossRecipe
) -> dict[str, Tensor]:
    """Return the weighted terms of the loss by name; their sum is minimized."""
    smooth = weights.label_smoothing
    target = batch.fracture * (1 - smooth) + 0.5 * smooth
    terms = {
        "image": weights.image * F.binary_cross_entropy_with_logits(output.fracture.float(), target)
    }
    if isinstance(output, XrayOutput):
        context = torch.cat([output.regions, output.hardware[:, None]], dim=1).float()
        marked = batch.is_marked
        terms["heat"] = weights.heat * heat_loss(output.heat.float(), batch.heat, marked)
        terms["boxes"] = weights.boxes * box_loss(output, batch)
        terms["context"] = weights.context * F.binary_cross_entropy_with_logits(
            context, batch.context
        )
    return terms


def heat_loss(logits: Tensor, target: Tensor, is_marked: Tensor) -> Tensor:
    """Focal loss with soft targets plus Dice of the fractured films.

    Args:
        logits: Shape `(b, rows, columns)`.
        target: Share of each cell that is fractured, same shape.
        is_marked: Films whose fractures are outlined, shape `(b,)`; others say nothing.

    References:
        Li et al., "Generalized Focal Loss", NeurIPS 2020 (the focal term for soft targets).
        Milletari et al., "V-Net", 3DV 2016 (Dice).
    """
    logits, target = logits[is_marked], target[is_marked]
    fractured = target.flatten(1).sum(dim=1) > 0
    # Normalize by the fractured cells, but not below a typical film's: normals have none.
    cells = target.sum().clamp(min=8.0 * max(len(target), 1))
    focal = soft_focal(logits, target).sum() / cells
    if not bool(fractured.any()):
        return focal
    probability = torch.sigmoid(logits[fractured]).flatten(1)
    truth = target[fractured].flatten(1)
    shared = (probability * truth).sum(dim=1)
    dice = (2 * shared + 1) / (probability.pow(2).sum(dim=1) + truth.pow(2).sum(dim=1) + 1)
    return focal + (1 - dice).mean()


def soft_focal(logits: Tensor, target: Tensor) -> Tensor:
    """Return binary cross-entropy scaled by the squared error, elementwise."""
    error = (torch.sigmoid(logits) - target).pow(2)
    return error * F.binary_cross_entropy_with_logits(logits, target, reduction="none")


def box_loss(output: XrayOutput, batch: Batch) -> Tensor:
    """Score and place of the boxes, with targets assigned by how well both already agree.

    References:
        Feng et al., "TOOD: Task-aligned One-stage Object Detection", ICCV 2021.
        Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019.
    """
    total = output.box_logits.new_zeros((), dtype=torch.float32)
    weight = total.clone()
    for film in torch.nonzero(batch.is_marked)[:, 0].tolist():
        logits, boxes = output.box_logits[film].float(), output.boxes[film]
        reference = batch.boxes[film]
        target, owner = assign(logits.detach(), boxes.detach(), reference)
        total = total + soft_focal(logits, target).sum()
        chosen = target > 0
        if bool(chosen.any()):
            giou = generalized_iou(boxes[chosen], reference[owner[chosen]])
            total = total + 2.0 * ((1 - giou) * target[chosen]).sum()
            weight = weight + target[chosen].sum()
    return total / weight.clamp(min=4.0)


def assign(logits: Tensor, boxes: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Choose, for each reference box, the candidates that should claim it.

    Args:
        logits: Shape `(n,)`.
        boxes: Candidates, shape `(n, 4)`.
        reference: Reference boxes, shape `(m, 4)`.

    Returns:
        Target score in [0, 1] of each candidate (0 = background), and the index of the
        reference box it belongs to; both of shape `(n,)`.
    """
    target, owner = logits.new_zeros(len(logits)), torch.zeros(len(logits), dtype=torch.long)
    if len(reference) == 0:
        return target, owner
    overlap = generalized_iou(boxes[:, None], reference[None], plain=True).clamp(min=0)  # (n, m)
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    # Cells are what is fixed about a candidate: closeness decides while boxes are still random.
    distance = (centers[:, None] - (reference[None, :, :2] + reference[None, :, 2:]) / 2).norm(
        dim=2
    )
    size = (reference[:, 2:] - reference[:, :2]).clamp(min=8.0).norm(dim=1)
    near = torch.exp(-2 * distance / size)
    alignment = torch.sigmoid(logits)[:, None].sqrt() * overlap.pow(4) + 1e-4 * near
    alignment = torch.where(near > 0.25, alignment, torch.zeros_like(alignment))
    for index in range(len(reference)):
        count = min(_CANDIDATES, int((alignment[:, index] > 0).sum()))
        if count == 0:
            continue
        best, chosen = alignment[:, index].topk(count)
        quality = (best / best.max()) * overlap[chosen, index].max().clamp(min=0.2)
        better = quality > target[chosen]
        target[chosen[better]] = quality[better]
        owner[chosen[better]] = index
    return target, owner


def generalized_iou(one: Tensor, other: Tensor, *, plain: bool = False) -> Tensor:
    """Return the generalized (or plain) intersection over union of boxes, broadcast."""
    low, high = (
        torch.maximum(one[..., :2], other[..., :2]),
        torch.minimum(one[..., 2:], other[..., 2:]),
    )
    shared = (high - low).clamp(min=0).prod(dim=-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(dim=-1) for box in (one, other)]
    union = (areas[0] + areas[1] - shared).clamp(min=1e-6)
    if plain:
        return shared / union
    outer = torch.maximum(one[..., 2:], other[..., 2:]) - torch.minimum(
        one[..., :2], other[..., :2]
    )
    hull = outer.prod(dim=-1).clamp(min=1e-6)
    return shared / union - (hull - union) / hull

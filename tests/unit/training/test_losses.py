import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import generalized_box_iou

from fracturax.core.geometry import Box
from fracturax.models.xray import XrayOutput
from fracturax.training.batches import Batch
from fracturax.training.losses import (
    assign,
    box_loss,
    generalized_iou,
    heat_loss,
    loss_terms,
    soft_focal,
)
from fracturax.training.recipe import LossRecipe

REFERENCE = torch.tensor([[16.0, 16.0, 40.0, 48.0]])


def _boxes(count: int, seed: int) -> Tensor:
    generator = np.random.default_rng(seed)
    low = generator.uniform(0, 60, (count, 2))
    sides = np.hstack([low, low + generator.uniform(1, 40, (count, 2))])
    return torch.tensor(sides, dtype=torch.float32)


def test_generalized_iou_is_that_of_torchvision() -> None:
    one, other = _boxes(40, 0), _boxes(30, 1)
    assert torch.allclose(
        generalized_iou(one[:, None], other[None]), generalized_box_iou(one, other), atol=1e-5
    )


def test_plain_iou_is_that_of_core() -> None:
    one, other = _boxes(40, 2), _boxes(40, 3)
    expected = [
        Box(*first).iou(Box(*second))
        for first, second in zip(one.tolist(), other.tolist(), strict=True)
    ]
    assert torch.allclose(generalized_iou(one, other, plain=True), torch.tensor(expected))


def test_generalized_iou_of_two_unit_squares_two_apart() -> None:
    # Union 2, hull 4, nothing shared: 0 - (4 - 2) / 4.
    one, other = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[0.0, 3.0, 1.0, 4.0]])
    assert float(generalized_iou(one, other)) == pytest.approx(-0.5)


def test_boxes_without_an_area_give_a_number_and_a_gradient() -> None:
    flat = torch.tensor([[5.0, 5.0, 5.0, 5.0]], requires_grad=True)
    value = generalized_iou(flat, torch.tensor([[5.0, 5.0, 5.0, 5.0]]))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()


@pytest.mark.parametrize("target", [0.0, 0.3, 0.5, 1.0])
def test_focal_loss_is_least_at_its_target(target: float) -> None:
    probability = torch.linspace(0.001, 0.999, 999)
    losses = soft_focal(torch.logit(probability), torch.full((999,), target))
    assert float(probability[losses.argmin()]) == pytest.approx(target, abs=0.002)


def test_focal_loss_is_the_cross_entropy_scaled_by_the_squared_error() -> None:
    # p = 0.25 for a target of 1: (0.75)² · (-ln 0.25).
    logit = torch.logit(torch.tensor(0.25))
    assert float(soft_focal(logit, torch.tensor(1.0))) == pytest.approx(0.75**2 * np.log(4))


def test_what_is_easy_weighs_less_than_in_plain_cross_entropy() -> None:
    logits, target = torch.tensor([-4.0, 0.0]), torch.zeros(2)
    focal = soft_focal(logits, target)
    plain = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    assert focal[0] / focal[1] < 0.01 * plain[0] / plain[1]


def test_the_perfect_candidate_is_chosen_and_belongs_to_its_box() -> None:
    reference = torch.cat([REFERENCE, torch.tensor([[60.0, 60.0, 80.0, 80.0]])])
    candidates = torch.cat([_boxes(50, 4), reference.flip(0)])
    target, owner = assign(torch.zeros(52), candidates, reference)
    assert target[50:].tolist() == pytest.approx([1.0, 1.0])
    assert owner[50:].tolist() == [1, 0]


def test_a_candidate_far_away_is_background_however_sure_it_is() -> None:
    far = torch.tensor([[300.0, 300.0, 324.0, 332.0]])
    near = REFERENCE + torch.tensor([2.0, 0.0, 2.0, 0.0])
    target, _ = assign(torch.tensor([9.0, -6.0]), torch.cat([far, near]), REFERENCE)
    assert target[0] == 0
    assert target[1] > 0


def test_of_two_equal_boxes_the_surer_one_has_the_higher_target() -> None:
    both = REFERENCE.repeat(2, 1) + torch.tensor([[1.0, 0, 1, 0], [1.0, 0, 1, 0]])
    target, _ = assign(torch.tensor([-3.0, 3.0]), both, REFERENCE)
    assert target[1] > target[0]


def test_each_fracture_claims_a_few_candidates_even_where_none_overlaps() -> None:
    corners = torch.tensor([[row, 30.0, row + 0.1, 30.1] for row in np.linspace(20, 36, 30)])
    target, _ = assign(torch.zeros(30), corners.float(), REFERENCE)
    assert 1 <= int((target > 0).sum()) <= 9


def test_without_a_fracture_everything_is_background() -> None:
    target, _ = assign(torch.zeros(20), _boxes(20, 5), torch.empty(0, 4))
    assert not target.any()


def _heat_target() -> Tensor:
    target = torch.zeros(2, 8, 8)
    target[0, 2:5, 3:6] = 1.0
    return target


def test_heat_loss_falls_as_the_prediction_comes_near() -> None:
    target, marked = _heat_target(), torch.tensor([True, True])
    right = (target - 0.5) * 2
    losses = [float(heat_loss(sure * right, target, marked)) for sure in (-4, -1, 0, 1, 4, 12)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.01


def test_heat_on_an_intact_film_costs() -> None:
    target, marked = _heat_target(), torch.tensor([True, True])
    right = (target - 0.5) * 8
    wrong = right.clone()
    wrong[1, 0, 0] = 4.0
    assert heat_loss(wrong, target, marked) > heat_loss(right, target, marked) + 0.05


def test_the_fractured_share_does_not_decide_whether_a_loss_exists() -> None:
    logits = torch.zeros(2, 8, 8, requires_grad=True)
    for marked in ([True, True], [False, True], [False, False]):
        loss = heat_loss(logits, _heat_target(), torch.tensor(marked))
        assert torch.isfinite(loss)


def _output(films: int) -> XrayOutput:
    torch.manual_seed(0)
    return XrayOutput(
        fracture=torch.randn(films, requires_grad=True),
        heat=torch.randn(films, 8, 8, requires_grad=True),
        box_logits=torch.randn(films, 12, requires_grad=True),
        boxes=torch.stack([_boxes(12, seed) for seed in range(films)]).requires_grad_(),
        regions=torch.randn(films, 4, requires_grad=True),
        hardware=torch.randn(films, requires_grad=True),
        embedding=torch.randn(films, 16),
        texture=torch.randn(films, 8),
    )


def _batch(marked: list[bool]) -> Batch:
    films = len(marked)
    heat = torch.zeros(films, 8, 8)
    heat[0, 2:5, 2:6] = 1.0
    return Batch(
        images=torch.zeros(films, 1, 64, 64),
        fracture=torch.tensor([1.0] + [0.0] * (films - 1)),
        heat=heat,
        boxes=[REFERENCE] + [torch.empty(0, 4)] * (films - 1),
        is_marked=torch.tensor(marked),
        context=torch.zeros(films, 5),
    )


def test_a_film_whose_fractures_nobody_marked_says_nothing_of_the_place() -> None:
    output = _output(2)
    terms = loss_terms(output, _batch([False, True]), LossRecipe())
    (terms["heat"] + terms["boxes"]).backward()
    for tensor in (output.heat, output.box_logits):
        assert tensor.grad is not None
        assert not tensor.grad[0].any()
        assert tensor.grad[1].any()


def test_an_unmarked_film_still_says_that_there_is_a_fracture() -> None:
    output = _output(2)
    loss_terms(output, _batch([False, False]), LossRecipe())["image"].backward()
    assert output.fracture.grad is not None
    assert output.fracture.grad[0] < 0 < output.fracture.grad[1]


def test_a_weight_of_zero_leaves_a_term_out() -> None:
    weights = LossRecipe(image=0.0, heat=0.0, boxes=0.0, context=0.0)
    terms = loss_terms(_output(2), _batch([True, True]), weights)
    assert {name: float(term.detach()) for name, term in terms.items()} == dict.fromkeys(
        ("image", "heat", "boxes", "context"), 0.0
    )


def test_box_loss_falls_when_the_best_candidate_is_right_and_sure() -> None:
    batch, output = _batch([True]), _output(1)
    good = output._replace(
        boxes=torch.cat([REFERENCE, output.boxes[0].detach()[1:]])[None],
        box_logits=torch.tensor([[6.0] + [-6.0] * 11]),
    )
    unsure = good._replace(box_logits=torch.full((1, 12), -6.0))
    moved = good._replace(boxes=good.boxes + torch.tensor([6.0, 6.0, 6.0, 6.0]))
    best = box_loss(good, batch)
    assert best < box_loss(unsure, batch)
    assert best < box_loss(moved, batch)


def test_label_smoothing_moves_the_least_loss_off_certainty() -> None:
    batch = _batch([True])
    logits = torch.linspace(-8, 8, 1601)
    losses = [
        float(
            loss_terms(
                _output(1)._replace(fracture=logit[None]), batch, LossRecipe(label_smoothing=0.1)
            )["image"]
        )
        for logit in logits[::20]
    ]
    best = float(torch.sigmoid(logits[::20][int(np.argmin(losses))]))
    assert best == pytest.approx(0.95, abs=0.01)

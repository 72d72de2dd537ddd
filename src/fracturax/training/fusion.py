"""How a fusion is trained: on stream features that were kept, with streams dropped and spoilt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fracturax.core.errors import DataError
from fracturax.models.fusion import FeatureDiscriminator, Fusion, FusionOutput, Generative
from fracturax.models.streams import STREAMS, StreamSizes
from fracturax.training.film_stream import draw_shares
from fracturax.training.fusion_recipe import FusionRecipe
from fracturax.training.guards import require_number, require_numbers

Floats = npt.NDArray[np.float32]
_MAPS = ("xray", "ct")
_MARGIN = 0.5
_SMALLEST = 1e-6


class Spoilt(NamedTuple):
    """A degraded stream, case by case.

    Attributes:
        features: Shape `(n, d)`; NaN in the rows of cases that were not degraded.
        map: The stream's own map, shape `(n, ...)`.
    """

    features: Floats
    map: Floats


@dataclass(frozen=True, eq=False)
class StreamTable:
    """What the streams say of cases.

    Args:
        features: By stream, shape `(n, d)`; a stream that is not here is absent everywhere.
        maps: Of `xray` and `ct`, the stream's own map, shape `(n, ...)`.
        cells: Which cells of these maps hold a fracture, same shapes.
        label: Whether a fracture lies there, shape `(n,)`.
        group: Number of the patient, shape `(n,)`.
        spoilt: By stream and kind of degradation.

    Raises:
        DataError: If the arrays do not fit each other.
    """

    features: Mapping[str, Floats]
    maps: Mapping[str, Floats]
    cells: Mapping[str, npt.NDArray[np.bool_]]
    label: npt.NDArray[np.bool_]
    group: npt.NDArray[np.int64]
    spoilt: Mapping[str, Mapping[str, Spoilt]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.label)
        arrays = [*self.features.values(), *self.maps.values(), *self.cells.values(), self.group]
        if not self.features or any(len(one) != count for one in arrays):
            raise DataError(
                "the streams are not of the same cases", got=str([len(one) for one in arrays])
            )
        for one in self.features.values():
            if not np.isfinite(one).all():
                raise DataError("a feature of a stream is no number", got="NaN or infinity")

    @property
    def sizes(self) -> StreamSizes:
        """How many numbers each stream brings."""
        return StreamSizes(**{name: one.shape[1] for name, one in self.features.items()})

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which streams there are, shape `(5,)`."""
        return np.array([name in self.features for name in STREAMS])

    def part(self, chosen: npt.NDArray[Any]) -> StreamTable:
        """Return some of the cases."""
        return StreamTable(
            {name: one[chosen] for name, one in self.features.items()},
            {name: one[chosen] for name, one in self.maps.items()},
            {name: one[chosen] for name, one in self.cells.items()},
            self.label[chosen],
            self.group[chosen],
            {
                name: {
                    kind: Spoilt(one.features[chosen], one.map[chosen])
                    for kind, one in kinds.items()
                }
                for name, kinds in self.spoilt.items()
            },
        )

    def with_spoilt(self, stream: str, kind: str) -> StreamTable:
        """Return the cases with one stream degraded."""
        other = self.spoilt[stream][kind]
        return StreamTable(
            {**self.features, stream: other.features},
            {**self.maps, stream: other.map},
            self.cells,
            self.label,
            self.group,
        )

    def inputs(
        self, chosen: npt.NDArray[np.int64] | None = None, present: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return cases as a fusion takes them; all streams there are, unless `present` says so."""
        which = np.arange(len(self.label)) if chosen is None else chosen
        count = len(which)
        if present is None:
            present = torch.from_numpy(np.tile(self.present, (count, 1)))
        vectors = [
            torch.from_numpy(self.features[name][which])
            if name in self.features
            else torch.zeros(count, size)
            for name, size in zip(STREAMS, self.sizes.as_tuple(), strict=True)
        ]
        return (*vectors, present, *(self._map(name, which) for name in _MAPS))

    def _map(self, name: str, which: npt.NDArray[np.int64]) -> Tensor:
        if name in self.maps:
            return torch.from_numpy(self.maps[name][which])
        return torch.zeros(len(which), *(1,) * (2 if name == "xray" else 3))


@dataclass(frozen=True, eq=False)
class TrainedFusion:
    """A trained fusion and its curves: one row an epoch.

    Args:
        network: In evaluation mode.
        curves: Loss of training and, where there is an inner patient, of it.
        best_epoch: Whose weights were kept.
    """

    network: Fusion
    curves: tuple[Mapping[str, float], ...]
    best_epoch: int


def train_fusion(
    recipe: FusionRecipe, table: StreamTable, *, inner: StreamTable | None = None
) -> TrainedFusion:
    """Train a fusion.

    Args:
        recipe: What to do.
        table: Cases of the training patients.
        inner: Cases of a patient that chooses the epoch; without it the last weights are kept.

    Raises:
        ModelError: If loss or weights become no numbers.
    """
    torch.manual_seed(recipe.seed)
    design, pace = recipe.network, recipe.optimizer
    network = Fusion(
        design.fusion,
        table.sizes,
        width=design.width,
        blocks=design.blocks,
        dropout=design.dropout,
    )
    for name, values in table.features.items():
        network.set_scale(
            name, torch.from_numpy(values.mean(axis=0)), torch.from_numpy(values.std(axis=0))
        )
    optimizer = torch.optim.Adam(
        network.parameters(), lr=pace.learning_rate, weight_decay=pace.weight_decay
    )
    rivals = _Rivals(design.width, pace.learning_rate) if network.is_generative else None
    share = draw_shares(table.label, table.group)
    steps = max(1, len(share) // pace.batch_size)
    kept, best, best_epoch = deepcopy(network.state_dict()), math.inf, 0
    curves: list[Mapping[str, float]] = []
    for epoch in range(pace.epochs):
        network.train()
        generator = np.random.default_rng([recipe.seed, epoch])
        total = 0.0
        for step in range(steps):
            chosen = generator.choice(len(share), pace.batch_size, p=share)
            loss = _loss(network, recipe, table, chosen, generator, rivals)
            require_number(loss, step=epoch * steps + step)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += float(loss.detach())
        row = {"epoch": float(epoch), "loss": total / steps}
        if inner is not None:
            row["inner_loss"] = _inner_loss(network, inner)
            if row["inner_loss"] < best:
                best, best_epoch = row["inner_loss"], epoch
                kept = deepcopy(network.state_dict())
        curves.append(row)
        if inner is not None and pace.patience and epoch - best_epoch >= pace.patience:
            break
    if inner is not None:
        network.load_state_dict(kept)
    else:
        best_epoch = len(curves) - 1
    require_numbers(network, step=len(curves) * steps)
    return TrainedFusion(network.eval(), tuple(curves), best_epoch)


@torch.inference_mode()
def answer_table(
    network: Fusion, table: StreamTable, names: tuple[str, ...] | None = None
) -> FusionOutput:
    """Return what a fusion says of all cases from some of their streams; all by default."""
    network.eval()
    given = list(table.features) if names is None else names
    there = torch.tensor([name in given for name in STREAMS])
    answer: FusionOutput = network(*table.inputs(present=there.expand(len(table.label), -1)))
    return answer


def _loss(
    network: Fusion,
    recipe: FusionRecipe,
    table: StreamTable,
    chosen: npt.NDArray[np.int64],
    generator: np.random.Generator,
    rivals: _Rivals | None,
) -> Tensor:
    terms = recipe.loss
    present = _drop(table.present, len(chosen), terms.dropped, generator)
    inputs = table.inputs(chosen, present)
    spoilt, which = _spoil(table, inputs, chosen, terms.degraded, generator)
    answer = network(*spoilt)
    target = torch.from_numpy(table.label[chosen].astype(np.int64))
    loss = F.cross_entropy(answer.logits, target)
    if network.is_generative:
        loss = loss + F.cross_entropy(answer.real_logits, target)
    for name, said in (("xray", answer.xray_where), ("ct", answer.ct_where)):
        there = present[:, STREAMS.index(name)]
        if name in table.cells and there.any():
            cells = torch.from_numpy(table.cells[name][chosen].astype(np.float32))
            loss = loss + terms.masks * F.binary_cross_entropy_with_logits(
                said[there], cells[there]
            )
    if terms.ranked and (which >= 0).any():
        loss = loss + terms.ranked * _rank(network(*inputs).weights, answer.weights, which, present)
    if rivals is not None:
        loss = loss + terms.adversarial * rivals.loss(network, inputs, terms.cycle)
    return loss


def _drop(
    there: npt.NDArray[np.bool_], count: int, chance: float, generator: np.random.Generator
) -> Tensor:
    """Return which streams a case keeps, shape `(count, 5)`: at least one that there is."""
    kept = (generator.random((count, len(STREAMS))) >= chance) & there
    spare = generator.choice(np.flatnonzero(there), count)
    empty = ~kept.any(axis=1)
    kept[empty, spare[empty]] = True
    return torch.from_numpy(kept)


def _spoil(
    table: StreamTable,
    inputs: tuple[Tensor, ...],
    chosen: npt.NDArray[np.int64],
    chance: float,
    generator: np.random.Generator,
) -> tuple[tuple[Tensor, ...], npt.NDArray[np.int64]]:
    """Degrade one stream of some cases; return the inputs, and which stream it was, -1 if none."""
    which = np.full(len(chosen), -1)
    if not table.spoilt or not chance:
        return inputs, which
    new = [one.clone() for one in inputs]
    streams = list(table.spoilt)
    for row, case in enumerate(chosen.tolist()):
        name = streams[int(generator.integers(len(streams)))]
        kinds = list(table.spoilt[name])
        other = table.spoilt[name][kinds[int(generator.integers(len(kinds)))]]
        index = STREAMS.index(name)
        if generator.random() >= chance or not bool(inputs[5][row, index]):
            continue
        if not np.isfinite(other.features[case]).all():  # of some cases only it is known
            continue
        which[row] = index
        new[index][row] = torch.from_numpy(other.features[case])
        new[6 + _MAPS.index(name)][row] = torch.from_numpy(other.map[case])
    return tuple(new), which


def _rank(before: Tensor, after: Tensor, which: npt.NDArray[np.int64], present: Tensor) -> Tensor:
    """Return how far a degraded stream's weight is from lying a margin below what it was."""
    # A stream that is alone has weight 1 whatever it is like.
    rows = np.flatnonzero((which >= 0) & (present.sum(dim=1) > 1).numpy())
    if not len(rows):
        return after.sum() * 0
    columns = which[rows]
    ratio = torch.log(after[rows, columns] + _SMALLEST) - torch.log(
        before[rows, columns] + _SMALLEST
    )
    return F.relu(ratio + _MARGIN).mean()


@torch.no_grad()
def _inner_loss(network: Fusion, table: StreamTable) -> float:
    """Return the balanced cross-entropy of an inner patient, over each stream alone and all."""
    subsets: list[tuple[str, ...]] = [(name,) for name in table.features]
    subsets.append(tuple(table.features))
    target = torch.from_numpy(table.label.astype(np.int64))
    share = torch.from_numpy(draw_shares(table.label, table.group)).float()
    losses = [
        float((_cross_entropies(answer_table(network, table, one).logits, target) * share).sum())
        for one in subsets
    ]
    return float(np.mean(losses))


def _cross_entropies(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target, reduction="none")


class _Rivals:
    """Two discriminators and their optimizer, against the two generators of a fusion.

    Least squares in place of the logarithm, as the CycleGAN paper has it. Tokens are taken as they
    are: the generators follow the embedding, the embedding does not follow them.
    """

    def __init__(self, width: int, learning_rate: float) -> None:
        self.ct, self.xray = FeatureDiscriminator(width), FeatureDiscriminator(width)
        self.optimizer = torch.optim.Adam(
            [*self.ct.parameters(), *self.xray.parameters()], lr=learning_rate
        )

    def loss(self, network: Fusion, inputs: tuple[Tensor, ...], cycle: float) -> Tensor:
        """Take a step of the discriminators and return the generators' loss."""
        fuse = network.fuse
        assert isinstance(fuse, Generative)
        everything = torch.ones_like(inputs[5])
        with torch.no_grad():
            tokens = network.tokens(inputs[:5], everything)
        xray, ct = tokens[:, STREAMS.index("xray")], tokens[:, STREAMS.index("ct")]
        made_ct, made_xray = fuse.to_ct(xray), fuse.to_xray(ct)
        told = [
            _squares(judge, real, 1) + _squares(judge, made.detach(), 0)
            for judge, real, made in ((self.ct, ct, made_ct), (self.xray, xray, made_xray))
        ]
        self.optimizer.zero_grad()
        sum(told, torch.zeros(())).backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        adversarial = _squares(self.ct, made_ct, 1) + _squares(self.xray, made_xray, 1)
        there_and_back = F.l1_loss(fuse.to_xray(made_ct), xray) + F.l1_loss(
            fuse.to_ct(made_xray), ct
        )
        same = F.l1_loss(fuse.to_ct(ct), ct) + F.l1_loss(fuse.to_xray(xray), xray)
        return adversarial + cycle * (there_and_back + 0.5 * same)


def _squares(judge: nn.Module, tokens: Tensor, wanted: int) -> Tensor:
    squares: Tensor = (judge(tokens) - wanted) ** 2
    return squares.mean()

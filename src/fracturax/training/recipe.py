"""A recipe: all that decides a training, read from some twenty lines of TOML."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from fracturax.core.config import load_toml
from fracturax.core.errors import ConfigError
from fracturax.core.provenance import begun_from
from fracturax.models.catalog import BACKBONES
from fracturax.transforms.augment import Augmentation
from fracturax.transforms.blanking import Blanking
from fracturax.transforms.plan import PreprocessingPlan
from fracturax.transforms.window import WindowPlan

Precision = Literal["bf16-mixed", "16-mixed", "32-true"]
"""What a training computes in, in Lightning's words."""


@dataclass(frozen=True)
class DataRecipe:
    """Which cases, and how they are split.

    Args:
        dataset: Name in the registry of data sets, or `auto` to recognize the layout.
        folds: Folds of the grouped cross-validation.
        inner_share: Share of a training part's groups that early stopping watches.
        balance: What films are drawn by. `label`: a fixed share of fractured ones. `acquisition`:
            the same, and fractured and normal films come from each acquisition group in the same
            proportion, so that how a film was made does not tell its label (Idrissi et al.,
            "Simple data balancing achieves competitive worst-group-accuracy", CLeaR 2022).
    """

    dataset: str
    folds: int = 5
    inner_share: float = 0.08
    balance: Literal["label", "acquisition"] = "label"


@dataclass(frozen=True)
class NetworkRecipe:
    """Which network.

    Args:
        name: Name in the registry of networks.
        backbone: Name in the registry of backbones.
        weights: `imagenet`, `random`, or the path of a safetensors file.
        width: Channels of the pyramid.
        frozen_blocks: Blocks of the backbone that keep their pretrained weights; the statistics
            of their normalization follow the films.
    """

    name: str
    backbone: str = "mobilenet_v2"
    weights: str = "imagenet"
    width: int = 96
    frozen_blocks: int = 0


@dataclass(frozen=True)
class OptimizerRecipe:
    """How the weights move.

    Args:
        learning_rate: Peak of the one-cycle schedule for what starts at random.
        final_share: Share of the peak that the cosine decays to.
        backbone_factor: The pretrained part moves at this share of it.
        weight_decay: AdamW's.
        batch_size: Films a step.
        epochs: At most; one epoch is `epoch_films` films.
        epoch_films: Films drawn an epoch.
        fractured_share: Share of fractured films among them.
        average_decay: Decay of the exponential moving average of the weights that is kept.
        patience: Epochs without a better inner loss before the training stops.
        precision: `bf16-mixed` computes in half precision where that is safe, and not where the
            processor would emulate it; `32-true` never.
    """

    learning_rate: float = 1e-3
    final_share: float = 0.02
    backbone_factor: float = 0.5
    weight_decay: float = 0.02
    batch_size: int = 16
    epochs: int = 8
    epoch_films: int = 2400
    fractured_share: float = 0.4
    average_decay: float = 0.995
    patience: int = 4
    precision: Precision = "bf16-mixed"


@dataclass(frozen=True)
class LossRecipe:
    """Weight of each term of the loss; zero leaves it out.

    Args:
        image: Fracture or not, of the whole film.
        heat: Heat map against the outlines.
        boxes: Score and place of the boxes.
        context: Region and hardware.
        label_smoothing: Share of doubt in the label of a film.
    """

    image: float = 1.0
    heat: float = 1.0
    boxes: float = 1.0
    context: float = 0.2
    label_smoothing: float = 0.02


@dataclass(frozen=True)
class FinishRecipe:
    """A second, shorter stage from the first one's weights, with its own pace and balance.

    The network trained on all films is made here too: it goes on from fold 0's network.
    """

    optimizer: OptimizerRecipe
    loss: LossRecipe = field(default_factory=LossRecipe)


@dataclass(frozen=True)
class HardenRecipe:
    """A last stage of the networks that read the whole film, on films that are spoiled or blanked.

    Args:
        optimizer: Its pace.
        loss: Weights of its loss.
        augmentation: Stronger than that of the stages before; None takes the recipe's.
        blanking: How often fractures are filled in, and films are blanked but for windows.
        kept_share: How far weights go from those before the stage to those after it (Wortsman et
            al., "Robust fine-tuning of zero-shot models", CVPR 2022); 1 goes all the way.
    """

    optimizer: OptimizerRecipe
    loss: LossRecipe = field(default_factory=LossRecipe)
    augmentation: Augmentation | None = None
    blanking: Blanking = field(default_factory=Blanking)
    kept_share: float = 1.0


@dataclass(frozen=True)
class CloserRecipe:
    """A second network that looks again, enlarged, at what the first one suspects.

    It is trained on windows about marked fractures, put off centre and off size as a candidate
    box may be, and about candidates and places that are no fracture.

    Args:
        network: Its backbone's finest level should be finer than the first network's.
        optimizer: `epoch_films` counts windows, `fractured_share` the share cut from fractured
            films.
        window: How windows are cut.
        loss: Weights; region and hardware are not asked of a window.
        shift: Largest shift of a window off a fracture's centre, in sides of its box.
        resize: Largest change of its size, as a factor of `exp(±resize)`.
        hit_share: Share of the windows of fractured films that are about a fracture.
        candidate_share: Share of the other windows that are about a candidate of the first
            network; the rest is anywhere.
        widths: Of windows in reading, as multiples of those in training; as in the bundle's
            manifest. A candidate is larger than the fracture in it, so that a little less than 1
            shows it as it was learned (Touvron et al., "Fixing the train-test resolution
            discrepancy", NeurIPS 2019).
    """

    network: NetworkRecipe
    optimizer: OptimizerRecipe
    window: WindowPlan = field(default_factory=WindowPlan)
    loss: LossRecipe = field(default_factory=lambda: LossRecipe(boxes=2.0, context=0.0))
    shift: float = 0.35
    resize: float = 0.5
    hit_share: float = 0.7
    candidate_share: float = 0.7
    widths: tuple[float, ...] = (1.0,)


@dataclass(frozen=True)
class SecondRecipe:
    """Another network that reads the whole film too; the calibration weighs both opinions.

    Networks that were trained apart err apart: two give more than one that is twice as large
    (Lakshminarayanan et al., "Simple and scalable predictive uncertainty estimation using deep
    ensembles", NeurIPS 2017).

    Args:
        network: Usually a plain classifier, which does not look for places.
        optimizer: Its pace.
        loss: Weights of its loss.
        augmentation: Of the films it is shown; None takes the recipe's.
    """

    network: NetworkRecipe
    optimizer: OptimizerRecipe = field(default_factory=OptimizerRecipe)
    loss: LossRecipe = field(default_factory=LossRecipe)
    augmentation: Augmentation | None = None


@dataclass(frozen=True)
class Recipe:
    """All that decides a training. Tables of the TOML file are the fields.

    Args:
        name: Names the run and the bundle.
        seed: Seed of the split, the initialisation and every augmentation.
        kept_share: As in `[harden]`, of a stage that goes on from another network.
    """

    name: str
    data: DataRecipe
    network: NetworkRecipe
    seed: int = 0
    plan: PreprocessingPlan = field(default_factory=PreprocessingPlan)
    augmentation: Augmentation = field(default_factory=Augmentation)
    blanking: Blanking = field(default_factory=Blanking)
    kept_share: float = 1.0
    optimizer: OptimizerRecipe = field(default_factory=OptimizerRecipe)
    loss: LossRecipe = field(default_factory=LossRecipe)
    finish: FinishRecipe | None = None
    harden: HardenRecipe | None = None
    closer: CloserRecipe | None = None
    second: SecondRecipe | None = None

    def as_document(self) -> dict[str, Any]:
        """Return the recipe as JSON-able data, what is switched off left out where it came later.

        A recipe keeps its hash, and a run that was stopped goes on, whatever new changes there are
        that it does not use, and wherever its file of weights, told by name and bytes, lies.
        """
        own = {"plan": self.plan.as_document(), "augmentation": self.augmentation.as_document()}
        document = asdict(self) | own
        if not self.blanking.is_on:
            del document["blanking"]
        if self.kept_share == 1:
            del document["kept_share"]
        if self.harden is None:
            del document["harden"]
        elif self.harden.augmentation is not None:
            document["harden"]["augmentation"] = self.harden.augmentation.as_document()
        if self.closer is not None and self.closer.widths == (1.0,):
            del document["closer"]["widths"]
        if self.second is None:
            del document["second"]
        elif self.second.augmentation is not None:
            document["second"]["augmentation"] = self.second.augmentation.as_document()
        for stage in (document, document["closer"], document.get("second")):
            if stage is not None:
                stage["network"]["weights"] = begun_from(stage["network"]["weights"])
        return document

    def with_weights(self, weights: str) -> Recipe:
        """Return the recipe with every network's pretrained weights taken from elsewhere."""

        def begun(part: Any) -> Any:
            return part and replace(part, network=replace(part.network, weights=weights))

        begun_self: Recipe = begun(self)
        return replace(begun_self, closer=begun(self.closer), second=begun(self.second))

    def closer_stage(self) -> Recipe | None:
        """Return the recipe of the network for the closer look, if there is one."""
        if self.closer is None:
            return None
        return replace(
            self._alone(),
            # A window is cut from the film alone.
            plan=replace(self.plan, roi="none"),
            network=self.closer.network,
            optimizer=self.closer.optimizer,
            loss=self.closer.loss,
            # What is learned does not depend on how it is read.
            closer=replace(self.closer, widths=(1.0,)),
        )

    def second_stages(self) -> dict[str, Recipe]:
        """Return one recipe a stage of the second opinion by name, in order; none without one."""
        if self.second is None:
            return {}
        second = replace(
            self._alone(),
            network=self.second.network,
            optimizer=self.second.optimizer,
            loss=self.second.loss,
            augmentation=self.second.augmentation or self.augmentation,
        )
        return {"": second} | self._hardened(second)

    def stages(self) -> dict[str, Recipe]:
        """Return one recipe a stage of the first network by name, in order; the first has none."""
        first = self._alone()
        finish = {}
        if self.finish is not None:
            finish["finish"] = replace(
                first, optimizer=self.finish.optimizer, loss=self.finish.loss
            )
        return {"": first} | finish | self._hardened(first)

    def _alone(self) -> Recipe:
        return replace(self, finish=None, harden=None, closer=None, second=None)

    def _hardened(self, stage: Recipe) -> dict[str, Recipe]:
        harden = self.harden
        if harden is None:
            return {}
        hardened = replace(
            stage,
            optimizer=harden.optimizer,
            loss=harden.loss,
            augmentation=harden.augmentation or stage.augmentation,
            blanking=harden.blanking,
            kept_share=harden.kept_share,
        )
        return {"harden": hardened}

    def __post_init__(self) -> None:
        if self.plan.rows % 32 or self.plan.columns % 32:
            raise ConfigError(
                "the input of a network has sides that are multiples of 32",
                got=f"{self.plan.rows} x {self.plan.columns}",
            )
        if self.closer is not None:
            self._check_closer(self.closer)
        for share in (self.kept_share, *([] if self.harden is None else [self.harden.kept_share])):
            if not 0 < share <= 1:
                raise ConfigError("kept_share lies above 0, up to 1", got=str(share))
        if not 0 < self.optimizer.fractured_share < 1:
            raise ConfigError("fractured_share lies between 0 and 1")
        if self.data.folds < 2:
            raise ConfigError("cross-validation needs two folds or more", got=str(self.data.folds))

    def _check_closer(self, closer: CloserRecipe) -> None:
        if {self.network.name, closer.network.name} != {"xray"}:
            raise ConfigError(
                "a closer look takes two networks that find boxes",
                got=f"{self.network.name} and {closer.network.name}",
                cure="name both xray, or leave out the table [closer]",
            )
        if not closer.widths or not min(closer.widths) > 0:
            raise ConfigError("windows of a closer look have a width", got=str(closer.widths))
        coarsest = BACKBONES[closer.network.backbone].strides[-1]
        if closer.window.size % coarsest:
            raise ConfigError(
                f"windows for {closer.network.backbone} have a size that is a multiple of "
                f"{coarsest}",
                got=str(closer.window.size),
            )


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: If a key is unknown, missing or of a wrong type.
    """
    return load_toml(Recipe, path)

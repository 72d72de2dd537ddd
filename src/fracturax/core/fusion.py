"""A FusedReading: how film, CT and radiomics became one answer, or why they did not."""

from __future__ import annotations

from dataclasses import dataclass

from fracturax.core.errors import ModelError

_CLOSE = 1e-3


@dataclass(frozen=True)
class FilmPlacement:
    """How a film was laid over the CT.

    Args:
        film: Name of the film.
        is_used: Whether it took part in the answer.
        likeness: Correlation of the film with that which the CT gives from the pose found, -1 to
            1; None where no pose was searched.
        reason: Why it was not used; empty where it was.
    """

    film: str
    is_used: bool
    likeness: float | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.is_used == bool(self.reason):
            raise ModelError("a film was used, or there is a reason why not", got=self.reason)


@dataclass(frozen=True)
class StreamShare:
    """One stream of the decisive place.

    Args:
        stream: Its name: `xray`, `ct`, `radiomics_film`, `radiomics_ct` or `clinical`.
        weight: Its share of the answer; all shares sum to 1.
    """

    stream: str
    weight: float


@dataclass(frozen=True)
class FeatureShare:
    """What one number of radiomics added to the answer about the decisive place.

    Args:
        stream: Where it was measured: `radiomics_film` or `radiomics_ct`.
        feature: Name of the feature, as the library names it.
        value: What was measured.
        shapley: How much it moved the log-odds of a fracture away from what a training place has;
            above 0 towards a fracture.
    """

    stream: str
    feature: str
    value: float
    shapley: float


@dataclass(frozen=True)
class FusedReading:
    """How several kinds of image became one answer.

    Args:
        places: Places of the CT that were looked at.
        shares: Streams of the decisive place; empty where nothing was fused.
        alone: Probability of the decisive place from one kind of image alone, by its name (`film`,
            `ct`), where that subset was calibrated.
        generated: Streams that were generated, synthetic; they have no share.
        films: Each film of the study, and how it was laid over the CT.
        features: The radiomics that moved the answer most, greatest first.
        remarks: What a reader has to know: what could not be checked, what did not take part.

    Raises:
        ModelError: If the shares do not sum to 1, or something generated has a share.
    """

    places: int
    shares: tuple[StreamShare, ...] = ()
    alone: tuple[tuple[str, float], ...] = ()
    generated: tuple[str, ...] = ()
    films: tuple[FilmPlacement, ...] = ()
    features: tuple[FeatureShare, ...] = ()
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        total = sum(one.weight for one in self.shares)
        if self.shares and abs(total - 1) > _CLOSE:
            raise ModelError("the shares of the streams sum to 1", got=f"{total:g}")
        if {one.stream for one in self.shares} & set(self.generated):
            raise ModelError("what was generated has no share", got=", ".join(self.generated))

    @property
    def reservations(self) -> tuple[str, ...]:
        """What a reader has to know, and why a film took no part, a sentence each."""
        unused = [f"{one.film}: {one.reason}" for one in self.films if not one.is_used]
        return (*self.remarks, *unused)

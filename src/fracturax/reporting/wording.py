"""The words, signs and colours of an answer, the same in every form of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fracturax.core.finding import Certainty
from fracturax.core.geometry import SpacingMeaning
from fracturax.core.image import Image, Radiograph, Volume
from fracturax.core.prediction import ImagePrediction, Prediction, Status


@dataclass(frozen=True)
class Wording:
    """How a status is said and shown.

    Args:
        headline: The answer in words.
        icon: A sign that tells it without colour.
        color: Fill, `#rrggbb`; apart from the others under every common colour blindness
            (after Okabe and Ito, 2008).
        ink: Colour of text on that fill.
    """

    headline: str
    icon: str
    color: str
    ink: str


WORDING: dict[Status, Wording] = {
    "fracture": Wording("Fracture suspected", "▲", "#d55e00", "#ffffff"),
    "doubt": Wording("Doubtful: please look closely", "?", "#f0c419", "#1b1b1b"),
    "no_fracture": Wording("No fracture found", "✓", "#0072b2", "#ffffff"),
    "not_assessed": Wording("Not assessed", "–", "#6b7280", "#ffffff"),
}

BOX_COLOR: dict[Certainty, str] = {"certain": "#ff7f2a", "doubt": "#ffd84d"}
"""Colours of the boxes: bright, for they lie on black film; the line style says the same."""

PROJECTED_COLOR = "#5ad1ff"
"""Colour of a finding of the CT that is seen in a film: it is no mark of the film's own."""

STREAM_WORDS = {
    "xray": "film",
    "ct": "CT",
    "radiomics_film": "radiomics of the film",
    "radiomics_ct": "radiomics of the CT",
    "clinical": "clinical data",
}
"""What the streams of a fusion are called."""

SPACING_WORDS: dict[SpacingMeaning, str] = {
    "imager_plane": "at the detector; the body is smaller",
    "calibrated": "calibrated",
    "patient": "in the patient",
    "unspecified": "meaning not stated",
}


def percent(probability: float) -> str:
    """Say a probability in percent, and never 0 % or 100 %, which no model can know.

    Example:
        >>> percent(0.874), percent(0.043), percent(0.0), percent(0.9996)
        ('87 %', '4.3 %', '< 0.1 %', '> 99.9 %')
    """
    if probability < 0.001:
        return "< 0.1 %"
    if probability > 0.999:
        return "> 99.9 %"
    # One decimal near the ends, where half a percent means something.
    digits = 1 if probability < 0.0995 or probability > 0.99 else 0
    return f"{100 * probability:.{digits}f} %"


def frequency(probability: float) -> str:
    """Say a probability as how many of 100 or 1000, which people judge better than percents.

    Example:
        >>> frequency(0.874)
        'about 87 of 100'
        >>> frequency(0.0042)
        'about 4 of 1000'
    """
    whole = 100 if 0.01 <= probability <= 0.99 else 1000
    count = round(whole * probability)
    if count == 0:
        return f"fewer than 1 of {whole}"
    return f"about {count} of {whole}" if count < whole else f"nearly all of {whole}"


def meaning(probability: float, decisive: Image | None) -> str:
    """Say what the probability of a study means.

    A model of CT is calibrated on cubes of few patients, not on studies: it gives no frequency.

    Args:
        probability: Of at least one fracture.
        decisive: The image that the answer comes from.

    Example:
        >>> meaning(0.874, None)
        'probability of a fracture: about 87 of 100 such studies show one'
    """
    if isinstance(decisive, Volume):
        return "score of an experimental model of CT, not how many such studies show a fracture"
    return f"probability of a fracture: {frequency(probability)} such studies show one"


def images_read(images: Sequence[Image]) -> str:
    """Say how many images were read.

    Example:
        >>> images_read(())
        '0 films read'
    """
    kind = "film" if all(isinstance(one, Radiograph) for one in images) else "image"
    return f"{len(images)} {kind}{'' if len(images) == 1 else 's'} read"


def grouped(number: int) -> str:
    """Say a count with a narrow blank between thousands.

    Example:
        >>> grouped(3659) == "3\u202f659"
        True
    """
    return f"{number:,}".replace(",", "\u202f")


def first_upper(words: str) -> str:
    """Begin words with a capital and leave the rest as it is.

    Example:
        >>> first_upper("size 2304 x 2880, RGB")
        'Size 2304 x 2880, RGB'
    """
    return words[:1].upper() + words[1:]


def sentence(answer: Prediction | ImagePrediction) -> str:
    """Say an answer in one line: its headline, and its probability or reason."""
    headline = WORDING[answer.status].headline
    if answer.probability is None:
        return f"{headline}: {answer.reason}"
    return f"{headline} · probability {percent(answer.probability)}"

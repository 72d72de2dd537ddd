"""Stored values → what a reader sees: modality LUT, VOI, inversion, in the standard's order.

Every step is a function of one stored value, so it is computed once for each value that 8 or 16
bits can hold and the image is looked up in that table; no pass over the image is in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from fracturax.core.errors import UnreadableImageError
from fracturax.core.image import Step
from fracturax.imaging.attributes import (
    integer_of,
    items_of,
    macro_of,
    numbers_of,
    text_of,
    value_of,
)

Values = npt.NDArray[np.float64]
WindowFunction = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
_FUNCTIONS: dict[str, WindowFunction] = {
    "LINEAR": "LINEAR",
    "LINEAR_EXACT": "LINEAR_EXACT",
    "SIGMOID": "SIGMOID",
}


@dataclass(frozen=True)
class Window:
    """A VOI window: center and width in modality units, and the function between them.

    Raises:
        UnreadableImageError: If a number is not finite, or the width is below what the standard
            allows: 1 for LINEAR, above 0 else.

    References:
        DICOM PS3.3, C.11.2.1.2 "Window Center and Window Width" and C.11.2.1.3 "VOI LUT Function".
    """

    center: float
    width: float
    function: WindowFunction = "LINEAR"

    def __post_init__(self) -> None:
        least_fits = self.width >= 1 if self.function == "LINEAR" else self.width > 0
        if not (math.isfinite(self.center) and math.isfinite(self.width) and least_fits):
            raise UnreadableImageError(
                f"the {self.function} window is impossible",
                got=f"center {self.center}, width {self.width}",
                cure="correct WindowCenter and WindowWidth, or remove them",
            )

    def apply(self, values: Values) -> Values:
        """Map modality values to [0, 1].

        Example:
            The standard's own formula for LINEAR, half a step around the center:

            >>> Window(2048, 4096).apply(np.array([0.0, 2047.5, 4095.0]))
            array([0. , 0.5, 1. ])
        """
        if self.function == "SIGMOID":
            scaled = np.clip(-4.0 * (values - self.center) / self.width, -700.0, 700.0)
            return 1.0 / (1.0 + np.exp(scaled))
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.center) / self.width + 0.5, 0.0, 1.0)
        if self.width == 1:
            return (values > self.center - 0.5).astype(np.float64)
        return np.clip((values - (self.center - 0.5)) / (self.width - 1.0) + 0.5, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class LookupTable:
    """A LUT of the standard: the values from `first` on map to `entries`, beyond it to its ends.

    Args:
        first: Input value of the first entry.
        entries: Output values, shape `(n,)`.
        bits: Bits of an output value.
    """

    first: int
    entries: Values
    bits: int

    def apply(self, values: Values) -> Values:
        """Map values through the table.

        Example:
            >>> LookupTable(10, np.array([1.0, 5.0]), 8).apply(np.array([0.0, 10.0, 99.0]))
            array([1., 1., 5.])
        """
        index = np.clip(values - self.first, 0, len(self.entries) - 1)
        return self.entries[index.astype(np.intp)]


@dataclass(frozen=True, eq=False)
class Rendering:
    """How one frame becomes visible, as its header prescribes.

    Args:
        modality_lut: Modality LUT Sequence, or None.
        slope: RescaleSlope, where there is no modality LUT.
        intercept: RescaleIntercept, where there is no modality LUT.
        voi: VOI LUT or window; None asks for the range of the values that occur.
        is_inverted: Whether the lowest value is shown white.
        padding: First and last stored value that stand for no measurement, or None.
    """

    modality_lut: LookupTable | None
    slope: float
    intercept: float
    voi: LookupTable | Window | None
    is_inverted: bool
    padding: tuple[int, int] | None

    def modality_values(self, stored: Values) -> Values:
        """Map stored values to modality values (HU for CT)."""
        if self.modality_lut is not None:
            return self.modality_lut.apply(stored)
        return stored * self.slope + self.intercept


def rendering_of(groups: tuple[Dataset, ...], *, is_signed: bool) -> Rendering:
    """Return how a header wants its frame shown.

    A VOI LUT comes before a window where both are there: the standard leaves the choice to the
    application, and the LUT is what the maker tuned. Of several the first is taken. INVERSE and
    MONOCHROME1 say the same thing and invert once.

    Args:
        groups: See `attributes.groups_of`.
        is_signed: Whether stored values are two's complement.

    Raises:
        UnreadableImageError: If a LUT, window or rescale in it is impossible.

    References:
        DICOM PS3.3, C.11.1 "Modality LUT", C.11.2 "VOI LUT", C.11.6 "Softcopy Presentation LUT";
        C.7.6.3.1.2 "Photometric Interpretation".
    """
    top = groups[-1]
    tables = items_of(top, "ModalityLUTSequence")
    modality_lut = _table_of(tables[0], is_signed=is_signed) if tables else None
    slope, intercept = rescale_of(groups)
    photometric = (text_of(top, "PhotometricInterpretation") or "").upper()
    shape = (text_of(top, "PresentationLUTShape") or "").upper()
    in_signed_units = intercept < 0 if modality_lut is None else False
    return Rendering(
        modality_lut=modality_lut,
        slope=slope,
        intercept=intercept,
        voi=_voi_of(groups, is_signed=is_signed or in_signed_units),
        is_inverted=photometric == "MONOCHROME1" or shape == "INVERSE",
        padding=padding_of(top),
    )


def rescale_of(groups: tuple[Dataset, ...]) -> tuple[float, float]:
    """Return rescale slope and intercept of a frame; 1 and 0 where there are none.

    Raises:
        UnreadableImageError: If one is not finite or the slope is 0.
    """
    numbers = []
    for keyword, default in (("RescaleSlope", 1.0), ("RescaleIntercept", 0.0)):
        holder = macro_of(groups, "PixelValueTransformationSequence", keyword)
        found = numbers_of(holder, keyword) if holder is not None else ()
        numbers.append(found[0] if found else default)
    slope, intercept = numbers
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        raise UnreadableImageError(
            "the rescale is impossible",
            got=f"slope {slope}, intercept {intercept}",
            cure="correct RescaleSlope and RescaleIntercept, or remove them",
        )
    return slope, intercept


def padding_of(dataset: Dataset) -> tuple[int, int] | None:
    """Return the first and last stored value that stand for no measurement, or None.

    References:
        DICOM PS3.3, C.7.5.1.1.2 "Pixel Padding Value and Pixel Padding Range Limit".
    """
    if value_of(dataset, "PixelPaddingValue") is None:
        return None
    value = integer_of(dataset, "PixelPaddingValue")
    limit = integer_of(dataset, "PixelPaddingRangeLimit", value)
    return min(value, limit), max(value, limit)


def render(
    stored: npt.NDArray[np.integer[Any]], rendering: Rendering
) -> tuple[npt.NDArray[np.float32], tuple[Step, ...]]:
    """Show a frame as its header prescribes.

    Args:
        stored: Stored values, shape `(rows, columns)`, 8, 16 or 32 bit.
        rendering: See `rendering_of`.

    Returns:
        Display values in [0, 1], same shape, padding black, and what was done.

    Example:
        >>> plain = Rendering(None, 1.0, 0.0, Window(2, 4), True, None)
        >>> pixels, steps = render(np.array([[0, 4]], np.uint8), plain)
        >>> pixels.tolist(), [step.name for step in steps]
        ([[1.0, 0.0]], ['rescale', 'window', 'invert'])
    """
    if stored.dtype.itemsize > 2:
        values = stored.astype(np.float64)
        is_padding = _within(values, rendering.padding)
        shown, steps = _show(values, is_padding, lambda: ~is_padding, rendering)
        return shown.astype(np.float32), steps
    unsigned = stored.view(f"u{stored.dtype.itemsize}")
    domain = np.arange(1 << 8 * stored.dtype.itemsize, dtype=unsigned.dtype)
    values = domain.view(stored.dtype).astype(np.float64)
    is_padding = _within(values, rendering.padding)

    def occurring() -> npt.NDArray[np.bool_]:
        occurs = np.zeros(len(domain), np.bool_)
        occurs[unsigned] = True
        return occurs & ~is_padding

    shown, steps = _show(values, is_padding, occurring, rendering)
    table = shown.astype(np.float32)
    pixels = np.empty(stored.shape, np.float32)
    # mode="clip" writes straight into `out`; no value of the type lies outside the table.
    np.take(table, unsigned, out=pixels, mode="clip")
    return pixels, steps


def _within(values: Values, bounds: tuple[int, int] | None) -> npt.NDArray[np.bool_]:
    if bounds is None:
        return np.zeros(values.shape, np.bool_)
    inside: npt.NDArray[np.bool_] = (values >= bounds[0]) & (values <= bounds[1])
    return inside


def _show(
    values: Values,
    is_padding: npt.NDArray[np.bool_],
    occurring: Callable[[], npt.NDArray[np.bool_]],
    rendering: Rendering,
) -> tuple[Values, tuple[Step, ...]]:
    """Apply the pipeline to values of any shape; `occurring` says which of them the image has."""
    values = rendering.modality_values(values)
    steps = [_modality_step(rendering)]
    voi = rendering.voi
    if isinstance(voi, LookupTable):
        values = voi.apply(values) / ((1 << voi.bits) - 1)
        steps.append(Step("voi_lut", (("first", voi.first), ("entries", len(voi.entries)))))
    elif voi is not None:
        values = voi.apply(values)
        parameters = (("center", voi.center), ("width", voi.width), ("function", voi.function))
        steps.append(Step("window", parameters))
    else:
        present = values[occurring()]
        low, high = (float(present.min()), float(present.max())) if present.size else (0.0, 0.0)
        values = np.clip((values - low) / ((high - low) or 1.0), 0.0, 1.0)
        steps.append(Step("value_range", (("low", low), ("high", high))))
    if rendering.is_inverted:
        # MONOCHROME1: low is white; invert so that bone is bright.
        values = 1.0 - values
        steps.append(Step("invert"))
    if rendering.padding is not None:
        values = np.where(is_padding, 0.0, values)
        first, last = rendering.padding
        steps.append(Step("blacken_padding", (("first", first), ("last", last))))
    return values, tuple(steps)


def _modality_step(rendering: Rendering) -> Step:
    table = rendering.modality_lut
    if table is not None:
        return Step("modality_lut", (("first", table.first), ("entries", len(table.entries))))
    return Step("rescale", (("slope", rendering.slope), ("intercept", rendering.intercept)))


def _voi_of(groups: tuple[Dataset, ...], *, is_signed: bool) -> LookupTable | Window | None:
    top = groups[-1]
    tables = items_of(top, "VOILUTSequence")
    if tables:
        return _table_of(tables[0], is_signed=is_signed)
    holder = macro_of(groups, "FrameVOILUTSequence", "WindowCenter")
    if holder is None:
        return None
    center, width = numbers_of(holder, "WindowCenter"), numbers_of(holder, "WindowWidth")
    if not center or not width:
        return None
    function = (text_of(holder, "VOILUTFunction") or "LINEAR").upper()
    if function not in _FUNCTIONS:
        raise UnreadableImageError(
            "the VOI LUT function is unknown",
            got=repr(function),
            cure=f"known: {', '.join(_FUNCTIONS)}",
        )
    return Window(center[0], width[0], _FUNCTIONS[function])


def _table_of(item: Dataset, *, is_signed: bool) -> LookupTable:
    """Read one item of a LUT sequence.

    The number of entries 0 stands for 65536; the first value shares the sign of its input, but
    pydicom may have read it unsigned.

    References:
        DICOM PS3.3, C.11.1.1 "LUT Descriptor" and "LUT Data".
    """
    count, first, bits = lut_descriptor(item, "LUTDescriptor", is_signed=is_signed)
    return LookupTable(first, lut_entries(item, "LUTData", count=count, bits=bits), bits)


def lut_descriptor(item: Dataset, keyword: str, *, is_signed: bool) -> tuple[int, int, int]:
    """Return number of entries, first input value and bits of a LUT.

    Raises:
        UnreadableImageError: If the descriptor is impossible.
    """
    numbers = numbers_of(item, keyword)
    if len(numbers) != 3 or not 8 <= numbers[2] <= 16:
        raise UnreadableImageError(
            f"the {keyword} is damaged", got=f"{len(numbers)} numbers", cure="export it again"
        )
    count, first = int(numbers[0]) % 65536 or 65536, int(numbers[1])
    if is_signed and first > 32767:
        first -= 65536
    if not is_signed and first < 0:
        first += 65536
    return count, first, int(numbers[2])


def lut_entries(item: Dataset, keyword: str, *, count: int, bits: int) -> Values:
    """Return the entries of a LUT, shape `(count,)`.

    Raises:
        UnreadableImageError: If there are fewer than the descriptor says.
    """
    data = value_of(item, keyword)
    if isinstance(data, bytes):
        packed = bits == 8 and len(data) in (count, count + count % 2)
        entries = np.frombuffer(
            data, np.uint8 if packed else "<u2", len(data) // (1 + (not packed))
        )
    else:
        numbers = [] if data is None else [data] if isinstance(data, int) else list(data)
        entries = np.asarray(numbers, np.int64) & 0xFFFF
    if len(entries) < count:
        raise UnreadableImageError(
            f"the {keyword} is too short",
            got=f"{len(entries)} of {count} entries",
            cure="export it again",
        )
    return (
        entries[:count].astype(np.float64)
        if bits == 16
        else (entries[:count].astype(np.int64) & ((1 << bits) - 1)).astype(np.float64)
    )

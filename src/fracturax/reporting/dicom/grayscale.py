"""How a stored frame becomes visible, in the words of a presentation state.

The rule is the reader's own (`imaging.display`): what a viewer shows under our presentation state
is what the model was shown, and MONOCHROME1 comes out bone bright.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset
from pydicom.valuerep import DS

from fracturax.core.image import Image, Volume
from fracturax.imaging.attributes import groups_of, integer_of, text_of
from fracturax.imaging.display import LookupTable, Rendering, Window, rendering_of

_BONE = Window(400.0, 1800.0)


@dataclass(frozen=True, eq=False)
class Transformation:
    """The grey scale of one frame, split by what a presentation state can say once or per image.

    Args:
        modality: Attributes of the Modality LUT Module, a rescale or none; equal for all images
            of a state. A modality LUT of the file is part of `voi`.
        voi: An item of the Softcopy VOI LUT Sequence without its references, or None.
        shape: PresentationLUTShape, `IDENTITY` or `INVERSE`; equal for all images of a state.
    """

    modality: Dataset
    voi: Dataset | None
    shape: str

    @property
    def key(self) -> tuple[str, str]:
        """What images of one presentation state have in common."""
        return self.shape, self.modality.to_json()


def transformation_of(image: Image, header: Dataset, *, frame: int) -> Transformation:
    """Return how a stored frame of an image becomes visible.

    The window is the file's own. Without one, a film gets the range of values that the reader
    stretched it to, and a slice of a CT the bone window.

    Args:
        image: The image as it was read.
        header: Of the stored object.
        frame: Number of the frame, from 1.

    Raises:
        UnreadableImageError: If the header's tables or numbers are impossible.

    References:
        DICOM PS3.4, N.2.1 "Grayscale Transformations": the photometric interpretation is
        overridden by the presentation state, so MONOCHROME1 becomes INVERSE. PS3.3, C.11.1
        "Modality LUT", C.11.8 "Softcopy VOI LUT", C.11.6 "Softcopy Presentation LUT".
    """
    is_signed = integer_of(header, "PixelRepresentation", 0) == 1
    rendering = rendering_of(groups_of(header, frame - 1), is_signed=is_signed)
    voi = _visible(image, rendering)
    if rendering.modality_lut is not None:
        voi = _joined(rendering.modality_lut, voi)
    return Transformation(
        _modality(rendering, header), _voi(voi), "INVERSE" if rendering.is_inverted else "IDENTITY"
    )


def _joined(modality: LookupTable, voi: LookupTable | Window | None) -> LookupTable:
    """Return the modality LUT and what follows it as one table, of the 16 bits that a state takes.

    A modality LUT of a state has to fill 8 or 16 bits; one of 12 would have to be stretched, and
    the window after it would no longer be in its unit.
    """
    shown = modality.entries / ((1 << modality.bits) - 1)
    if isinstance(voi, LookupTable):
        shown = voi.apply(modality.entries) / ((1 << voi.bits) - 1)
    elif voi is not None:
        shown = voi.apply(modality.entries)
    return LookupTable(modality.first, np.rint(65535.0 * shown), 16)


def _visible(image: Image, rendering: Rendering) -> LookupTable | Window | None:
    if rendering.voi is not None:
        return rendering.voi
    if isinstance(image, Volume):
        if image.unit == "HU":
            return _BONE
        low, high = (float(value) for value in np.percentile(image.pixels, (1, 99)))
        return _window(low, high)
    for step in image.history:
        if step.name == "value_range":
            parameters = dict(step.parameters)
            return _window(float(parameters["low"]), float(parameters["high"]))
    return None


def _window(low: float, high: float) -> Window:
    """Return the LINEAR window that shows `low` black and `high` white (C.11.2.1.2.1)."""
    return Window((low + high + 1.0) / 2.0, max(high - low + 1.0, 1.0))


def _modality(rendering: Rendering, header: Dataset) -> Dataset:
    module = Dataset()
    slope, intercept = rendering.slope, rendering.intercept
    if rendering.modality_lut is None and (slope, intercept) != (1.0, 0.0):
        module.RescaleIntercept = DS(intercept, auto_format=True)
        module.RescaleSlope = DS(slope, auto_format=True)
        module.RescaleType = "HU" if text_of(header, "Modality") == "CT" else "US"
    return module


def _voi(voi: LookupTable | Window | None) -> Dataset | None:
    if voi is None:
        return None
    item = Dataset()
    if isinstance(voi, LookupTable):
        item.VOILUTSequence = [_table(_stretched(voi))]
        return item
    item.WindowCenter = DS(voi.center, auto_format=True)
    item.WindowWidth = DS(voi.width, auto_format=True)
    if voi.function != "LINEAR":
        item.VOILUTFunction = voi.function
    return item


def _stretched(table: LookupTable) -> LookupTable:
    """Return a VOI LUT whose output fills 16 bits, as its own filled fewer."""
    factor = 65535.0 / ((1 << table.bits) - 1)
    return LookupTable(table.first, np.rint(table.entries * factor), 16)


def _table(table: LookupTable) -> Dataset:
    """Return a LUT of 16 bits as an item; 65536 entries are said as 0."""
    item = Dataset()
    numbers = [len(table.entries) % 65536, table.first, 16]
    vr = "SS" if table.first < 0 else "US"
    if vr == "SS" and numbers[0] > 32767:
        numbers[0] -= 65536  # the same 16 bits: all three numbers share one representation
    item.add_new("LUTDescriptor", vr, numbers)
    item.add_new("LUTData", "OW", table.entries.astype("<u2").tobytes())
    return item

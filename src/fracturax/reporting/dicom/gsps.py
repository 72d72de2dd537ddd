"""Grayscale Softcopy Presentation State: the boxes over the untouched film, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from highdicom.color import CIELabColor
from highdicom.pr import GraphicLayer, GraphicObject, TextObject
from pydicom.dataset import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage
from pydicom.valuerep import DS

from fracturax.core.errors import DataError
from fracturax.core.finding import Certainty, Finding
from fracturax.core.image import Image
from fracturax.core.prediction import ImagePrediction
from fracturax.core.report import Report
from fracturax.imaging.attributes import integer_of
from fracturax.reporting.dicom.attributes import notice, stamp, text_value
from fracturax.reporting.dicom.geometry import clipped, corners
from fracturax.reporting.dicom.grayscale import Transformation, transformation_of
from fracturax.reporting.dicom.references import references
from fracturax.reporting.dicom.sides import side_of
from fracturax.reporting.dicom.source import SourceImage
from fracturax.reporting.film import marked_views
from fracturax.reporting.wording import BOX_COLOR, WORDING, percent, sentence

LAYERS: dict[str, tuple[str, str]] = {
    "CERTAIN": ("solid boxes: certain", BOX_COLOR["certain"]),
    "DOUBT": ("dashed boxes: doubt", BOX_COLOR["doubt"]),
    "TEXT": ("answer, probabilities, research use", "#ffffff"),
}
"""Graphic layers, from the bottom up: what each holds and its colour; each can be switched off."""

_LAYER_OF: dict[Certainty, str] = {"certain": "CERTAIN", "doubt": "DOUBT"}
# 32 bits along the line, each one line width long: dashes of 7 and gaps of 4 would not divide 32.
_DASHES = 0xFF00FF00
_LINE_WIDTH = 1.5
_LONGEST_TEXT = 300


@dataclass(frozen=True, eq=False)
class _Plane:
    """One stored frame that is shown, and what is marked in it."""

    image: Image
    answer: ImagePrediction
    header: Dataset
    frame: int
    findings: tuple[Finding, ...]
    grey: Transformation

    @property
    def key(self) -> tuple[str, ...]:
        """What all planes of one presentation state have in common."""
        return (str(self.header.SOPClassUID), *self.grey.key)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the stored frame."""
        return self.image.pixels.shape[-2], self.image.pixels.shape[-1]


def make_gsps(report: Report, sources: Sequence[SourceImage]) -> list[Dataset]:
    r"""Return presentation states that show the findings over the films, which stay untouched.

    Boxes are closed lines in the pixels of the stored image, certain ones solid, those in doubt
    dashed, on layers of their own; the answer and the notice stand on a third. The grey scale is
    that of the reader. Images of one object class and polarity share a state; where a study mixes
    them, there are several. Coloured images, which are never assessed, have none.

    Args:
        report: What was answered.
        sources: The stored objects of its images, in their order.

    Returns:
        One state or more, with text alone where nothing was found.

    Raises:
        DataError: If no image of the report is grey, or its header lacks an attribute.

    References:
        DICOM PS3.3, A.33.1 "Grayscale Softcopy Presentation State IOD"; C.10.5 "Graphic
        Annotation": in PIXEL units 0.0\0.0 is the top left corner of the first pixel, as in `Box`.
    """
    groups: dict[tuple[str, ...], list[_Plane]] = {}
    for source in sources:
        for plane in _planes(source):
            groups.setdefault(plane.key, []).append(plane)
    if not groups:
        raise DataError(
            "a presentation state needs a grey image",
            got="coloured images",
            cure="use the forms sr, sc or pdf",
        )
    return [
        _state(report, sources, planes, number=number)
        for number, planes in enumerate(groups.values(), start=1)
    ]


def _planes(source: SourceImage) -> Iterator[_Plane]:
    for view in marked_views(source.image, source.answer):
        plane = view.slice or 0
        header, frame = source.header_of(plane), source.frames[plane][1]
        if integer_of(header, "SamplesPerPixel", 1) != 1:
            continue
        grey = transformation_of(source.image, header, frame=frame)
        yield _Plane(source.image, source.answer, header, frame, view.findings, grey)


def _state(
    report: Report, sources: Sequence[SourceImage], planes: Sequence[_Plane], *, number: int
) -> Dataset:
    state = Dataset()
    state.SOPClassUID = GrayscaleSoftcopyPresentationStateStorage
    state.Modality = "PR"
    state.Laterality = side_of(plane.image for plane in planes)
    state.ContentLabel = "FRACTURAX"
    state.ContentDescription = text_value(WORDING[report.prediction.status].headline, "LO")
    state.ContentCreatorName = "FracturaX^Software"
    state.ReferencedSeriesSequence = _series(planes)
    state.DisplayedAreaSelectionSequence = _by_plane(planes, _displayed_area)
    state.GraphicAnnotationSequence = list(_annotations(report, planes))
    state.GraphicLayerSequence = _layers(
        item.GraphicLayer for item in state.GraphicAnnotationSequence
    )
    state.update(planes[0].grey.modality)
    visible = _by_plane(planes, lambda plane: plane.grey.voi)
    if visible:
        state.SoftcopyVOILUTSequence = visible
    state.PresentationLUTShape = planes[0].grey.shape
    stamp(state, report, sources, form="gsps", description="marks", number=number)
    # The state has a date of its own kind for the same moment.
    state.PresentationCreationDate = state.pop("ContentDate").value
    state.PresentationCreationTime = state.pop("ContentTime").value
    return state


def _series(planes: Sequence[_Plane]) -> list[Dataset]:
    items = []
    uids = dict.fromkeys(str(plane.header.SeriesInstanceUID) for plane in planes)
    for uid in uids:
        item = Dataset()
        item.SeriesInstanceUID = uid
        item.ReferencedImageSequence = _references(
            [plane for plane in planes if plane.header.SeriesInstanceUID == uid]
        )
        items.append(item)
    return items


def _by_plane(
    planes: Sequence[_Plane], content: Callable[[_Plane], Dataset | None]
) -> list[Dataset]:
    """Return one item for all planes of the same content, with references where they differ."""
    same: dict[str, tuple[Dataset, list[_Plane]]] = {}
    for plane in planes:
        item = content(plane)
        if item is not None:
            same.setdefault(item.to_json(), (item, []))[1].append(plane)
    for item, of in same.values():
        if len(of) < len(planes):
            item.ReferencedImageSequence = _references(of)
    return [item for item, _ in same.values()]


def _displayed_area(plane: _Plane) -> Dataset:
    """Return an item that shows the whole image, with pixels as high and wide as they are."""
    rows, columns = plane.shape
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [columns, rows]
    area.PresentationSizeMode = "SCALE TO FIT"
    spacing = plane.image.geometry.spacing_mm
    if spacing is not None:
        area.PresentationPixelSpacing = [DS(value, auto_format=True) for value in spacing[-2:]]
    else:
        area.PresentationPixelAspectRatio = [1, 1]
    return area


def _annotations(report: Report, planes: Sequence[_Plane]) -> Iterator[Dataset]:
    """Yield one item for each layer of the planes that show the same."""
    same: dict[tuple[str, tuple[Finding, ...]], list[_Plane]] = {}
    for plane in planes:
        same.setdefault((plane.image.name, plane.findings), []).append(plane)
    for (_, findings), of in same.items():
        references, shape = _references(of), of[0].shape
        for certainty, layer in _LAYER_OF.items():
            outlines = [_box_outline(one, shape) for one in findings if one.certainty == certainty]
            if outlines:
                item = _annotation(layer, references)
                item.GraphicObjectSequence = outlines
                yield item
        item = _annotation("TEXT", references)
        item.TextObjectSequence = [
            *(_label(finding, shape) for finding in findings),
            *_texts_of_image(report, of[0].answer),
        ]
        yield item


def _annotation(layer: str, references: list[Dataset]) -> Dataset:
    item = Dataset()
    item.ReferencedImageSequence = references
    item.GraphicLayer = layer
    return item


def _layers(names: Iterable[str]) -> list[Dataset]:
    used = set(names)
    return [
        GraphicLayer(name, order, description, CIELabColor.from_string(color))
        for order, (name, (description, color)) in enumerate(LAYERS.items(), start=1)
        if name in used
    ]


def _box_outline(finding: Finding, shape: tuple[int, int]) -> GraphicObject:
    """Return a box as a closed line."""
    points = corners(finding.box, rows=shape[0], columns=shape[1])
    outline = GraphicObject("POLYLINE", points, "PIXEL")
    outline.LineStyleSequence = [_line_style(finding.certainty)]
    return outline


def _line_style(certainty: Certainty) -> Dataset:
    """Return how a line is drawn; viewers that do not know it draw it in the layer's colour.

    References:
        DICOM PS3.3, C.10.5, Table C.10-5 "Line Style Sequence".
    """
    style = Dataset()
    style.PatternOnColorCIELabValue = _lab(BOX_COLOR[certainty])
    style.PatternOnOpacity = 1.0
    style.LineThickness = _LINE_WIDTH
    style.LineDashingStyle = "DASHED" if certainty == "doubt" else "SOLID"
    if certainty == "doubt":
        style.LinePattern = _DASHES
    style.ShadowStyle = "OFF"
    style.ShadowOffsetX = style.ShadowOffsetY = 0.0
    style.ShadowColorCIELabValue = _lab("#000000")
    style.ShadowOpacity = 0.0
    return style


def _lab(color: str) -> list[int]:
    return list(CIELabColor.from_string(color).value)


def _label(finding: Finding, shape: tuple[int, int]) -> TextObject:
    """Return a finding's probability above its box, below it where there is no room above."""
    rows, columns = shape
    box = clipped(finding.box, rows=rows, columns=columns)
    height = min(max(max(shape) / 40.0, 1.0), float(rows))
    length = min(10.0 * height, float(columns))
    top = box.row_min - 1.2 * height
    if top < 0:
        top = max(min(box.row_max + 0.2 * height, rows - height), 0.0)
    left = min(box.column_min, columns - length)
    text = f"{percent(finding.probability)} {finding.certainty}"
    if finding.certainty == "doubt":
        text += " ?"
    place = (left, top, left + length, top + height)
    return TextObject(text, "PIXEL", place, text_justification="LEFT")


def _texts_of_image(report: Report, answer: ImagePrediction) -> list[TextObject]:
    """Return the answer at the top and the notice at the bottom of what is displayed."""
    answered = f"FracturaX: {sentence(answer)}"[:_LONGEST_TEXT]
    places = ((answered, (0.01, 0.01, 0.99, 0.05)), (notice(report), (0.01, 0.95, 0.99, 0.99)))
    return [
        TextObject(text_value(_ascii(text), "ST"), "DISPLAY", place, text_justification="LEFT")
        for text, place in places
    ]


def _ascii(text: str) -> str:
    """Return a text that every character set of a source can say: the words are English."""
    plain = text.replace("·", "-").replace("…", "...")
    return plain.encode("ascii", "replace").decode()


def _references(planes: Sequence[_Plane]) -> list[Dataset]:
    return references((plane.header, plane.frame) for plane in planes)

"""A contact sheet: what each step of a plan did to an image, before, after and the change."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from fracturax.core.image import Image, Volume
from fracturax.core.report import RESEARCH_USE_NOTICE
from fracturax.reporting.film import display_pixels, shrink
from fracturax.reporting.page import data_uri, environment
from fracturax.transforms.axis_map import AxisMap

_TILE_PX, _GAP, _LINE = 300, 14, 20
_INK, _SOFT, _PAPER = "#f3f4f6", "#aab2bd", "#16191d"
_KEPT = (255, 196, 0)


@dataclass(frozen=True, eq=False)
class Stage:
    """An image on its way through a plan.

    Args:
        title: What was done, in a few words.
        image: What came of it.
        axis_map: Where the pixels of the stage before lie in it.
        remark: What a user should know; else empty.
    """

    title: str
    image: Image
    axis_map: AxisMap
    remark: str = ""


@dataclass(frozen=True, eq=False)
class _Row:
    """One step: three pictures, and words."""

    number: int
    title: str
    remark: str
    facts: str
    before: npt.NDArray[np.uint8]
    after: npt.NDArray[np.uint8]
    change: npt.NDArray[np.uint8]


def sheet_picture(shown: Sequence[Stage], *, name: str, is_synthetic: bool = False) -> bytes:
    """Draw a contact sheet as the bytes of a PNG.

    A row a step: the image before, with a frame around what a crop keeps; after; and the change
    of grey, blue where darker and red where brighter, scaled to what changed most. Of a volume the
    middle slice is shown, each through its own window.

    Args:
        shown: The image as read, then after each step.
        name: Name of the image.
        is_synthetic: Whether it shows no patient; the sheet says so.
    """
    rows = _rows(shown)
    width = 3 * _TILE_PX + 4 * _GAP
    tall = [max(one.shape[0] for one in (row.before, row.after, row.change)) for row in rows]
    head = 3 * _LINE + _GAP
    words = 2 * _LINE + _GAP // 2
    height = head + sum(tall) + len(rows) * (words + _GAP) + _LINE + _GAP
    canvas = PillowImage.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    large, plain = ImageFont.load_default(17), ImageFont.load_default(13)
    label = "SYNTHETIC, no patient: " if is_synthetic else ""
    draw.text((_GAP, _GAP // 2), _fitting(f"{label}{name}", 100), fill=_INK, font=large)
    for column, said in enumerate(("before", "after", "change: blue darker, red brighter")):
        left = _GAP + column * (_TILE_PX + _GAP)
        draw.text((left, head - _LINE - 4), said, fill=_SOFT, font=plain)
    top = head
    for row, high in zip(rows, tall, strict=True):
        draw.text((_GAP, top), _fitting(f"{row.number}  {row.title}", 110), fill=_INK, font=plain)
        said = f"{row.facts}   {row.remark}"
        draw.text((_GAP, top + _LINE - 2), _fitting(said, 120), fill=_SOFT, font=plain)
        top += words
        for column, pixels in enumerate((row.before, row.after, row.change)):
            left = _GAP + column * (_TILE_PX + _GAP)
            canvas.paste(PillowImage.fromarray(pixels), (left, top))
        top += high + _GAP
    draw.text((_GAP, top), _fitting(RESEARCH_USE_NOTICE, 130), fill=_SOFT, font=plain)
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG")
    return buffer.getvalue()


def sheet_page(shown: Sequence[Stage], *, name: str, is_synthetic: bool = False) -> str:
    """Return a contact sheet as one HTML page that needs no network and no script.

    Args:
        shown: The image as read, then after each step.
        name: Name of the image.
        is_synthetic: Whether it shows no patient; the page says so.
    """
    rows = [
        {
            "number": row.number,
            "title": row.title,
            "remark": row.remark,
            "facts": row.facts,
            "pictures": [
                (words, data_uri(pixels, quality=88))
                for words, pixels in (
                    ("before", row.before),
                    ("after", row.after),
                    ("change", row.change),
                )
            ],
        }
        for row in _rows(shown)
    ]
    return (
        environment()
        .get_template("contact_sheet.html.j2")
        .render(name=name, rows=rows, is_synthetic=is_synthetic, notice=RESEARCH_USE_NOTICE)
    )


def _rows(shown: Sequence[Stage]) -> list[_Row]:
    rows = []
    for number, (before, after) in enumerate(pairwise(shown), start=1):
        was = display_pixels(before.image)
        now = display_pixels(after.image)
        scale = _TILE_PX / max(was.shape)
        rows.append(
            _Row(
                number,
                after.title,
                after.remark,
                _facts(before.image, after.image),
                _framed(_tile(was), after.axis_map, scale),
                _grey(_tile(now)),
                _change(was, now) if after.axis_map.is_identity else _nothing(now.shape),
            )
        )
    return rows


def _facts(before: Image, after: Image) -> str:
    sizes = [" x ".join(map(str, image.pixels.shape)) for image in (before, after)]
    size = sizes[1] if sizes[0] == sizes[1] else f"{sizes[0]} to {sizes[1]}"
    low, high = float(after.pixels.min()), float(after.pixels.max())
    unit = " HU" if isinstance(after, Volume) and after.unit == "HU" else ""
    return f"{size} px, values {low:.3g} to {high:.3g}{unit}"


def _tile(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return pixels with their longest side at the tile's; small ones are enlarged to squares."""
    if max(pixels.shape) >= _TILE_PX:
        return shrink(pixels, longest_px=_TILE_PX)
    scale = _TILE_PX / max(pixels.shape)
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[::-1])
    enlarged = cv2.resize(pixels, size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(enlarged, np.uint8).reshape(size[::-1])


def _grey(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.repeat(pixels[..., None], 3, axis=2)


def _framed(tile: npt.NDArray[np.uint8], axis_map: AxisMap, scale: float) -> npt.NDArray[np.uint8]:
    """Return the image before with a frame around what is left of it, where something is cut."""
    colored = np.ascontiguousarray(_grey(tile))
    count = len(axis_map.axes)
    whole = np.array([[0.0] * count + [float(side) for side in axis_map.new_shape]])
    back = axis_map.boxes_to_original(whole)[0]
    low, high = back[:count][-2:] * scale, back[count:][-2:] * scale
    sides = np.array(axis_map.shape[-2:]) * scale
    if (low > 0.5).any() or (high < sides - 0.5).any():
        low = np.maximum(low, 0)
        high = np.minimum(high, sides) - 1
        corners = [(round(float(one[1])), round(float(one[0]))) for one in (low, high)]
        cv2.rectangle(colored, corners[0], corners[1], _KEPT, 2)
    return colored


def _change(was: npt.NDArray[np.uint8], now: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    change = _signed_tile(now.astype(np.float32) - was.astype(np.float32))
    most = max(float(np.percentile(np.abs(change), 99.5)), float(np.abs(change).max()) / 8, 4.0)
    share = np.clip(change / most, -1, 1)[..., None]
    base = np.float32(24)
    red, blue = np.array([255, 90, 70], np.float32), np.array([70, 140, 255], np.float32)
    colored = base + np.where(share > 0, share * (red - base), -share * (blue - base))
    return np.asarray(np.rint(colored), np.uint8)


def _signed_tile(change: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    scale = _TILE_PX / max(change.shape)
    size = tuple(max(1, round(side * scale)) for side in change.shape[::-1])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(change, size, interpolation=method), np.float32).reshape(
        size[::-1]
    )


def _nothing(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return what stands for a change that cannot be shown: the grid is another one."""
    scale = _TILE_PX / max(shape)
    rows, columns = (max(1, round(side * scale)) for side in shape)
    blank = PillowImage.new("RGB", (columns, rows), _PAPER)
    draw = ImageDraw.Draw(blank)
    draw.text((8, 8), "another grid of pixels", fill=_SOFT, font=ImageFont.load_default(13))
    return np.asarray(blank)


def _fitting(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"

"""Whatever is flipped in or cut off a valid file: an image comes out, or an error of ours."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from dicom_builders import GRADIENT, ct_slice, encoded, film, jpeg_of, nifti_bytes
from fracturax.core.errors import ImageError
from fracturax.core.image import Image
from fracturax.imaging import read_image


def _png() -> bytes:
    buffer = io.BytesIO()
    PillowImage.fromarray(GRADIENT).save(buffer, "PNG")
    return buffer.getvalue()


def _compressed() -> bytes:
    dataset = film(GRADIENT, WindowCenter=800, WindowWidth=900)
    dataset.compress("1.2.840.10008.1.2.5", generate_instance_uid=False)
    return encoded(dataset)


SEEDS = {
    "film": encoded(film(GRADIENT, WindowCenter=800, WindowWidth=900, PixelSpacing=[0.2, 0.2])),
    "rle": _compressed(),
    "ct": encoded(ct_slice(GRADIENT, 3.0)),
    "png": _png(),
    "jpeg": jpeg_of(GRADIENT.astype(np.uint8)),
    "nifti": nifti_bytes((2, 3, 4), voxels=bytes(48)),
}


@pytest.mark.parametrize("seed", SEEDS)
@given(data=st.data())
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_damaged_file_is_an_image_or_an_error_of_ours(
    tmp_path: Path, seed: str, data: st.DataObject
) -> None:
    content = bytearray(SEEDS[seed])
    # Most of what can go wrong stands in the header.
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, min(len(content), 1200) - 1))
        content[place] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    path = tmp_path / "a.dcm"
    path.write_bytes(content)
    try:
        images = read_image(path)
    except ImageError as error:
        assert "Secret" not in str(error)
    else:
        assert images
        assert all(isinstance(image, Image) and image.pixels.size for image in images)

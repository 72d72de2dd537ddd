"""Networks of the X-ray stream: what their training does with numbers that are none."""

from __future__ import annotations

import numpy as np
import pytest

from fracturax.core.errors import ModelError
from fracturax.training.film_stream import StemViews, StreamPace, train_film_stream


def test_maps_that_are_no_numbers_end_the_training() -> None:
    label = np.arange(8) % 2 == 1
    cells = np.zeros((1, 8, 14, 14), bool)
    cells[:, label, 0] = True
    fine = np.full((1, 8, 32, 14, 14), np.nan, np.float16)
    views = StemViews(fine, cells, group=np.zeros(8, np.int64), label=label)
    with pytest.raises(ModelError, match="nan at step 0"):
        train_film_stream("film_cnn", views, pace=StreamPace(epochs=1, batch_size=4))

"""Streams: sizes, clinical fields, and which are present."""

from __future__ import annotations

import pytest

from fracturax.core.errors import ModelError
from fracturax.models.streams import STREAMS, Clinical, StreamSizes, present_of


def test_what_is_missing_is_not_what_is_zero() -> None:
    newborn, unknown = Clinical(age_years=0.0), Clinical()
    assert newborn.is_known
    assert not unknown.is_known
    assert newborn.as_vector().tolist() != unknown.as_vector().tolist()
    assert len(unknown.as_vector()) == StreamSizes().clinical


@pytest.mark.parametrize(
    "fields", [{"age_years": -1.0}, {"age_years": 400.0}, {"sex": "X"}, {"mechanism": "magic"}]
)
def test_impossible_fields_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        Clinical(**fields)  # type: ignore[arg-type]


def test_a_fusion_reads_at_least_one_stream_that_exists() -> None:
    assert present_of(STREAMS).all()
    with pytest.raises(ModelError, match="got none"):
        present_of(())
    with pytest.raises(ModelError, match="got mri"):
        present_of(("mri",))

import pytest

from fracturax.core.anatomy import is_out_of_scope, region_of_body_part


@pytest.mark.parametrize(
    ("body_part", "region"),
    [
        ("WRIST", "hand"),
        ("Upper Arm", "hand"),
        ("TIB_FIB", "leg"),
        ("PELVIS", "hip"),
        ("CLAVICLE", "shoulder"),
        ("SKULL", None),
        ("", None),
        (None, None),
    ],
)
def test_body_parts_lie_in_regions(body_part: str | None, region: str | None) -> None:
    assert region_of_body_part(body_part) == region


@pytest.mark.parametrize("body_part", ["CHEST", "C-SPINE", "Skull", "ABDOMEN", "LSPINE"])
def test_what_is_no_limb_is_out_of_scope(body_part: str) -> None:
    assert is_out_of_scope(body_part)


@pytest.mark.parametrize("body_part", [None, "", "EXTREMITY", "KNEE"])
def test_an_unknown_part_is_not_out_of_scope(body_part: str | None) -> None:
    assert not is_out_of_scope(body_part)

from fracturax.core.case import patient_key


def test_one_patient_has_one_key() -> None:
    assert patient_key("4711", salt="hospital") == patient_key("4711", salt="hospital")


def test_a_key_tells_nothing_without_the_salt() -> None:
    key = patient_key("4711", salt="hospital")
    assert "4711" not in key
    assert key != patient_key("4711", salt="")
    assert key != patient_key("4712", salt="hospital")


def test_a_long_salt_and_a_foreign_name_are_welcome() -> None:
    assert len(patient_key("山田", salt="s" * 300)) == 16

"""The salt: the user's own, the same every time, and nobody else's to read."""

import os
import stat
from pathlib import Path

import pytest

from fracturax.core.case import patient_key
from fracturax.core.errors import ConfigError
from fracturax.datasets.salt import PatientKeys, user_salt


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("FRACTURAX_SALT", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config/fracturax/salt"


def test_it_is_made_once_for_this_user_alone(own_home: Path) -> None:
    salt = user_salt()
    assert user_salt() == salt
    assert len(salt) == 64
    assert stat.S_IMODE(own_home.stat().st_mode) == 0o600
    assert list(own_home.parent.iterdir()) == [own_home]
    assert PatientKeys().of("4711") == patient_key("4711", salt=salt)


def test_two_users_have_two_salts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = user_salt()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "other"))
    assert user_salt() != first


def test_of_two_that_come_first_together_one_wins(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def come_second(source: Path, target: Path) -> None:
        own_home.write_text("the salt of the one who was first\n")
        own_home.chmod(0o600)
        link(source, target)

    monkeypatch.setattr(os, "link", come_second)
    assert user_salt() == "the salt of the one who was first"


def test_the_environment_comes_first_and_makes_no_file(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRACTURAX_SALT", "a salt from the environment")
    assert user_salt() == "a salt from the environment"
    assert not own_home.exists()


def test_without_home_configuration_it_lies_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    user_salt()
    assert (tmp_path / ".config/fracturax/salt").is_file()


@pytest.mark.skipif(os.name != "posix", reason="modes are a matter of POSIX")
def test_a_salt_that_others_can_read_is_refused(own_home: Path) -> None:
    user_salt()
    own_home.chmod(0o644)
    with pytest.raises(ConfigError, match="open to others"):
        user_salt()


def test_a_short_salt_is_refused(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="the salt is too short"):
        PatientKeys("short")
    monkeypatch.setenv("FRACTURAX_SALT", "")
    with pytest.raises(ConfigError, match="FRACTURAX_SALT is too short"):
        user_salt()


def test_where_no_file_can_be_made_the_environment_is_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="give it as FRACTURAX_SALT"):
        PatientKeys().of("4711")

"""The user's secret salt, and the keys made with it: one patient, one key, and no way back."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from fracturax.core.case import patient_key
from fracturax.core.errors import ConfigError

SALT_VARIABLE = "FRACTURAX_SALT"
SHORTEST_SALT = 16
_CURE = f"give it as {SALT_VARIABLE}, {SHORTEST_SALT} characters or more"


class PatientKeys:
    """Makes patient keys; the user's salt is looked up when the first patient is met.

    Args:
        salt: A salt of at least 16 characters; that of the user if None.

    Raises:
        ConfigError: If the salt is too short: identifiers are few enough to try them all.

    Example:
        >>> keys = PatientKeys("a secret of one hospital")
        >>> keys.of("4711") == keys.of(" 4711 "), keys.of("4711") == keys.of("4712")
        (True, False)
    """

    def __init__(self, salt: str | None = None) -> None:
        self._salt = None if salt is None else _checked(salt, "the salt")

    def of(self, identifier: str) -> str:
        """Return the key of a patient, study or whatever else names a person."""
        if self._salt is None:
            self._salt = user_salt()
        return patient_key(identifier.strip(), salt=self._salt)


def key_of_film(name: str) -> str:
    """Return the key of an image whose patient nobody knows: a group of its own.

    It is the same on every machine, and tells no more than the image's name does.

    Example:
        >>> key_of_film("normal/1.png") == key_of_film("normal/2.png")
        False
    """
    return "film-" + hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def user_salt() -> str:
    """Return the salt of this user: `FRACTURAX_SALT`, else that of a file made once.

    The file is `fracturax/salt` in `$XDG_CONFIG_HOME` or `~/.config`, readable by the user alone.
    The same salt gives the same keys, so that two runs agree who is who; whoever has it can try
    out identifiers, so it is neither written into results nor logged.

    Raises:
        ConfigError: If the salt is too short, or its file cannot be made or is open to others.
    """
    given = os.environ.get(SALT_VARIABLE)
    if given is not None:
        return _checked(given, SALT_VARIABLE)
    try:
        path = _salt_path()
        if not path.exists():
            _make_salt(path)
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise ConfigError(
                "the file of the salt is open to others", got=str(path), cure=f"chmod 600 {path}"
            )
        return _checked(path.read_text(encoding="ascii").strip(), str(path))
    except (OSError, UnicodeDecodeError, RuntimeError) as error:
        raise ConfigError(
            "the salt for patient keys can neither be read nor made",
            got=type(error).__name__,
            cure=_CURE,
        ) from error


def _salt_path() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME")
    folder = Path(home) if home else Path.home() / ".config"
    return folder / "fracturax" / "salt"


def _make_salt(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = path.with_name(f"salt.{secrets.token_hex(4)}")
    with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(secrets.token_hex(32) + "\n")
    try:
        # Of two processes that come first together one wins, and both read the same salt.
        os.link(own, path)
    except FileExistsError:
        pass
    finally:
        own.unlink()


def _checked(salt: str, place: str) -> str:
    if len(salt) < SHORTEST_SALT:
        raise ConfigError(
            f"{place} is too short to keep patients secret",
            got=f"{len(salt)} characters",
            cure=f"give {SHORTEST_SALT} or more, at random",
        )
    return salt

"""Every error FracturaX raises on purpose: one tree, one sentence form, one map to the edges.

FracturaXError
 ├ ImageError (ValueError) ─ UnreadableImageError, GeometryError
 ├ DataError (ValueError) ─ LeakageError
 ├ ModelError (ValueError) ─ UnsuitableStudyError
 ├ ConfigError (ValueError) ─ MissingExtraError
 └ UnknownNameError (KeyError)          anything else is a bug
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


class FracturaXError(Exception):
    """Base of all expected errors, said as *what, got, cure*.

    Args:
        what: What is wrong, in words a user understands.
        got: The value or fact that was met. Never a patient's name, ID or date.
        cure: What the user can do about it.

    Example:
        >>> print(FracturaXError("the film has no pixels", got="0 x 0", cure="export it again"))
        the film has no pixels; got 0 x 0; export it again
    """

    def __init__(self, what: str, *, got: str = "", cure: str = "") -> None:
        self.what, self.got, self.cure = what, got, cure
        parts = [what, f"got {got}" if got else "", cure]
        super().__init__("; ".join(part for part in parts if part))

    def __str__(self) -> str:
        # KeyError would quote the message.
        return str(self.args[0])


class ImageError(FracturaXError, ValueError):
    """An image, or a parameter applied to one, is not what it has to be."""


class UnreadableImageError(ImageError):
    """A file cannot be turned into an image; reading it again will not help."""


class GeometryError(ImageError):
    """Spacing, orientation or position of an image is missing, contradictory or impossible."""


class DataError(FracturaXError, ValueError):
    """A data set, table or annotation contradicts itself or lacks what is needed."""


class LeakageError(DataError):
    """The same patient, film or copy of a film stands on both sides of a split."""


class ModelError(FracturaXError, ValueError):
    """A model or bundle is damaged, tampered with or does not fit the task."""


class UnsuitableStudyError(ModelError):
    """A study that the model must not be asked about, where no prediction can carry the reason."""


class ConfigError(FracturaXError, ValueError):
    """A recipe, option or environment setting is wrong."""


class MissingExtraError(ConfigError):
    """A verb needs an optional part of FracturaX that is not installed."""

    def __init__(self, extra: str, *, verb: str) -> None:
        super().__init__(
            f"{verb} needs the optional part {extra!r}",
            got="an install without it",
            cure=f'run: pip install "fracturax[{extra}]"',
        )


class UnknownNameError(FracturaXError, KeyError):
    """A name is in no registry; the message offers its nearest neighbours."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        super().__init__(
            f"no {kind} of this name",
            got=repr(name),
            cure=f"{hint}known: {', '.join(known) or 'none'}",
        )


@dataclass(frozen=True)
class EdgeCode:
    """What an error becomes where FracturaX meets a shell or a browser."""

    exit_code: int
    http_status: int


_EDGE_CODES: dict[type[BaseException], EdgeCode] = {
    UnreadableImageError: EdgeCode(3, 422),
    GeometryError: EdgeCode(3, 422),
    ImageError: EdgeCode(3, 422),
    LeakageError: EdgeCode(5, 409),
    DataError: EdgeCode(4, 422),
    UnsuitableStudyError: EdgeCode(7, 422),
    ModelError: EdgeCode(6, 500),
    MissingExtraError: EdgeCode(8, 501),
    ConfigError: EdgeCode(8, 400),
    UnknownNameError: EdgeCode(9, 404),
    FracturaXError: EdgeCode(1, 500),
}


def edge_code(error: BaseException | type[BaseException]) -> EdgeCode:
    """Return the exit code and HTTP status of an error, from the nearest entry of the tree.

    Example:
        >>> edge_code(LeakageError("one film on both sides")).exit_code
        5
    """
    kind = error if isinstance(error, type) else type(error)
    for ancestor in kind.__mro__:
        if ancestor in _EDGE_CODES:
            return _EDGE_CODES[ancestor]
    return EdgeCode(1, 500)

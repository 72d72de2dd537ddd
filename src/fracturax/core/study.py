"""A Study: the images of one examination, and the files of it that could not be read."""

from __future__ import annotations

from dataclasses import dataclass

from fracturax.core.errors import ImageError
from fracturax.core.image import Image, Radiograph


@dataclass(frozen=True)
class UnreadableFile:
    """A file that belongs to a study or folder but could not be read, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Study:
    """The images of one examination, read together and answered together.

    Args:
        key: Names the study in files and tables: a hash, never an identifier of the patient.
        images: Radiographs and volumes in the order of acquisition; may be empty only if
            `unreadable` says why.
        unreadable: Files that had to be left out.

    Raises:
        ImageError: If there is neither an image nor a reason, or two images share a name.
    """

    key: str
    images: tuple[Image, ...]
    unreadable: tuple[UnreadableFile, ...] = ()

    def __post_init__(self) -> None:
        if not self.images and not self.unreadable:
            raise ImageError(
                "a study holds no image", got="nothing", cure="give at least one image"
            )
        names = [image.name for image in self.images]
        if len(set(names)) != len(names):
            raise ImageError("two images of a study share a name", got=str(len(names)) + " images")

    @property
    def radiographs(self) -> tuple[Radiograph, ...]:
        """The films among the images."""
        return tuple(image for image in self.images if isinstance(image, Radiograph))

"""What is wrong with a table or annotation, collected so that a user mends it in one go."""

from __future__ import annotations

from fracturax.core.errors import DataError

MOST_SHOWN = 20


class Problems:
    """Problems of one file or data set; a place and a reason each, never a value of a cell.

    A cell may hold a patient's name, above all where columns have slipped: no message quotes one.

    Args:
        data: What the file or data set is called in the message.
        cure: What to do about it.

    Example:
        >>> problems = Problems("labels.csv", cure="correct the table")
        >>> problems.add("line 3, column fracture", "is empty")
        >>> problems.check()
        Traceback (most recent call last):
        ...
        fracturax.core.errors.DataError: labels.csv cannot be used; got 1 problem:
          line 3, column fracture: is empty
        ; correct the table
    """

    def __init__(self, data: str, *, cure: str) -> None:
        self._data, self._cure = data, cure
        self._shown: list[str] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, place: str, reason: str) -> None:
        """Note a problem: where, and what is wrong there."""
        self._count += 1
        if len(self._shown) < MOST_SHOWN:
            self._shown.append(f"{place}: {reason}")

    def check(self) -> None:
        """Raise what was collected.

        Raises:
            DataError: If there is a problem; it shows the first twenty and counts the rest.
        """
        if not self._count:
            return
        lines = list(self._shown)
        if self._count > len(lines):
            lines.append(f"and {self._count - len(lines)} more")
        head = f"{self._count} problem{'s' if self._count > 1 else ''}:"
        raise DataError(
            f"{self._data} cannot be used",
            got="\n  ".join([head, *lines]) + "\n",
            cure=self._cure,
        )

"""Recipes as data: TOML tables become frozen dataclasses; a wrong key names its neighbour."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from fracturax.core.errors import ConfigError

ConfigT = TypeVar("ConfigT")


def load_toml(kind: type[ConfigT], path: Path) -> ConfigT:
    """Read a TOML file into a frozen dataclass.

    Raises:
        ConfigError: If the file cannot be read, or a key is unknown, missing or of a wrong type.
    """
    return build(kind, read_toml(path), where=path.name)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file as it is.

    Raises:
        ConfigError: If the file cannot be read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("there is no such recipe", got=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path.name} is no readable TOML", got=str(error)) from error


def build(kind: type[ConfigT], document: Mapping[str, Any], *, where: str) -> ConfigT:
    """Build a dataclass from nested mappings, checking every key and type.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Optimizer:
        ...     learning_rate: float
        >>> build(Optimizer, {"learning_rat": 1.0}, where="xray.toml")
        Traceback (most recent call last):
        ...
        fracturax.core.errors.ConfigError: xray.toml has an unknown key; got 'learning_rat'; \
did you mean 'learning_rate'?
    """
    assert dataclasses.is_dataclass(kind)
    if not isinstance(document, Mapping):
        raise ConfigError(f"{where} must be a table", got=repr(document))
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in document:
        if key not in fields:
            near = get_close_matches(key, fields, n=1)
            cure = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(fields)}"
            raise ConfigError(f"{where} has an unknown key", got=repr(key), cure=cure)
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in document:
            values[name] = _convert(hints[name], document[name], where=f"{where}: {name}")
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where} lacks a key", got="no " + name, cure=f"add {name} = ...")
    return kind(**values)


def _convert_union(options: tuple[Any, ...], value: Any, *, where: str) -> Any:
    """Take a value that is of one of several types as it is, else make it the first of them."""
    if type(value) in options:
        return value
    first = next(option for option in options if option is not type(None))
    return _convert(first, value, where=where)


def _convert(hint: Any, value: Any, *, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value, where=where)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is typing.Literal:
        if value in arguments:
            return value
        raise ConfigError(f"{where} must be one of {arguments}", got=repr(value))
    if origin in (typing.Union, types.UnionType):
        return _convert_union(arguments, value, where=where)
    if origin is tuple:
        if isinstance(value, Mapping) and get_origin(arguments[0]) is tuple:
            # Pairs of a name and a value are written as a table.
            value = list(value.items())
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where} must be a list", got=repr(value))
        if arguments[-1] is not Ellipsis and len(value) != len(arguments):
            raise ConfigError(f"{where} must have {len(arguments)} entries", got=str(len(value)))
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(
            _convert(kind, item, where=where) for kind, item in zip(kinds, value, strict=True)
        )
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is hint:
        return value
    raise ConfigError(f"{where} must be of type {getattr(hint, '__name__', hint)}", got=repr(value))

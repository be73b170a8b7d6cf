"""What an ensemble has learnt, as JSON text and back: no code runs when it is read, and no bit of a number changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from types import UnionType
from typing import Any, Final, TypeVar, Union, get_args, get_origin, get_type_hints

from nightdesk.errors import ModelBroken

FORMAT: Final = 1

Record = TypeVar("Record")


def to_json(record: Any) -> str:
    """Write a frozen record, records inside it included; ModelBroken where a number is not finite.

    Its fields are numbers, text, booleans, None, records, and tuples of these.
    """
    try:
        content = {"format": FORMAT, "kind": type(record).__name__, "record": asdict(record)}
        return json.dumps(content, allow_nan=False, sort_keys=True)
    except ValueError as error:
        raise ModelBroken(
            f"what is kept must hold finite numbers, got others in {type(record).__name__}: {error}"
        ) from None


def from_json(kind: type[Record], text: str) -> Record:
    """Read a record of `kind` that `to_json` wrote: an equal one, bit by bit.

    Raises ModelBroken where the text is no such record, or has other fields or types than `kind` has today.
    """
    try:
        content = json.loads(text, parse_constant=_refused)
        if content["format"] != FORMAT or content["kind"] != kind.__name__:
            raise ModelBroken(
                f"a kept {kind.__name__} must be of format {FORMAT}, got {content['kind']} of {content['format']}: "
                "fit it again"
            )
        revived: Record = _record(kind, content["record"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelBroken(f"a kept {kind.__name__} must be whole JSON, got {error!r}: fit it again") from None
    return revived


def _record(kind: Any, values: Mapping[str, Any]) -> Any:
    hints, names = get_type_hints(kind), {field.name for field in fields(kind)}
    if names != set(values):
        raise ValueError(f"fields {', '.join(sorted(values))}")
    return kind(**{name: _value(hints[name], value) for name, value in values.items()})


def _value(hint: Any, value: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        if value is None:
            return None
        hint = next(one for one in get_args(hint) if one is not type(None))
    if is_dataclass(hint):
        return _record(hint, value)
    if get_origin(hint) is tuple:
        inner, *rest = get_args(hint)
        each = [inner] * len(value) if rest == [Ellipsis] else [inner, *rest]
        return tuple(_value(one, item) for one, item in zip(each, value, strict=True))
    if type(value) is not hint:
        raise TypeError(f"{value!r} in the place of a {hint.__name__}")
    return value


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} in the place of a number")

"""Keeps secrets out of what is shown and kept: those this process knows, and whatever stands where a URL has them."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from nightdesk.errors import PermanentError

STARS = "***"
"""What is shown in the place of a secret."""

SECRET_NAME = re.compile(r"passw|_pwd|secret|token|credential|auth|signature|private|api.?key|access.?key|^key$", re.I)
"""Names of options, headers, variables and parameters of URLs whose values are secrets."""

_SHORTEST = 4
"""A shorter secret is hidden in the URL where it stands, and nowhere else: every text would be full of stars."""

_LONG = 12
"""From this length on a secret is hidden inside a longer word too; a shorter one may be a part of any word."""

_PASSWORD = re.compile(r"(://[^\s:/@]*):[^\s]*@")
_PARAMETER = re.compile(r"([?&;]([^=&;?\s]+)=)[^&;\s'\"]+")

_known: set[str] = set()
_pattern: list[re.Pattern[str]] = []


def know(*secrets: str) -> None:
    """Hide `secrets` from now on wherever this process conceals: as they are, and as URLs and JSON write them."""
    for secret in {one for given in secrets for one in (given, unquote(given))}:
        forms = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
        _known.update(form for form in forms if len(form) >= _SHORTEST and form != STARS)
    longest_first = sorted(_known, key=lambda one: (-len(one), one))
    _pattern[:] = [re.compile("|".join(map(_whole, longest_first)))] if longest_first else []


def know_url(url: str) -> None:
    """Hide what is secret in `url` from now on: its password, and the values of parameters named like secrets."""
    try:
        parts = urlsplit(url)
        user, password = parts.username or "", parts.password
    except ValueError:  # an address in brackets that is none
        return
    # One that is the user's name as well is hidden in the URL alone: it is a word that texts need.
    if password and password != user:
        pair = f"{unquote(user)}:{unquote(password)}"
        # The second is how HTTP sends a name with its password.
        know(password, base64.b64encode(pair.encode()).decode())
    know(*(value for name, value in parse_qsl(parts.query) if SECRET_NAME.search(name)))


def know_mapping(values: Mapping[str, object]) -> None:
    """Hide every text in `values`, at any depth, that has a secret's name or lies below one; and secrets of URLs."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            inside = {key: text for key, text in value.items() if isinstance(text, str)}
            know_mapping(value)
            know(*(text for text in inside.values() if SECRET_NAME.search(name)))
        elif isinstance(value, str):
            know_url(value)
            if SECRET_NAME.search(name):
                know(value)


def without_password(url: str) -> str:
    """`url` as it may be shown and kept: three stars where a password or token stands; any other text as it is."""
    return _PARAMETER.sub(
        lambda found: f"{found[1]}{STARS}" if SECRET_NAME.search(found[2]) else found[0],
        _PASSWORD.sub(rf"\1:{STARS}@", url),
    )


def concealed(text: str) -> str:
    """`text` without the secrets that this process knows, and without the passwords of any URL in it."""
    for pattern in _pattern:
        text = pattern.sub(STARS, text)
    return without_password(text)


def conceal_error(error: BaseException) -> None:
    """Take secrets out of the text of `error`, and of every error that it came from, in place."""
    for one in _chain(error):
        one.args = tuple(concealed(each) if isinstance(each, str) else each for each in one.args)
        for name, value in vars(one).items():
            if isinstance(value, str) and concealed(value) != value:
                setattr(one, name, concealed(value))


@contextmanager
def concealing_errors() -> Iterator[None]:
    """Let no error out of the block whose text holds a secret; where it cannot be mended, another takes its place."""
    try:
        yield
    except Exception as error:
        conceal_error(error)
        if any(str(one) != concealed(str(one)) for one in _chain(error)):
            # Its text is made anew each time, from parts that are not ours to change.
            raise PermanentError(f"{type(error).__name__}: {concealed(str(error))}") from None
        raise


def conceal_logs() -> None:
    """Take secrets out of every record that any logger of this process makes from now on."""
    before = logging.getLogRecordFactory()
    if not isinstance(before, _Concealing):
        logging.setLogRecordFactory(_Concealing(before))


class _Concealing:
    """Makes log records as `before` does, without secrets."""

    def __init__(self, before: Callable[..., logging.LogRecord]) -> None:
        self.before = before

    def __call__(self, *args: object, **kwargs: object) -> logging.LogRecord:
        record = self.before(*args, **kwargs)
        if record.exc_info and record.exc_info[1] is not None:
            conceal_error(record.exc_info[1])
        try:
            said = record.getMessage()
        except (TypeError, ValueError, KeyError):  # wrong arguments: logging itself complains, to whom it concerns
            return record
        if concealed(said) != said:
            record.msg, record.args = concealed(said), None
        return record


def _whole(secret: str) -> str:
    found = re.escape(secret)
    return found if len(secret) >= _LONG else rf"(?<![A-Za-z0-9]){found}(?![A-Za-z0-9])"


def _chain(error: BaseException) -> Iterable[BaseException]:
    """An error, and all that it came from or carries."""
    seen: dict[int, BaseException] = {}
    left = [error]
    while left:
        one = left.pop()
        if id(one) not in seen:
            seen[id(one)] = one
            near = (one.__cause__, one.__context__, *one.args, *vars(one).values(), *getattr(one, "exceptions", ()))
            left += [each for each in near if isinstance(each, BaseException)]
    return seen.values()

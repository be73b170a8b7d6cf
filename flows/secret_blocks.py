"""The settings of a run: read, with Prefect's secret blocks in the place of their names, and hidden from every log."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ValidationError

from nightdesk import settings as plain
from nightdesk.concealment import conceal_logs, know
from nightdesk.errors import BadSetting
from nightdesk.settings import REFERENCE, MarketSettings, Settings, know_secrets

_HOLDERS = ("store", "tracking", "source", "alerts", "tuning")
"""Groups in which a value may be `prefect-secret://NAME`; the desk's own databases hold the blocks, and cannot."""


def read_settings() -> Settings:
    """Read settings from file and environment, and from Prefect the secrets they name; only entry points call this.

    Raises BadSetting with one line for each value that does not hold, and where Prefect has no such secret.
    """
    return with_secrets(plain.read_settings())


def with_secrets(settings: Settings) -> Settings:
    """`settings` with every `prefect-secret://NAME` replaced by what Prefect's secret block NAME holds.

    Prefect is asked only where a value names a block: the server of PREFECT_API_URL, or its own records at home. From
    now on the logs of this process show none of these secrets, nor any other that settings and environment hold.
    """
    changed: dict[str, Any] = {}
    for name in _HOLDERS:
        group = getattr(settings, name)
        held = group.model_dump()
        if name == "alerts":
            held["urls"] = [url.get_secret_value() for url in group.urls]
        found = {key: _looked_up(f"{name}.{key}", value) for key, value in held.items()}
        if found != held:
            changed[name] = _checked(type(group), name, found)
    markets = tuple(_market_with_secrets(number, one) for number, one in enumerate(settings.markets))
    if markets != settings.markets:
        changed["markets"] = markets
    whole = settings.model_copy(update=changed)
    know_secrets(whole)
    conceal_logs()
    return whole


def _market_with_secrets(number: int, market: MarketSettings) -> MarketSettings:
    place = f"markets.{number}.options"
    return market.model_copy(update={"options": _looked_up(place, market.options)})


def _checked(group: type[BaseModel], name: str, found: dict[str, Any]) -> BaseModel:
    try:
        return group.model_validate(found)
    except ValidationError as error:
        why = "; ".join(one["msg"] for one in error.errors())  # never the value: it is the secret
        raise BadSetting(f"{name} must hold with what its secret blocks hold, got {why}: save them again") from None


def _looked_up(setting: str, value: Any) -> Any:
    if isinstance(value, str) and value.startswith(REFERENCE):
        return _secret(setting, value.removeprefix(REFERENCE))
    if isinstance(value, dict):
        return {key: _looked_up(f"{setting}.{key}", one) for key, one in value.items()}
    if isinstance(value, list):
        return [_looked_up(setting, one) for one in value]
    return value


def _secret(setting: str, name: str) -> str:
    """What the secret block `name` holds, as text."""
    from prefect.blocks.system import Secret

    try:
        found = Secret.load(name)
    except ValueError:  # Prefect's word for a block that is not there
        raise BadSetting(
            f"{setting} must name a secret block that Prefect has, got {name!r}: save one of that name, as "
            "infra/operations/secrets.md shows"
        ) from None
    value = found.get()  # type: ignore[union-attr]
    text = value if isinstance(value, str) else json.dumps(value)
    know(text)
    return text

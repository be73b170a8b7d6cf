"""Reads docker-compose.yml as Docker Compose does: variables filled in, services with commands and environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docker-compose.yml"

# ${NAME}, ${NAME:-default} and ${NAME:?what to do}: what the file uses of Compose's forms.
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<how>:[-?])(?P<rest>[^}]*))?\}")


class NotSet(Exception):
    """A variable that the file cannot do without has no value."""


@dataclass(frozen=True, slots=True)
class Service:
    """What of a service says how it runs."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    env_files: tuple[str, ...]
    needs: tuple[str, ...]
    health: tuple[str, ...]
    ports: tuple[tuple[str, int, int], ...]
    """Published: address, port on the host, port in the container."""
    volumes: Mapping[str, str]
    """By path in the container: the named volume, or the file of the repository."""

    @property
    def ends(self) -> bool:
        """Whether it runs once, to its end."""
        return not self.health


def document(variables: Mapping[str, str]) -> dict[str, Any]:
    """The whole file, its variables filled in; raises NotSet where one that is needed is not set, or is empty."""
    return _filled_in(yaml.safe_load(FILE.read_text(encoding="utf-8")), variables)


def services(variables: Mapping[str, str]) -> list[Service]:
    """The services of the file, in its order; raises as `document`."""
    return [_service(name, one) for name, one in document(variables)["services"].items()]


def _service(name: str, given: dict[str, Any]) -> Service:
    return Service(
        name,
        given["image"],
        tuple(given.get("command", ())),
        given.get("environment", {}),
        tuple(one["path"] for one in given.get("env_file", ())),
        tuple(given.get("depends_on", ())),
        tuple(given.get("healthcheck", {}).get("test", ())[1:]),
        tuple(_port(one) for one in given.get("ports", ())),
        {one.split(":")[1]: one.split(":")[0] for one in given.get("volumes", ())},
    )


def _port(published: str) -> tuple[str, int, int]:
    address, outside, inside = published.split(":")
    return address, int(outside), int(inside)


def _filled_in(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled_in(one, variables) for key, one in value.items()}
    if isinstance(value, list):
        return [_filled_in(one, variables) for one in value]
    return _VARIABLE.sub(lambda found: _value(found, variables), value) if isinstance(value, str) else value


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    given = variables.get(found["name"], "")
    if given or found["how"] is None:
        return given
    if found["how"] == ":?":
        raise NotSet(f"{found['name']}: {found['rest']}")
    return found["rest"]

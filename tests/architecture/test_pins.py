"""Dependencies are pinned: each of ours and each of theirs is one version, the same wherever nightdesk is installed."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from source_files import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
INSTALL = "-c infra/constraints.txt"


def pins() -> dict[str, str]:
    lines = (ROOT / "infra/constraints.txt").read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines:
        if text := line.partition("#")[0].strip():
            name, exact, number = text.partition("==")
            assert exact, f"not pinned to one version: {text}"
            assert canonicalize_name(name) not in found, f"pinned twice: {name}"
            found[canonicalize_name(name)] = number.partition(";")[0].strip()
    return found


def ours() -> list[Requirement]:
    extras = [one for extra in PROJECT.get("optional-dependencies", {}).values() for one in extra]
    return [Requirement(one) for one in (*PROJECT["dependencies"], *extras)]


def needed() -> dict[str, set[str]]:
    """Everything that our dependencies, those of every extra too, need to be installed here: names with who asks."""
    found: dict[str, set[str]] = {}
    left = [("nightdesk", one) for one in ours() if one.marker is None or one.marker.evaluate()]
    seen = set()
    while left:
        asks, requirement = left.pop()
        name = canonicalize_name(requirement.name)
        found.setdefault(name, set()).add(asks)
        if (name, frozenset(requirement.extras)) in seen:
            continue
        seen.add((name, frozenset(requirement.extras)))
        try:
            below = [Requirement(one) for one in requires(name) or []]
        except PackageNotFoundError:
            continue  # told by the test of what is installed
        for one in below:
            extras = [{"extra": extra} for extra in ("", *requirement.extras)]
            if one.marker is None or any(one.marker.evaluate(extra) for extra in extras):
                left.append((name, one))
    return found


def test_every_dependency_and_theirs_is_pinned_to_one_version() -> None:
    pinned = pins()
    assert len(ours()) > 30
    assert [one.name for one in ours() if canonicalize_name(one.name) not in pinned] == []
    assert {name: asks for name, asks in needed().items() if name not in pinned} == {}


def test_what_is_installed_is_what_is_pinned() -> None:
    pinned, other = pins(), {}
    for name in needed():
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "nothing"
        # A build of the same release for another processor is the same release.
        if installed == "nothing" or Version(installed).public != Version(pinned[name]).public:
            other[name] = (installed, pinned[name])
    assert other == {}


def test_our_own_bounds_allow_what_is_pinned() -> None:
    pinned = pins()
    outside = [str(one) for one in ours() if not one.specifier.contains(Version(pinned[canonicalize_name(one.name)]))]
    assert outside == []


def test_whoever_installs_does_it_with_the_pins() -> None:
    for file in (ROOT / "Makefile", ROOT / ".ci/run"):
        installs = [line for line in file.read_text().splitlines() if re.search(r"\bpip3? .*\binstall\b", line)]
        peers = [line for line in installs if ".peers/" in line]  # other people's, beside nightdesk and not with it
        assert [line for line in installs if line not in peers and INSTALL not in line] == []
        for line in peers:
            words = line.split("install", 1)[1].split()
            assert [word for word in words if not word.startswith("-") and "==" not in word] == []
    assert INSTALL in (ROOT / "Makefile").read_text()
    assert "make --silent .venv/.installed" in (ROOT / ".ci/run").read_text()

"""What each part found last, and where and when: kept beside the code, so that a part can be measured anew alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import Machine
from tests.benchmarks.page import Measured, Section, Target

FILE = Path(__file__).with_name("measured.json")


def read() -> dict[str, Measured]:
    """The last run of each part, by its name; empty where none is known."""
    known = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return {
        name: Measured(Machine(**one["machine"]), tuple(map(_section, one["sections"]))) for name, one in known.items()
    }


def write(measured: Mapping[str, Measured]) -> None:
    """Keep the last run of each part."""
    plain = {name: asdict(one) for name, one in measured.items()}
    FILE.write_text(json.dumps(plain, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _section(known: dict[str, Any]) -> Section:
    return Section(
        known["title"],
        known["sentence"],
        tuple(known["head"]),
        tuple(tuple(row) for row in known["rows"]),
        tuple(Target(**one) for one in known["targets"]),
    )

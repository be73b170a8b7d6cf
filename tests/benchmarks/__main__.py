"""Measures nightdesk on this machine; with --write, into BENCHMARKS.md, as `make bench` does."""

from __future__ import annotations

import argparse
import sys

from tests.benchmarks import (
    checks,
    engine,
    evidence,
    families,
    features,
    history,
    install,
    machine,
    night,
    record,
    scale,
    store,
    training,
)
from tests.benchmarks.page import Measured, render, show

PAGE = machine.ROOT / "BENCHMARKS.md"
PARTS = {
    "night": night.measure,
    "training": training.measure,
    "store": store.measure,
    "features": features.measure,
    "families": families.measure,
    "engine": engine.measure,
    "checks": checks.measure,
    "evidence": evidence.measure,
    "quality": checks.quality,
    "history": history.measure,
    "scale": scale.measure,
    "install": install.measure,
}


def main() -> None:
    """Run the parts asked for and print each as it is done; where that is wished, write it into the page as well."""
    options = _options()
    parts = options.only or [name for name in PARTS if name != "install" or options.install]
    for name in parts:
        where = machine.describe()
        print(f"\nmeasuring {name} ...", file=sys.stderr, flush=True)
        sections = tuple(PARTS[name](options.symbols))
        print("\n\n".join(show(section) for section in sections), flush=True)
        if options.write:
            known = {**record.read(), name: Measured(where, sections)}
            record.write({one: known[one] for one in PARTS if one in known})
            PAGE.write_text(render(record.read()), encoding="utf-8")
            print(f"\nwritten to {PAGE}", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", type=_parts, metavar="PARTS", help=f"of {', '.join(PARTS)}, with commas")
    parser.add_argument("--install", action="store_true", help="time an installation too (a new environment, minutes)")
    parser.add_argument("--symbols", type=int, metavar="N", help="the first N symbols alone, for a quick try")
    parser.add_argument(
        "--write",
        action="store_true",
        help="write what is measured into BENCHMARKS.md; other parts stay in it as they are",
    )
    options = parser.parse_args()
    if options.write and options.symbols:
        parser.error("--write is for the whole panel, got --symbols: leave one of them out")
    return options


def _parts(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"parts are {', '.join(PARTS)}, got {', '.join(unknown)}: choose among them")
    return names


if __name__ == "__main__":
    main()

"""Measures nightdesk on this machine and writes BENCHMARKS.md; `make bench` runs it."""

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
    """Run the parts asked for, and write each into the page as it is done; on fewer symbols, only print them."""
    options = _options()
    parts = options.only or [name for name in PARTS if name != "install" or options.install]
    for name in parts:
        where = machine.describe()
        print(f"\nmeasuring {name} ...", file=sys.stderr, flush=True)
        sections = tuple(PARTS[name](options.symbols))
        print("\n\n".join(show(section) for section in sections), flush=True)
        if options.symbols is None:
            known = {**record.read(), name: Measured(where, sections)}
            record.write({one: known[one] for one in PARTS if one in known})
            PAGE.write_text(render(record.read()), encoding="utf-8")
            print(f"\nwritten to {PAGE}", file=sys.stderr)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        type=_parts,
        metavar="PARTS",
        help=f"of {', '.join(PARTS)}, with commas: the others stay in the page as they are",
    )
    parser.add_argument("--install", action="store_true", help="time an installation too (a new environment, minutes)")
    parser.add_argument(
        "--symbols", type=int, metavar="N", help="the first N symbols alone, for a quick try: print, and write nothing"
    )
    return parser.parse_args()


def _parts(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"parts are {', '.join(PARTS)}, got {', '.join(unknown)}: choose among them")
    return names


if __name__ == "__main__":
    main()

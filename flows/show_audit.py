"""What the command line shows of a look-ahead audit: what was tried, and each leak in a sentence."""

from __future__ import annotations

from flows.show import console
from nightdesk.operations.audit import Audited


def show_audit(audited: Audited) -> bool:
    """Show an audit; True where nothing looks ahead."""
    out = console()
    parts = [
        f"{len(names)} {what if len(names) == 1 else f'{what}s'}"
        for what, names in (("feature", audited.features), ("pipeline", audited.pipelines))
        if names
    ]
    out.print(f"Audited {' and '.join(parts)}: what became known later was taken away, changed, and looked for.")
    for leak in audited.leaks:
        out.print(f"LEAK  {leak.words}", soft_wrap=True)
    if not audited.leaks:
        out.print("Nothing looks ahead.")
    return not audited.leaks

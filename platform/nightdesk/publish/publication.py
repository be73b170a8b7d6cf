"""Publications: one folder a night and content, a status, and `latest.json`, which only ever moves in one step.

`published`: a night's ranking stands. `refused`: the night would not publish, and says why. `stale`: what `latest`
names is whole, but a newer night has begun, failed or refused since.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl
from filelock import FileLock

from nightdesk.errors import NothingThere
from nightdesk.store.files import content_of, frame_content, write_frame, write_json

PUBLISHED, STALE, REFUSED = "published", "stale", "refused"
FORMAT = 1

RESEARCH = "Research, not advice. Scores rank symbols; they are no returns and no probabilities."
NO_ADVICE = (
    "Research, not advice: nobody here knows what you owe or need. Expected returns, targets and probabilities are "
    "calibrated on the past, and the past may not come again."
)


@dataclass(frozen=True, slots=True, eq=False)
class Recommended:
    """A night's recommendations (a frame, a row a horizon and symbol), and what has to be said of all of them."""

    rows: pl.DataFrame
    notes: tuple[str, ...]

    @property
    def content(self) -> str:
        """16 hex digits that name rows and notes."""
        return content_of(frame_content(self.rows), self.notes)


@dataclass(frozen=True, slots=True)
class Publication:
    """What a night published: status, reasons where refused, and the folder of its files, below the root."""

    content: str
    realm: str
    as_of: dt.date
    status: str
    reasons: tuple[str, ...]
    folder: str
    rows: int


@dataclass(frozen=True, slots=True)
class Latest:
    """The last good publication, whether it is stale, and why."""

    as_of: dt.date
    status: str
    reason: str
    folder: Path

    def ranking(self) -> pl.DataFrame:
        """Read the ranking (columns as publish.ranking.ranking gives them)."""
        return pl.read_parquet(self.folder / "ranking.parquet")

    @property
    def recommends(self) -> bool:
        """Whether recommendations were published beside the ranking: older nights have none."""
        return (self.folder / "recommendations.parquet").exists()

    def recommendations(self) -> pl.DataFrame:
        """Read the recommendations (infra/operations/recommendations.md has the columns).

        Raises NothingThere for a night that published none.
        """
        if not self.recommends:
            raise NothingThere(
                f"recommendations must have been published with the night, got none of {self.as_of}: run nightdesk "
                "nightly for a newer one"
            )
        return pl.read_parquet(self.folder / "recommendations.parquet")

    def notes(self) -> tuple[str, ...]:
        """What was published to be said of all recommendations together; raises as `recommendations`."""
        if not self.recommends:
            self.recommendations()
        document = json.loads((self.folder / "recommendations.json").read_text(encoding="utf-8"))
        return tuple(document["notes"])


def publish(
    root: Path,
    realm: str,
    as_of: dt.date,
    ranking: pl.DataFrame,
    serving: list[dict[str, Any]],
    reasons: tuple[str, ...],
    recommended: Recommended | None = None,
) -> Publication:
    """Write the night's publication under `root`; `latest` follows unless it names a newer night.

    With `reasons`, or an empty ranking, the night is refused: its status is written, and `latest` keeps the last good
    one, marked stale. `recommended` stands beside the ranking, in the same folder. Returns the ref.
    """
    status = REFUSED if reasons or ranking.is_empty() else PUBLISHED
    content = frame_content(ranking)
    if recommended is not None:
        content = content_of(content, recommended)
    folder = root / realm / str(as_of) / content
    publication = Publication(content, realm, as_of, status, reasons, str(folder.relative_to(root)), ranking.height)
    if status == PUBLISHED:
        document = {
            "format": FORMAT,
            "realm": realm,
            "as_of": as_of,
            "status": status,
            "served": serving,
            "disclaimer": RESEARCH,
            "ranking": ranking.to_dicts(),
        }
        write_frame(folder / "ranking.parquet", ranking)
        write_json(folder / "ranking.json", document)
        if recommended is not None:
            told = {
                **{name: value for name, value in document.items() if name != "ranking"},
                "disclaimer": NO_ADVICE,
                "notes": recommended.notes,
                "recommendations": recommended.rows.to_dicts(),
            }
            write_frame(folder / "recommendations.parquet", recommended.rows)
            write_json(folder / "recommendations.json", told)
    write_json(root / realm / str(as_of) / "status.json", {"format": FORMAT, **asdict(publication)})
    with _moving(root, realm):
        if status == REFUSED:
            _mark_stale(
                root,
                realm,
                as_of,
                f"the night of {as_of} was refused: {'; '.join(reasons) or 'nothing to rank'}",
            )
        else:
            _move(root, realm, as_of, publication.folder)
    return publication


def mark_stale(root: Path, realm: str, as_of: dt.date, reason: str) -> None:
    """Mark the last good publication of `realm` as stale where it is older than the night of `as_of`."""
    with _moving(root, realm):
        _mark_stale(root, realm, as_of, reason)


def latest(root: Path, realm: str) -> Latest:
    """The last good publication of `realm`. Raises NothingThere before the first one."""
    pointer = _pointer(root, realm)
    if pointer is None:
        raise NothingThere(
            f"a night must have published before its forecasts can be read, got none in realm {realm!r}: "
            "run nightdesk nightly"
        )
    as_of = dt.date.fromisoformat(pointer["as_of"])
    return Latest(as_of, pointer["status"], pointer["reason"], root / pointer["folder"])


def published_nights(root: Path, realm: str, first: dt.date, last: dt.date) -> list[Latest]:
    """What the nights of `realm` from `first` to `last` published, in order; those that were refused are left out."""
    days = sorted(dt.date.fromisoformat(file.parent.name) for file in (root / realm).glob("*/status.json"))
    found = []
    for day in days:
        if first <= day <= last:
            status = json.loads((root / realm / str(day) / "status.json").read_text(encoding="utf-8"))
            if status["status"] == PUBLISHED:
                found.append(Latest(day, PUBLISHED, "", root / status["folder"]))
    return found


def _move(root: Path, realm: str, as_of: dt.date, folder: str) -> None:
    """Let `latest` name `folder` unless it names a newer night; one stale already stays stale when written again."""
    standing = _pointer(root, realm)
    pointer = {"format": FORMAT, "as_of": as_of, "status": PUBLISHED, "reason": "", "folder": folder}
    if standing is not None:
        newest = dt.date.fromisoformat(standing["as_of"])
        if newest > as_of:
            return
        if newest == as_of:
            pointer |= {"status": standing["status"], "reason": standing["reason"]}
    write_json(_latest(root, realm), pointer)


def _mark_stale(root: Path, realm: str, as_of: dt.date, reason: str) -> None:
    pointer = _pointer(root, realm)
    if pointer is not None and dt.date.fromisoformat(pointer["as_of"]) < as_of:
        write_json(_latest(root, realm), {**pointer, "status": STALE, "reason": reason})


def _moving(root: Path, realm: str) -> FileLock:
    """Nights of two dates may end at once: only one of them moves `latest` at a time."""
    (root / realm).mkdir(parents=True, exist_ok=True)
    return FileLock(root / realm / ".latest.lock")


def _pointer(root: Path, realm: str) -> dict[str, Any] | None:
    file = _latest(root, realm)
    if not file.exists():
        return None
    pointer: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return pointer


def _latest(root: Path, realm: str) -> Path:
    return root / realm / "latest.json"

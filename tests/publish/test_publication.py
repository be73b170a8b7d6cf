"""A night publishes whole or refuses, and `latest` only ever moves, in one step, from one whole one to another."""

from __future__ import annotations

import datetime as dt
import json
import threading
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from nightdesk.errors import NothingThere
from nightdesk.publish.publication import (
    PUBLISHED,
    REFUSED,
    STALE,
    Publication,
    Recommended,
    latest,
    mark_stale,
    publish,
    published_nights,
)

DAYS = [dt.date(2024, 1, day) for day in range(2, 12)]
SERVED = [{"horizon": 5, "model": "ridge", "content": "c1", "skill": "unproven", "since": DAYS[0]}]


def ranking_of(day: dt.date) -> pl.DataFrame:
    columns = {"horizon": 5, "rank": [1, 2], "symbol": ["AAA", "É"], "score": [float(day.day), None]}
    return pl.DataFrame(columns).with_columns(percentile=0.5, close=1.0, model=pl.lit("ridge"))


def recommended_of(day: dt.date) -> Recommended:
    rows = ranking_of(day).with_columns(action=pl.lit("hold"), reasons=pl.lit(["hold: no edge"], pl.List(pl.String)))
    return Recommended(rows, (f"nothing is a buy on {day}",))


def put(root: Path, day: dt.date, *reasons: str, realm: str = "live") -> Publication:
    return publish(root, realm, day, ranking_of(day), SERVED, reasons, recommended_of(day))


def pointer(root: Path, realm: str = "live") -> tuple[dt.date, str, str]:
    now = latest(root, realm)
    return now.as_of, now.status, now.reason


def status_file(root: Path, day: dt.date) -> dict[str, object]:
    return json.loads((root / "live" / str(day) / "status.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@pytest.fixture
def looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[dt.date, str]]:
    """What a reader sees of realm `live` before and after each rename that publishing makes."""
    seen: list[tuple[dt.date, str]] = []
    rename = Path.replace

    def look() -> None:
        if (tmp_path / "live" / "latest.json").exists():
            now = latest(tmp_path, "live")
            assert_frame_equal(now.ranking(), ranking_of(now.as_of))
            document = json.loads((now.folder / "ranking.json").read_text(encoding="utf-8"))
            assert document["as_of"] == str(now.as_of)
            assert_frame_equal(now.recommendations(), recommended_of(now.as_of).rows)
            assert now.notes() == recommended_of(now.as_of).notes
            seen.append((now.as_of, now.status))

    def watched(self: Path, target: Path) -> Path:
        look()
        renamed = rename(self, target)
        look()
        return renamed

    monkeypatch.setattr(Path, "replace", watched)
    return seen


def test_nothing_is_there_before_the_first_publication(tmp_path: Path) -> None:
    with pytest.raises(NothingThere, match="none in realm 'live': run nightdesk nightly"):
        latest(tmp_path, "live")
    mark_stale(tmp_path, "live", DAYS[0], "the night has begun")
    put(tmp_path, DAYS[0], "no model")
    with pytest.raises(NothingThere):
        latest(tmp_path, "live")


def test_a_published_night_is_what_latest_names(tmp_path: Path) -> None:
    publication = put(tmp_path, DAYS[0])
    assert (publication.status, publication.rows, publication.reasons) == (PUBLISHED, 2, ())
    now = latest(tmp_path, "live")
    assert (now.as_of, now.status, now.reason) == (DAYS[0], PUBLISHED, "")
    assert now.folder == tmp_path / publication.folder
    assert_frame_equal(now.ranking(), ranking_of(DAYS[0]))
    assert status_file(tmp_path, DAYS[0])["status"] == PUBLISHED


def test_the_document_says_who_is_served_and_that_it_is_no_advice(tmp_path: Path) -> None:
    folder = tmp_path / put(tmp_path, DAYS[0]).folder
    document = json.loads((folder / "ranking.json").read_text(encoding="utf-8"))
    assert document["served"] == [{**SERVED[0], "since": str(DAYS[0])}]
    assert document["ranking"] == ranking_of(DAYS[0]).to_dicts()
    assert document["disclaimer"].startswith("Research, not advice.")


def test_recommendations_stand_beside_the_ranking_and_name_the_folder_too(tmp_path: Path) -> None:
    folder = tmp_path / put(tmp_path, DAYS[0]).folder
    assert_frame_equal(latest(tmp_path, "live").recommendations(), recommended_of(DAYS[0]).rows)
    document = json.loads((folder / "recommendations.json").read_text(encoding="utf-8"))
    assert document["recommendations"] == recommended_of(DAYS[0]).rows.to_dicts()
    assert document["notes"] == ["nothing is a buy on 2024-01-02"]
    assert document["disclaimer"].startswith("Research, not advice")
    other = Recommended(recommended_of(DAYS[0]).rows, ("another note",))
    again = publish(tmp_path, "live", DAYS[0], ranking_of(DAYS[0]), SERVED, (), other)
    assert tmp_path / again.folder != folder
    assert latest(tmp_path, "live").notes() == ("another note",)
    assert folder.exists()


def test_a_night_from_before_there_were_recommendations_says_so(tmp_path: Path) -> None:
    publish(tmp_path, "live", DAYS[0], ranking_of(DAYS[0]), SERVED, ())
    for read in (latest(tmp_path, "live").recommendations, latest(tmp_path, "live").notes):
        with pytest.raises(NothingThere, match="must have been published with the night, got none of 2024-01-02"):
            read()


def test_published_nights_are_read_in_order_without_those_refused(tmp_path: Path) -> None:
    for day in (DAYS[3], DAYS[0], DAYS[1]):
        put(tmp_path, day)
    put(tmp_path, DAYS[2], "refused")
    put(tmp_path, DAYS[2], realm="replay")
    found = published_nights(tmp_path, "live", DAYS[1], DAYS[9])
    assert [one.as_of for one in found] == [DAYS[1], DAYS[3]]
    assert_frame_equal(found[1].ranking(), ranking_of(DAYS[3]))
    assert published_nights(tmp_path, "nowhere", DAYS[0], DAYS[9]) == []


def test_a_refused_night_keeps_the_last_good_one_marked_stale(tmp_path: Path) -> None:
    put(tmp_path, DAYS[0])
    refused = put(tmp_path, DAYS[1], "no model is served at horizon 20", "too few bars")
    assert refused.status == REFUSED
    assert not (tmp_path / refused.folder).exists()
    told = "the night of 2024-01-03 was refused: no model is served at horizon 20; too few bars"
    assert pointer(tmp_path) == (DAYS[0], STALE, told)
    assert_frame_equal(latest(tmp_path, "live").ranking(), ranking_of(DAYS[0]))
    assert status_file(tmp_path, DAYS[1])["reasons"] == ["no model is served at horizon 20", "too few bars"]


@pytest.mark.parametrize("nothing", [ranking_of(DAYS[1]).clear(), pl.DataFrame()])
def test_a_night_with_nothing_to_rank_is_refused(tmp_path: Path, nothing: pl.DataFrame) -> None:
    put(tmp_path, DAYS[0])
    assert publish(tmp_path, "live", DAYS[1], nothing, SERVED, ()).status == REFUSED
    assert pointer(tmp_path) == (DAYS[0], STALE, "the night of 2024-01-03 was refused: nothing to rank")


def test_what_was_stale_is_followed_by_the_next_published_night(tmp_path: Path) -> None:
    put(tmp_path, DAYS[0])
    mark_stale(tmp_path, "live", DAYS[1], "the night has begun")
    assert pointer(tmp_path) == (DAYS[0], STALE, "the night has begun")
    put(tmp_path, DAYS[1])
    assert pointer(tmp_path) == (DAYS[1], PUBLISHED, "")


def test_a_night_does_not_make_itself_or_a_newer_one_stale(tmp_path: Path) -> None:
    put(tmp_path, DAYS[1])
    mark_stale(tmp_path, "live", DAYS[0], "an older night has begun")
    mark_stale(tmp_path, "live", DAYS[1], "the same night has begun")
    put(tmp_path, DAYS[0], "an older night is refused")
    assert pointer(tmp_path) == (DAYS[1], PUBLISHED, "")


def test_latest_never_moves_back(tmp_path: Path) -> None:
    put(tmp_path, DAYS[1])
    older = put(tmp_path, DAYS[0])
    assert pointer(tmp_path)[0] == DAYS[1]
    assert older.status == PUBLISHED
    assert_frame_equal(pl.read_parquet(tmp_path / older.folder / "ranking.parquet"), ranking_of(DAYS[0]))


def test_publishing_again_changes_nothing(tmp_path: Path) -> None:
    first = put(tmp_path, DAYS[0])
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert put(tmp_path, DAYS[0]) == first
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def test_a_stale_night_published_again_stays_stale(tmp_path: Path) -> None:
    put(tmp_path, DAYS[0])
    mark_stale(tmp_path, "live", DAYS[1], "the night of 2024-01-03 has begun")
    put(tmp_path, DAYS[0])
    assert pointer(tmp_path) == (DAYS[0], STALE, "the night of 2024-01-03 has begun")


def test_realms_are_apart(tmp_path: Path) -> None:
    put(tmp_path, DAYS[0])
    put(tmp_path, DAYS[3], realm="replay")
    mark_stale(tmp_path, "replay", DAYS[4], "begun")
    assert pointer(tmp_path) == (DAYS[0], PUBLISHED, "")
    assert pointer(tmp_path, "replay") == (DAYS[3], STALE, "begun")


def test_a_moved_home_is_read_where_it_lies_now(tmp_path: Path) -> None:
    put(tmp_path / "old", DAYS[0])
    (tmp_path / "old").rename(tmp_path / "new")
    assert_frame_equal(latest(tmp_path / "new", "live").ranking(), ranking_of(DAYS[0]))


def test_a_reader_sees_a_whole_publication_around_every_rename(
    tmp_path: Path, looks: list[tuple[dt.date, str]]
) -> None:
    put(tmp_path, DAYS[0])
    mark_stale(tmp_path, "live", DAYS[1], "begun")
    put(tmp_path, DAYS[1])
    put(tmp_path, DAYS[2], "refused")
    steps = list(dict.fromkeys(looks))
    assert steps == [(DAYS[0], PUBLISHED), (DAYS[0], STALE), (DAYS[1], PUBLISHED), (DAYS[1], STALE)]
    assert len(looks) > 8


def test_a_write_that_fails_leaves_latest_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, DAYS[0])

    def full(self: Path, target: Path) -> Path:
        raise OSError(f"no space for {target.name} beside {self.name}")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match=r"no space for ranking\.parquet"):
        put(tmp_path, DAYS[1])
    monkeypatch.undo()
    assert pointer(tmp_path) == (DAYS[0], PUBLISHED, "")
    assert not [file for file in (tmp_path / "live" / str(DAYS[1])).rglob("*") if file.is_file()]


def test_nights_that_publish_at_once_leave_the_newest(tmp_path: Path) -> None:
    start = threading.Barrier(len(DAYS))
    seen: list[dt.date] = []

    def night(day: dt.date) -> None:
        start.wait()
        put(tmp_path, day)
        seen.append(latest(tmp_path, "live").as_of)

    nights = [threading.Thread(target=night, args=(day,)) for day in DAYS]
    for one in nights:
        one.start()
    for one in nights:
        one.join(timeout=60)
    assert len(seen) == len(DAYS)
    assert pointer(tmp_path) == (DAYS[-1], PUBLISHED, "")

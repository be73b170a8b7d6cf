"""Features chosen by settings: groups, windows, single ones; and the catalogue of all of them."""

import re
from pathlib import Path

import pytest

from nightdesk.errors import BadSetting, UnknownName
from nightdesk.features import registered
from nightdesk.features.catalogue import catalogue
from nightdesk.features.cross_section import METHODS
from nightdesk.features.matrix import version_of
from nightdesk.features.selection import NIGHTLY, Choice, choose, groups
from nightdesk.features.stages import every_feature, time_series
from nightdesk.operations.features import chosen_features
from nightdesk.settings import FeatureSettings, MarketSettings, Settings, SourceSettings, TrainingSettings

PAGE = Path(__file__).parents[2] / "infra" / "features.md"


def names(**choice: tuple[str | int, ...]) -> list[str]:
    return [feature.name for feature in choose(Choice(**choice))]


def test_a_night_builds_the_usual_twenty_in_registry_order() -> None:
    found = [feature.name for feature in chosen_features(Settings())]
    assert found == [name for name in registered() if name in NIGHTLY]
    assert len(found) == 20


def test_every_feature_is_in_all_and_in_its_group() -> None:
    found = groups()
    assert list(found["all"]) == list(time_series())
    assert all(name in found[feature.group] for name, feature in time_series().items())


def test_groups_are_switched_on() -> None:
    found = names(groups=("volume", "bars"))
    assert found == [name for name, feature in registered().items() if feature.group in ("volume", "bars")]
    assert [feature.name for feature in choose(Choice(groups=("all",)), bar_minutes=5)] == list(time_series())


def test_windows_are_switched_on() -> None:
    found = names(groups=("nightly",), windows=(20,))
    assert {"return_20", "sma_gap_20", "volume_ratio_20", "gap_open"} <= set(found)  # one without a window stays
    assert not {"return_60", "rsi_14", "macd_histogram", "momentum_252_21"} & set(found)
    assert "momentum_252_21" in names(windows=(252,))


def test_single_ones_are_added_and_left_out() -> None:
    found = names(groups=("bars",), add=("rsi_14",), leave_out=("gap_open",))
    assert "rsi_14" in found
    assert "gap_open" not in found
    assert "rsi_14" not in names(groups=("nightly",), leave_out=("oscillators",))
    assert names(groups=(), add=("rsi_14", "return_1")) == ["return_1", "rsi_14"]
    assert "rsi_14" not in names(add=("rsi_14",), leave_out=("rsi_14",))


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"groups": ("trendy",)}, r"features.groups must be one of .* got 'trendy': choose .*trend"),
        ({"add": ("rsi_41",)}, r"features.add must be one of .* got 'rsi_41': choose .*rsi_14"),
        ({"leave_out": ("volumes",)}, r"features.leave_out must be one of .* got 'volumes': choose .*volume"),
        ({"windows": (20, 21_000)}, "features.windows must be that of a feature, got 21000: choose of .*252"),
    ],
)
def test_a_wrong_name_is_told_with_known_ones(choice: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(UnknownName, match=message) as refused:
        choose(Choice(**choice))
    assert "\n" not in str(refused.value)


def test_nothing_left_is_refused() -> None:
    with pytest.raises(BadSetting, match="features must leave at least one, got none of groups bars"):
        choose(Choice(groups=("bars",), leave_out=("bars",)))


def test_what_baselines_and_recipes_need_must_be_chosen() -> None:
    fewer = Settings(features=FeatureSettings(leave_out=("reversal_5",)))
    with pytest.raises(BadSetting, match=r"by which linear ranks or fits, got none called reversal_5: name them in"):
        chosen_features(fewer)
    unknown = Settings(training=TrainingSettings(recipes=("forest",)))
    assert chosen_features(unknown) == chosen_features(Settings())  # its own fit fails, and the night goes on


HOURLY = Choice(groups=("bars", "intraday"))


def test_features_of_sessions_are_built_where_bars_are_shorter_than_a_day() -> None:
    ours = {name for name, feature in time_series().items() if feature.group == "intraday"}
    of_hours = {name for name in ours if name.startswith("hour_")}
    assert 0 < len(of_hours) < len(ours)
    everything = Choice(groups=("all",), cross_sections=("rank",))
    daily, of_minutes = ({one.name for one in choose(everything, bar_minutes=length)} for length in (None, 30))
    assert of_minutes - daily == {*ours, *(f"{name}_rank" for name in ours)}
    assert {one.name for one in choose(HOURLY, bar_minutes=59)} >= ours
    assert {one.name for one in choose(HOURLY, bar_minutes=60)} & ours == ours - of_hours


@pytest.mark.parametrize(
    ("choice", "minutes", "message"),
    [
        (HOURLY, None, r"groups must name .* got intraday of bars that are daily: set bar_minutes .* leave the group"),
        (Choice(add=("session_vwap_gap",)), None, r"add must name .* got session_vwap_gap of bars that are daily: set"),
        (
            Choice(add=("hour_first_return_rank", "first_bar_return")),
            60,
            r"add must name .* got hour_first_return_rank of bars that are 60 minutes long: set bar_minutes .* shorter",
        ),
    ],
)
def test_features_that_the_bars_do_not_give_are_refused(choice: Choice, minutes: int | None, message: str) -> None:
    with pytest.raises(BadSetting, match=message):
        choose(choice, bar_minutes=minutes)


def test_bars_of_every_market_must_give_them(tmp_path: Path) -> None:
    options = {"folder": tmp_path, "bar_minutes": 30}
    hours = SourceSettings(name="files", options=options)
    wanted = FeatureSettings(groups=("nightly", "intraday"))
    names_of = {one.name for one in chosen_features(Settings(features=wanted, source=hours))}
    assert {"hour_variance_ratio_20", "realized_volatility_5"} <= names_of
    minutes = MarketSettings(name="minutes", source="files", options={**options, "bar_minutes": 60})
    fewer = {one.name for one in chosen_features(Settings(features=wanted, source=hours, markets=(minutes,)))}
    assert names_of - fewer == {name for name in names_of if name.startswith("hour_")}
    daily = MarketSettings(name="daily", source="synthetic")
    with pytest.raises(BadSetting, match="got intraday of bars that are daily"):
        chosen_features(Settings(features=wanted, source=hours, markets=(minutes, daily)))


def test_on_bars_adjusted_later_only_scale_free_features_are_built() -> None:
    revealing = [name for name, one in time_series().items() if not one.scale_free]
    assert "CORR5" in revealing
    relative = Choice(groups=("all",), cross_sections=("rank",))
    kept = {one.name for one in choose(relative, adjusted_later=True)}
    assert {one.name for one in choose(relative)} - kept == {*revealing, *(f"{name}_rank" for name in revealing)}
    with pytest.raises(BadSetting, match=r"features.add must name scale-free features .* got CORR5_rank: a split"):
        choose(Choice(add=("CORR5_rank",)), adjusted_later=True)
    everything = FeatureSettings(groups=("all",))
    raw = Settings(features=everything, source=SourceSettings(name="synthetic"))
    assert {one.name for one in chosen_features(raw)} - {
        one.name for one in chosen_features(Settings(features=everything))
    } == {*revealing}


def test_a_version_is_that_of_what_is_chosen() -> None:
    usual = version_of(choose(Choice()))
    assert version_of(choose(Choice(groups=(), add=NIGHTLY))) == usual
    assert version_of(reversed(choose(Choice()))) == usual
    assert version_of(choose(Choice(leave_out=("rsi_14",)))) != usual


def test_cross_sections_come_beside_what_is_chosen_and_one_by_one() -> None:
    found = names(groups=("bars",), cross_sections=("rank", "sector_neutral"), leave_out=("gap_open_rank",))
    expected = ["gap_open", "range_position", "range_position_rank", "gap_open_sector_neutral"]
    assert [name for name in found if name in {*expected, "gap_open_rank", "gap_open_z_score"}] == expected
    assert names(groups=(), add=("week_return_4_z_score",)) == ["week_return_4_z_score"]
    with pytest.raises(UnknownName, match=r"features.cross_sections must be one of 3 known ones, got 'ranks': choose"):
        choose(Choice(cross_sections=("ranks",)))


def test_every_feature_has_each_cross_section() -> None:
    assert len(every_feature()) == len(time_series()) * (1 + len(METHODS))
    contents = [feature.content for feature in every_feature().values()]
    assert len(set(contents)) == len(contents)


def test_the_catalogue_page_is_current() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == catalogue(time_series().values()), "run: nightdesk features --catalogue infra/features.md"


def test_the_catalogue_has_every_feature_once() -> None:
    rows = re.findall(r"^\| `((?!NAME_)\w+)` \|", catalogue(time_series().values()), re.MULTILINE)
    assert sorted(rows) == sorted(time_series())

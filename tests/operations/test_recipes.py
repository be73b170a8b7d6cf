"""Which recipes a training fits: those that are named, and tuned ones as long as they are wanted."""

from __future__ import annotations

from dataclasses import dataclass

from nightdesk.operations.recipes import NEEDED, recipes_to_fit


@dataclass(frozen=True)
class Searched:
    """What a search came to."""

    recipe: str
    horizon: int
    fitted: str | None


NAMED = ("ridge", "lightgbm")
OLD = Searched("ridge", 5, "ridge@tuned-00000001")


def test_without_searches_those_that_are_named_are_fitted_once() -> None:
    assert recipes_to_fit(("ridge", "lightgbm", "ridge"), (), 5) == NAMED


def test_a_winner_stays_until_a_newer_search_finds_another_and_at_its_own_horizon_only() -> None:
    in_vain, newer = Searched("ridge", 5, None), Searched("ridge", 5, "ridge@tuned-00000002")
    assert recipes_to_fit(NAMED, [OLD], 5) == (*NAMED, OLD.fitted)
    assert recipes_to_fit(NAMED, [in_vain, OLD], 5) == (*NAMED, OLD.fitted)
    assert recipes_to_fit(NAMED, [newer, in_vain, OLD], 5) == (*NAMED, newer.fitted)
    assert recipes_to_fit(NAMED, [Searched("ridge", 20, "ridge@tuned-00000002"), OLD], 5) == (*NAMED, OLD.fitted)
    assert recipes_to_fit(NAMED, [OLD], 20) == NAMED


def test_a_winner_goes_with_its_recipe_and_is_not_fitted_twice() -> None:
    assert recipes_to_fit(("lightgbm",), [OLD], 5) == ("lightgbm",)
    assert recipes_to_fit(("ridge", OLD.fitted), [OLD], 5) == ("ridge", OLD.fitted)


def test_who_serves_and_who_is_weighed_is_fitted_whatever_was_found_since() -> None:
    served, newer = "ridge@tuned-00000009", Searched("ridge", 5, "ridge@tuned-00000002")
    assert recipes_to_fit(NAMED, [newer], 5, [served, "voter", newer.fitted]) == (*NAMED, newer.fitted, served)
    many = [f"ridge@tuned-0000001{number}" for number in range(9)]
    assert recipes_to_fit(NAMED, [], 5, many) == (*NAMED, *many[:NEEDED])

"""Who should be served: every branch of the gate, and its reasons in words."""

from __future__ import annotations

import pytest

from nightdesk.promotion.gate import Choice, Fit, choose

RIDGE, TREES = Fit("ridge", "recipe-r", 0.02, None), Fit("lightgbm", "recipe-t", 0.03, None)


def broken(fit: Fit) -> Fit:
    return Fit(fit.model, fit.recipe, fit.rank_ic, "scores must be finite")


def test_with_nobody_served_the_highest_rank_ic_serves_as_unproven() -> None:
    choice = choose(None, None, [RIDGE, TREES])
    assert (choice.action, choice.model) == ("serve", "lightgbm")
    assert choice.reasons == (
        "nobody was served; of 2 fits lightgbm has the highest walk-forward rank IC (+0.0300)",
        "chosen by backtest, so its skill is unproven",
    )


def test_a_broken_fit_is_never_the_first_to_serve() -> None:
    choice = choose(None, None, [RIDGE, broken(TREES)])
    assert (choice.action, choice.model) == ("serve", "ridge")
    assert choice.reasons[0].startswith("nobody was served; of 1 fits ridge has")
    assert choice.reasons[-1] == "lightgbm may not serve: scores must be finite"


@pytest.mark.parametrize("rank_ic", [-0.5, 0.0])
def test_an_undefined_rank_ic_comes_after_every_defined_one(rank_ic: float) -> None:
    undefined, defined = Fit("aaa", "a", None, None), Fit("bbb", "b", rank_ic, None)
    assert choose(None, None, [undefined, defined]).model == "bbb"
    alone = choose(None, None, [undefined])
    assert alone.model == "aaa"
    assert "rank IC (undefined)" in alone.reasons[0]


def test_equal_rank_ics_are_decided_by_name_not_by_order() -> None:
    twins = [Fit("b", "2", 0.01, None), Fit("a", "1", 0.01, None)]
    assert choose(None, None, twins).model == choose(None, None, twins[::-1]).model == "a"


def test_a_tuned_recipe_is_the_first_to_serve_only_where_nothing_else_is_sound() -> None:
    # The days of the walk-forward chose its parameters: there it wins too easily.
    tuned = Fit("ridge@tuned-12345678", "recipe-s", 0.09, None)
    assert choose(None, None, [RIDGE, tuned, TREES]).model == "lightgbm"
    assert choose(None, None, [broken(RIDGE), tuned]).model == "ridge@tuned-12345678"


def test_with_nobody_served_and_no_sound_fit_the_gate_refuses() -> None:
    refused = Choice("refuse", None, ("ridge may not serve: scores must be finite",))
    assert choose(None, None, [broken(RIDGE)]) == refused
    assert choose(None, None, []) == Choice("refuse", None, ("no model was fitted",))


def test_the_served_recipe_is_refreshed_however_good_another_looks() -> None:
    better = Fit("lightgbm", "recipe-t", 0.9, None)
    choice = choose("ridge", "recipe-r", [better, RIDGE])
    assert choice == Choice("refresh", "ridge", ("the served recipe, ridge, fitted on newer data",))


def test_a_refresh_tells_the_faults_of_the_others() -> None:
    choice = choose("ridge", "recipe-r", [RIDGE, broken(TREES)])
    assert (choice.action, choice.model) == ("refresh", "ridge")
    assert "lightgbm may not serve: scores must be finite" in choice.reasons


def test_a_broken_refresh_is_refused_and_the_former_fit_stays() -> None:
    choice = choose("ridge", "recipe-r", [broken(RIDGE), TREES])
    assert (choice.action, choice.model) == ("refuse", None)
    assert choice.reasons == ("ridge may not serve: scores must be finite", "the former fit of ridge stays")


@pytest.mark.parametrize("recipe", ["recipe-r", None])
def test_a_recipe_that_was_not_fitted_is_kept_and_never_replaced_by_backtest(recipe: str | None) -> None:
    choice = choose("ridge", recipe, [Fit("lightgbm", "recipe-t", 0.9, None)])
    assert (choice.action, choice.model) == ("keep", None)
    assert choice.reasons == (
        "the recipe of ridge was not fitted tonight, and another one needs evidence to replace it",
    )
    assert choose("ridge", recipe, []).action == "keep"


def test_a_changed_recipe_of_the_same_name_is_another_recipe() -> None:
    assert choose("ridge", "recipe-r", [Fit("ridge", "recipe-changed", 0.9, None)]).action == "keep"

"""Whether to train tonight, and the searches and fits if so."""

from __future__ import annotations

from nightdesk.monitoring.findings import Watched
from nightdesk.monitoring.retraining import TrainingDecision, decide_training
from nightdesk.operations.assembling import examine_ensemble
from nightdesk.operations.night import Night
from nightdesk.operations.panel import first_day
from nightdesk.operations.searches import STAGE, Found, search_recipe
from nightdesk.operations.served_features import outdated_features
from nightdesk.operations.training import Tested, examine_baselines, examine_recipe
from nightdesk.operations.tuning import Profile
from nightdesk.store.decisions import last_trained
from nightdesk.store.features import FeatureTable
from nightdesk.store.refs import FrameRef
from tasks.stage import stage


@stage("decide-training")
def decide(night: Night, bars: FrameRef, watched: Watched) -> TrainingDecision:
    """Decide whether tonight trains, and why."""
    trained = last_trained(night.engine, night.realm, night.as_of, night.settings.horizons)
    days = night.days(first_day(night, bars.read()))
    outdated = outdated_features(night)
    return decide_training(night.mode, trained, days, night.settings.training.retrain_after, outdated, watched.alarms)


@stage(STAGE)
def tune(
    night: Night, table: FeatureTable, bars: FrameRef, recipe: str, horizons: tuple[int, ...], profile: Profile
) -> tuple[Found, ...]:
    """Tune one recipe at these horizons; its own task, so that a search that fails fails alone."""
    return search_recipe(night, table, bars.read(), recipe, horizons, profile)


@stage("fit")
def fit(night: Night, table: FeatureTable, bars: FrameRef, recipe: str, horizon: int) -> Tested:
    """Fit and test one recipe at one horizon; its own task, so that one that fails fails alone."""
    return examine_recipe(night, table, bars.read(), recipe, horizon)


@stage("assemble")
def assemble(night: Night, table: FeatureTable, bars: FrameRef, fitted: tuple[Tested, ...], horizon: int) -> Tested:
    """Weigh tonight's fits together as one more model, at one horizon."""
    return examine_ensemble(night, table, bars.read(), fitted, horizon)


@stage("baselines")
def baselines(night: Night, table: FeatureTable, bars: FrameRef, horizon: int) -> tuple[Tested, ...]:
    """Test every baseline at one horizon."""
    return examine_baselines(night, table, bars.read(), horizon)

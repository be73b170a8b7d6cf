"""What `nightdesk audit` looks at: registered features, or the features and pipelines of a user's own file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nightdesk.errors import BadInput, UnknownName
from nightdesk.evaluation.audit import Leak, audit
from nightdesk.evaluation.feature_audit import FeatureLeak, audit_features
from nightdesk.evaluation.pipeline import Step
from nightdesk.features.cross_section import METHODS, CrossSection
from nightdesk.features.indicator import Indicator
from nightdesk.features.periods import PeriodFeature
from nightdesk.features.stages import Feature, every_feature, time_series


@dataclass(frozen=True)
class Audited:
    """What was audited, and what looks ahead."""

    features: tuple[str, ...]
    pipelines: tuple[str, ...]
    leaks: tuple[Leak | FeatureLeak, ...]


def audit_registered(names: Sequence[str]) -> Audited:
    """Audit the registered features called `names`; where none are named all, and of each cross-section one.

    Raises UnknownName for a name that is not registered.
    """
    known = every_feature()
    for name in names:
        if name not in known:
            raise UnknownName.among("feature", name, known)
    own = list(time_series().values())
    chosen = [known[name] for name in names] or [*own, *(CrossSection(own[0], method) for method in METHODS)]
    return Audited(tuple(one.name for one in chosen), (), tuple(audit_features(chosen)))


def audit_module(path: Path) -> Audited:
    """Audit every feature and every pipeline that the Python file at `path` holds at its top.

    A feature is an Indicator, PeriodFeature or CrossSection, by itself or in a list, tuple or dict; a pipeline is a
    list or tuple of steps (evaluation.pipeline.Step). The file is run, as an import would.

    Raises BadInput where the file cannot be read as a module, or holds neither.
    """
    held = _module_of(path)
    features: dict[str, Feature] = {}
    pipelines: dict[str, list[Step]] = {}
    for name, value in held.items():
        members = list(value.values()) if isinstance(value, dict) else value
        for one in _each(members):
            if isinstance(one, Indicator | PeriodFeature | CrossSection):
                features[one.name] = one
        if isinstance(value, list | tuple) and value and all(_is_step(one) for one in value):
            pipelines[name] = list(value)
    if not features and not pipelines:
        raise BadInput(
            f"--module must hold a feature or a list of steps, got none in {path}: see infra/operations/features.md"
        )
    found: list[Leak | FeatureLeak] = list(audit_features(list(features.values())))
    for steps in pipelines.values():
        found += audit(steps)
    return Audited(tuple(features), tuple(pipelines), tuple(found))


def _module_of(path: Path) -> dict[str, object]:
    if not path.is_file() or path.suffix != ".py":
        raise BadInput(f"--module must name a Python file, got {path}: name one that ends in .py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"--module must be a Python module, got {path}: it cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    # As after an import: dataclasses and the reading of sources look there.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (ImportError, NameError, SyntaxError) as error:
        raise BadInput(f"--module must be a module that can be imported, got {path}: {error}") from None
    return {name: value for name, value in vars(module).items() if not name.startswith("__")}


def _each(value: object) -> Iterable[object]:
    return value if isinstance(value, list | tuple) else (value,)


def _is_step(one: object) -> bool:
    return isinstance(one, Step) and not isinstance(one, type)

"""The folder of all state: which file lies where, and where store and tracking are unless settings say otherwise."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below the home folder."""

    root: Path

    @property
    def store_url(self) -> str:
        """SQLAlchemy URL of the embedded store."""
        return f"sqlite:///{self.root / 'store.db'}"

    @property
    def tracking_uri(self) -> str:
        """MLflow's URI of the embedded tracking store and registry."""
        return f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def artifacts(self) -> str:
        """Where the embedded MLflow keeps artifacts."""
        return (self.root / "artifacts").as_uri()

    @property
    def shown(self) -> str:
        """Where the embedded MLflow keeps pages that its server shows."""
        return (self.root / "shown").as_uri()

    @property
    def locks(self) -> Path:
        """Locks of nights."""
        return self.root / "locks"

    @property
    def features(self) -> Path:
        """The feature store."""
        return self.root / "features"

    @property
    def published(self) -> Path:
        """Publications, by realm and night."""
        return self.root / "published"

    @property
    def prefect(self) -> Path:
        """Prefect's own home."""
        return self.root / "prefect"

    @property
    def recipes(self) -> Path:
        """Tuned recipes, a file each."""
        return self.root / "recipes"

    def study(self, name: str) -> Path:
        """The journal of a study, whatever signs its name has."""
        return self.root / "tuning" / f"{quote(name, safe='')}.journal"

    def scratch(self, realm: str, as_of: dt.date) -> Path:
        """Files of a night that is under way; gone when it is done."""
        return self.root / "scratch" / realm / str(as_of)

    def evaluations(self, realm: str, as_of: dt.date) -> Path:
        """Daily walk-forward results of a night that trained."""
        return self.root / "evaluations" / realm / str(as_of)

    def report(self, realm: str, as_of: dt.date) -> Path:
        """The morning report of a night."""
        return self.root / "reports" / realm / f"{as_of}.html"

    def quality(self, realm: str, as_of: dt.date) -> Path:
        """The quality pages of a night, one a table."""
        return self.root / "reports" / realm / "quality" / str(as_of)

    def feature_study(self, kind: str) -> Path:
        """The picture of all chosen features together, of one kind."""
        return self.root / "reports" / "features" / f"{kind}.svg"

    def explanation(self, realm: str, as_of: dt.date, horizon: int) -> Path:
        """The picture of why the served model ranked as it did."""
        return self.root / "reports" / realm / "explanations" / f"{as_of}-h{horizon}.svg"

    def evaluation_page(self, name: str, horizon: int, as_of: dt.date) -> Path:
        """The page of an evaluation, whatever signs the model's name has."""
        return self.root / "reports" / "evaluations" / f"{quote(name, safe='')}-h{horizon}-{as_of}.html"

    def comparison_page(self, as_of: dt.date, horizons: Sequence[int]) -> Path:
        """The page of a comparison of recipes with all baselines."""
        named = "".join(f"-h{horizon}" for horizon in horizons)
        return self.root / "reports" / "evaluations" / f"comparison{named}-{as_of}.html"

    def feature_picture(self, feature: str, symbol: str) -> Path:
        """The picture of a feature of one symbol, whatever signs the symbol has."""
        return self.root / "reports" / "features" / f"{feature}-{quote(symbol, safe='')}.svg"

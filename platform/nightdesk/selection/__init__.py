"""Selection of features, fitted on training rows alone: transformers as scikit-learn has them, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from nightdesk.errors import UnknownName
from nightdesk.selection.principal_components import PrincipalComponents
from nightdesk.selection.selector import Selector
from nightdesk.selection.vote import VOTERS, Vote

VOTE: Final = "vote"
COMPONENTS: Final = "pca"
JOINED: Final = "+"
"""Between methods that vote: `lasso+boruta+f_score`."""

METHODS: Final[Mapping[str, Callable[..., Selector | PrincipalComponents]]] = {
    **VOTERS,
    COMPONENTS: PrincipalComponents,
    VOTE: Vote,
}


def selection(method: str, keep: int, votes: int = 3, seed: int = 0) -> Selector | PrincipalComponents:
    """The transformer of `method`, or the vote among methods joined by a plus sign, not fitted yet.

    `keep` is how many features, or components, stay at most; `votes` how many of the voters a feature needs, where
    there is a vote. Raises UnknownName for a method that there is not.
    """
    if JOINED in method:
        return Vote(keep, methods=tuple(method.split(JOINED)), at_least=votes, random_state=seed)
    if method not in METHODS:
        raise UnknownName.among("method of selection", method, METHODS)
    if method == VOTE:
        return Vote(keep, at_least=votes, random_state=seed)
    return METHODS[method](keep, random_state=seed)

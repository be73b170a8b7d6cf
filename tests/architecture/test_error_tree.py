"""The error tree: each leaf knows whether a retry may help, and the drawing shows exactly what there is."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
from source_files import OWN_CODE, python_files, tree

from nightdesk import errors
from nightdesk.errors import NightdeskError, PermanentError, TransientError, is_transient

CLASSES = {name: one for name, one in inspect.getmembers(errors, inspect.isclass) if one.__module__ == errors.__name__}
LEAVES = [one for one in CLASSES.values() if not one.__subclasses__()]


def drawn() -> dict[str, str]:
    """Each class of the drawing in errors.py, with its parent there."""
    parents, line_of_descent = {}, ["NightdeskError"]
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"([│ ]*)[├└]── (\w+)", line)
        if found:
            depth = len(found[1]) // 4 + 1
            del line_of_descent[depth:]
            parents[found[2]] = line_of_descent[-1]
            line_of_descent.append(found[2])
    return parents


def test_the_drawing_shows_every_class_below_its_parent() -> None:
    below = {name: one.__bases__[0].__name__ for name, one in CLASSES.items() if one is not NightdeskError}
    assert len(below) > 10
    assert drawn() == below


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.__name__)
def test_each_leaf_is_transient_or_permanent_and_says_what_it_is(leaf: type[NightdeskError]) -> None:
    assert issubclass(leaf, TransientError) != issubclass(leaf, PermanentError)
    assert is_transient(leaf("rule, value, cure")) is issubclass(leaf, TransientError)
    assert inspect.getdoc(leaf) != inspect.getdoc(leaf.__bases__[0])


def test_another_librarys_error_is_never_retried() -> None:
    assert not is_transient(ConnectionError("a source must translate this"))


def test_no_class_of_the_tree_is_made_anywhere_else() -> None:
    def made(file: Path) -> list[str]:
        classes = [node for node in ast.walk(tree(file)) if isinstance(node, ast.ClassDef)]
        return [one.name for one in classes if {ast.unparse(base).split(".")[-1] for base in one.bases} & set(CLASSES)]

    assert [file.name for file in python_files(*OWN_CODE) if made(file)] == ["errors.py"]

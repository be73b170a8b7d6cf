"""No data becomes code: nothing is unpickled, evaluated, read as YAML with tags, or given to a shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from source_files import OWN_CODE, ROOT, called, packages, python_files, tree

UNPICKLERS = {"pickle", "cPickle", "joblib", "cloudpickle", "dill", "shelve", "marshal"}

RUN_TEXT = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "yaml.load_all"),
    *("yaml.unsafe_load", "yaml.full_load", "pd.read_pickle", "pandas.read_pickle", "subprocess.getoutput"),
    *("mlflow.sklearn.load_model", "mlflow.pytorch.load_model", "mlflow.lightgbm.load_model"),
}

SAFE_ONLY_WITH = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
"""Calls that are safe with this argument, and must have it written out."""


def faults(module: ast.Module) -> Iterator[str]:
    yield from sorted(packages(module) & UNPICKLERS)
    yield from sorted(set(called(module)) & RUN_TEXT)
    for node in ast.walk(module):
        if not isinstance(node, ast.Call):
            continue
        given = {word.arg: word.value.value for word in node.keywords if isinstance(word.value, ast.Constant)}
        name = ast.unparse(node.func)
        if given.get("shell"):
            yield f"{name}(shell=True)"
        if given.get("allow_pickle"):
            yield f"{name}(allow_pickle=True)"
        if name in SAFE_ONLY_WITH:
            word, value = SAFE_ONLY_WITH[name]
            if given.get(word) is not value:
                yield f"{name} without {word}={value}"


def test_no_code_of_ours_makes_code_of_data() -> None:
    found = {file.relative_to(ROOT).as_posix(): list(faults(tree(file))) for file in python_files(*OWN_CODE)}
    assert {file: wrong for file, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "def f():\n    from joblib import load",
        "eval(text)",
        "exec(text)",
        "yaml.load(text)",
        "subprocess.run(text, shell=True)",
        "torch.load(file)",
        "torch.load(file, weights_only=False)",
        "np.load(file, allow_pickle=True)",
        "pd.read_pickle(file)",
        "mlflow.sklearn.load_model(uri)",
    ],
)
def test_code_from_data_would_be_seen(code: str) -> None:
    assert list(faults(ast.parse(code)))


@pytest.mark.parametrize("code", ["yaml.safe_load(text)", "torch.load(file, weights_only=True)", "re.compile('x')"])
def test_what_is_safe_is_let_alone(code: str) -> None:
    assert list(faults(ast.parse(code))) == []

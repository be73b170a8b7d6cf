"""SQL text never holds a value: values are bound, and only names of our own schema may stand in a statement."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from source_files import OWN_CODE, ROOT, python_files, tree

STATEMENT = re.compile(
    r"\b(SELECT|INSERT INTO|UPDATE \S+ SET|DELETE FROM|DROP|CREATE (TEMPORARY )?TABLE|CREATE INDEX|ALTER|TRUNCATE|COPY|"
    r"PRAGMA|SET LOCAL|SET TIME|WHERE|ORDER BY|GROUP BY|JOIN|VALUES|FROM \w+ WHERE)\b"
)

OUR_NAMES = {
    # Tables and columns of store/schema.py and tables.py, quoted; and parts of statements made of nothing else.
    "platform/nightdesk/store/bulk.py": {"table.name", "names", "_places(len(alike), len(varying), together)"},
    "platform/nightdesk/store/copying.py": {"table", "names", "select"},
    "platform/nightdesk/store/database.py": {"pragma"},
    "platform/nightdesk/store/differing.py": {
        *("table.name", "name", "columns", "keys", "order", "same", "newest", "compared.day", "KNOWN_AT"),
        *("_SELECT", "_OFFERED", "_ROW", "_differ(compared)"),
    },
}
"""What may stand between the words of a statement, by file."""

RUNS_TEXT = {"text", "exec_driver_sql", "copy", "copy_out", "literal_column", "executemany", "executescript"}
"""Functions that take a statement as text."""

OUR_STATEMENTS = {
    # Statements made of constants and our names, under a name of their own.
    "platform/nightdesk/store/bulk.py": {"text", "insert"},
    "platform/nightdesk/store/database.py": {"_MIGRATING"},
    "platform/nightdesk/store/differing.py": {"_MANY", "query"},
}


def faults(file: str, module: ast.Module) -> Iterator[str]:
    """What in a file puts anything but our own names into a statement, or runs one that came from elsewhere."""
    for node in ast.walk(module):
        if isinstance(node, ast.JoinedStr) and STATEMENT.search(_constant_parts(node)):
            values = {ast.unparse(one.value) for one in node.values if isinstance(one, ast.FormattedValue)}
            yield from (f"{file}:{node.lineno} {value}" for value in sorted(values - OUR_NAMES.get(file, set())))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
            if any(_is_statement(side) for side in (node.left, node.right)):
                yield f"{file}:{node.lineno} {ast.unparse(node)}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            yield from _calls(file, node)


def _calls(file: str, node: ast.Call) -> Iterator[str]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
    if name in ("format", "format_map", "join") and _is_statement(getattr(node.func, "value", node)):
        yield f"{file}:{node.lineno} {ast.unparse(node)}"
    statement = node.args[1] if name == "copy_out" and len(node.args) > 1 else next(iter(node.args), None)
    of_database = isinstance(node.func, ast.Name) or ast.unparse(node.func.value) not in ("shutil", "axes", "copy")
    if name in RUNS_TEXT and of_database and statement is not None:
        sides = [statement.body, statement.orelse] if isinstance(statement, ast.IfExp) else [statement]
        for side in sides:
            if not isinstance(side, ast.Constant | ast.JoinedStr):
                said = ast.unparse(side)
                if said not in OUR_STATEMENTS.get(file, set()):
                    yield f"{file}:{node.lineno} runs {said}"


def _constant_parts(node: ast.JoinedStr) -> str:
    return " ".join(str(one.value) for one in node.values if isinstance(one, ast.Constant))


def _is_statement(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return bool(STATEMENT.search(_constant_parts(node)))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(STATEMENT.search(node.value))


def named(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def test_no_statement_holds_a_value() -> None:
    found = [fault for file in python_files(*OWN_CODE) for fault in faults(named(file), tree(file))]
    assert found == []


def test_the_list_of_names_is_as_short_as_it_can_be() -> None:
    for allowed in (OUR_NAMES, OUR_STATEMENTS):
        for file, names in allowed.items():
            text = ast.unparse(tree(ROOT / file))
            assert [name for name in names if name not in text] == []


@pytest.mark.parametrize(
    "code",
    [
        "connection.exec_driver_sql(f\"DELETE FROM bars WHERE symbol = '{symbol}'\")",
        "connection.execute(sa.text('SELECT * FROM bars WHERE symbol = ' + symbol))",
        "connection.execute(sa.text('SELECT * FROM bars WHERE symbol = %s' % symbol))",
        "connection.execute(sa.text('SELECT * FROM {}'.format(table)))",
        "wanted = f'SELECT * FROM {table}'",
        "connection.execute(sa.text(wanted))",
        "cursor.executemany(statement, rows)",
        "sa.literal_column(given)",
        "query = f'... {given}' + ' ORDER BY x'",
    ],
)
def test_a_value_in_a_statement_would_be_seen(code: str) -> None:
    assert list(faults("platform/nightdesk/store/new.py", ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "connection.execute(sa.text('SELECT * FROM bars WHERE symbol = :symbol'), {'symbol': symbol})",
        "connection.execute(sa.select(bars).where(bars.c.symbol == symbol))",
        "f'the night of {day} failed'",
        "shutil.copy(source, target)",
    ],
)
def test_what_is_bound_is_let_alone(code: str) -> None:
    assert list(faults("platform/nightdesk/store/new.py", ast.parse(code))) == []

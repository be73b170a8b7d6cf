"""A file's bytes as a table of its cells: unpacked, decoded and split; half a file is never taken for a whole one."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import Final

import polars as pl

from nightdesk.errors import SourceBroken

LINE: Final = "__line__"
"""Column of a raw table: the line of a CSV file in which a row ends, or the row of a Parquet file, both from 1."""

MAX_UNPACKED: Final = 4 * 1024**3
"""Bytes that a packed file may unfold to: beyond it, it is taken for one made to fill the memory."""

_PARQUET, _GZIP, _ZIP = b"PAR1", b"\x1f\x8b", b"PK"
_SHOWN: Final = 80  # characters of a header or value that an error shows
_TEXT: Final = "text"


@dataclass(frozen=True, slots=True, eq=False)
class RawTable:
    """The cells of one file: headers as written, `LINE`, cells as text (CSV) or as typed (Parquet).

    `unit` is what `LINE` counts: line or row.
    """

    name: str
    cells: pl.DataFrame
    unit: str

    @property
    def headers(self) -> list[str]:
        """The file's own columns."""
        return [name for name in self.cells.columns if name != LINE]

    def place(self, line: int) -> str:
        """Where `line` is, for an error."""
        return f"{self.unit} {line} of {self.name}"


def raw_table(content: bytes, name: str, *, separator: str = ",", encoding: str = "utf-8") -> RawTable:
    """The table in `content`: CSV or Parquet, plain, in gzip or alone in a zip, told apart by its first bytes.

    Parameters
    ----------
    content, name
        The whole file, and its name for errors.
    separator, encoding
        Of CSV text; blank lines are passed over, a byte order mark is no part of the first header.

    Raises
    ------
    SourceBroken
        The file is empty, cut short or damaged, is not text of that encoding, has a header twice, or a line with
        more or fewer cells than there are headers.
    """
    plain = _plain(content, name)
    if plain.startswith(_PARQUET):
        return RawTable(name, _parquet(plain, name), "row")
    return RawTable(name, _split(_decoded(plain, name, encoding), name, separator), "line")


def lines_of(content: bytes, name: str, encoding: str = "utf-8") -> list[str]:
    """The lines of a text in `content`, unpacked and decoded as `raw_table` does it; raises SourceBroken alike."""
    return _with_newlines(_decoded(_plain(content, name), name, encoding)).split("\n")


def shown(value: object) -> str:
    """A value as an error shows it: quoted, and cut where it is long."""
    text = str(value)
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def nameless(number: int) -> str:
    """What a column without a header is called, by its number from 1."""
    return f"column {number}"


def _plain(content: bytes, name: str) -> bytes:
    plain = _unpacked(content, name)
    if not plain.strip():
        raise SourceBroken(f"a file must not be empty, got {len(content)} bytes in {name}: fetch it again")
    return plain


def _unpacked(content: bytes, name: str) -> bytes:
    if content.startswith(_GZIP):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                return _bounded(packed.read(MAX_UNPACKED + 1), name)
        except (EOFError, OSError, zlib.error) as error:
            raise _cut("gzip", name, str(error)) from None
    if content.startswith(_ZIP):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                return _only_member(archive, name)
        except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError) as error:
            raise _cut("zip", name, str(error)) from None
    return content


def _only_member(archive: zipfile.ZipFile, name: str) -> bytes:
    members = [one for one in archive.infolist() if not one.is_dir() and not one.filename.startswith("__MACOSX")]
    if len(members) != 1:
        raise SourceBroken(f"a zip must hold one file, got {len(members)} in {name}: pack each alone")
    if members[0].flag_bits & 1:
        raise SourceBroken(f"a zip must not be encrypted, got {name}: unpack it with its password first")
    with archive.open(members[0]) as packed:
        return _bounded(packed.read(MAX_UNPACKED + 1), name)


def _bounded(unpacked: bytes, name: str) -> bytes:
    if len(unpacked) > MAX_UNPACKED:
        raise SourceBroken(f"a packed file may unfold to {MAX_UNPACKED} bytes, got more in {name}: split it")
    return unpacked


def _cut(kind: str, name: str, reason: str) -> SourceBroken:
    return SourceBroken(
        f"a {kind} file must be whole, got {name}, which is cut short or damaged ({reason}): fetch it again"
    )


def _parquet(content: bytes, name: str) -> pl.DataFrame:
    if not content.endswith(_PARQUET):
        raise _cut("Parquet", name, "its last four bytes are not PAR1")
    try:
        frame = pl.read_parquet(io.BytesIO(content))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _cut("Parquet", name, str(error).splitlines()[0]) from None
    _refuse_twice(frame.columns, name)
    return frame.with_row_index(LINE, offset=1)


def _decoded(content: bytes, name: str, encoding: str) -> str:
    exact = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    try:
        text = content.decode(exact)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        got = f"byte 0x{content[error.start]:02x} in line {line} of {name}"
    else:
        if "\x00" not in text:
            return text
        got = f"a zero byte in line {text[: text.index(chr(0))].count(chr(10)) + 1} of {name}"
    raise SourceBroken(f"text must be {encoding}, got {got}: set the option encoding (latin-1, utf-16), or convert it")


def _with_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _split(text: str, name: str, separator: str) -> pl.DataFrame:
    lines = _with_newlines(text)
    return _quoted(lines, name, separator) if '"' in lines else _unquoted(lines, name, separator)


def _unquoted(text: str, name: str, separator: str) -> pl.DataFrame:
    """Split where no cell is quoted, without a Python object a cell."""
    lines = pl.DataFrame({_TEXT: pl.Series([text]).str.split("\n").explode()}).with_row_index(LINE, offset=1)
    lines = lines.filter(pl.col(_TEXT).str.strip_chars() != "")
    headers = _headers(lines.item(0, _TEXT).split(separator), name)
    body = lines.slice(1)
    found = body.select(LINE, (pl.col(_TEXT).str.count_matches(separator, literal=True) + 1).alias("cells"))
    for line, cells in found.filter(pl.col("cells") != len(headers)).head(1).iter_rows():
        raise _ragged(line, cells, headers, name)
    cells_of = pl.col(_TEXT).str.split_exact(separator, len(headers) - 1).struct.rename_fields(headers)
    return body.select(LINE, cells_of.alias(_TEXT)).unnest(_TEXT)


def _quoted(text: str, name: str, separator: str) -> pl.DataFrame:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[object]] = []
    headers: list[str] = []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if not headers:
                headers = _headers(row, name)
            elif len(row) != len(headers):
                raise _ragged(reader.line_num, len(row), headers, name)
            else:
                rows.append([reader.line_num, *row])
    except csv.Error as error:
        raise SourceBroken(
            f"a quote in a CSV file must be closed, got line {reader.line_num} of {name} ({error}): fetch it again"
        ) from None
    schema = {LINE: pl.UInt32(), **{header: pl.String() for header in headers}}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _headers(cells: list[str], name: str) -> list[str]:
    """Headers as written, but for blanks around them; one that is empty is called by its position."""
    headers = [cell.strip() or nameless(number) for number, cell in enumerate(cells, 1)]
    _refuse_twice(headers, name)
    return headers


def _refuse_twice(headers: list[str], name: str) -> None:
    folded = [header.strip().casefold() for header in headers]
    twice = sorted({header for header in headers if folded.count(header.strip().casefold()) > 1})
    if twice:
        raise SourceBroken(
            f"a header must stand once, in any case, got {shown(', '.join(twice))} more than once in {name}: "
            "remove or rename the others"
        )


def _ragged(line: int, cells: int, headers: list[str], name: str) -> SourceBroken:
    return SourceBroken(
        f"a line must have as many cells as the header, {len(headers)}, got {cells} in line {line} of {name}: fetch it "
        "again if it is cut short, or quote cells that hold the separator (thousands separators are such)"
    )

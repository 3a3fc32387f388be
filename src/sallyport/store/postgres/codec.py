"""Values to and from PostgreSQL's binary format, for the few types that the tables have."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from psycopg.pq import Format
from psycopg.pq.abc import PGresult

from sallyport.store.work import Row, Value

Decoder = Callable[[bytes], Any]

# Object ids of types, as `pg_type` has them on every server. A lock returns void.
_BOOL, _BYTEA, _INT8, _INT2, _INT4, _TEXT, _VARCHAR, _VOID = 16, 17, 20, 21, 23, 25, 1043, 2278


def _whole(raw: bytes) -> int:
    return int.from_bytes(raw, signed=True)


_DECODERS: Final[dict[int, Decoder]] = {
    _BOOL: lambda raw: raw == b"\x01",
    _BYTEA: bytes,
    _INT2: _whole,
    _INT4: _whole,
    _INT8: _whole,
    _TEXT: bytes.decode,
    _VARCHAR: bytes.decode,
    _VOID: lambda _: None,
}


def encoded(values: Sequence[Value]) -> tuple[list[bytes | None], list[Format]]:
    """Return parameters and their formats.

    Numbers go as text, so that the server reads them as whatever width it wants; everything else as binary: a text
    parameter would end at its first NUL, where a binary one is refused.
    """
    raw: list[bytes | None] = []
    formats: list[Format] = []
    for value in values:
        match value:
            case None:
                raw.append(None)
            case bool():
                raw.append(b"\x01" if value else b"\x00")
            case int():
                raw.append(b"%d" % value)
                formats.append(Format.TEXT)
                continue
            case str():
                raw.append(value.encode())
            case bytes():
                raw.append(value)
        formats.append(Format.BINARY)
    return raw, formats


def decoders(result: PGresult) -> tuple[Decoder, ...]:
    """Return what reads each column. Raises `KeyError` for a type that no table of ours has."""
    return tuple([_DECODERS[result.ftype(column)] for column in range(result.nfields)])


def rows_of(result: PGresult, read: tuple[Decoder, ...]) -> list[Row]:
    """Return all rows of a result."""
    value = result.get_value
    columns = tuple(enumerate(read))
    found: list[Row] = []
    for at in range(result.ntuples):
        found.append(  # noqa: PERF401  # read row by row, column by column: three loops in one expression are a riddle
            tuple([None if (raw := value(at, column)) is None else decode(raw) for column, decode in columns])
        )
    return found

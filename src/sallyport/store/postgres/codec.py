"""Values to and from PostgreSQL's binary format, for the few types that the tables have."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from types import NoneType
from typing import Any, Final

from psycopg.pq import Format
from psycopg.pq.abc import PGresult

from sallyport.store.work import Row, Value

Decoder = Callable[[bytes], Any]
Encoder = Callable[[Any], bytes | None]

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


_ENCODERS: Final[dict[type, tuple[Encoder, Format]]] = {
    NoneType: (lambda _: None, Format.BINARY),
    bool: (lambda value: b"\x01" if value else b"\x00", Format.BINARY),
    int: (b"%d".__mod__, Format.TEXT),
    str: (str.encode, Format.BINARY),
    bytes: (bytes, Format.BINARY),
}


def encoded(values: Sequence[Value]) -> tuple[list[bytes | None], Sequence[Format]]:
    """Return parameters and their formats.

    Numbers go as text, so that the server reads them as whatever width it wants; everything else as binary: a text
    parameter would end at its first NUL, where a binary one is refused.
    """
    encoders, formats = _encoders(tuple(map(type, values)))
    return [encode(value) for encode, value in zip(encoders, values, strict=True)], formats


@lru_cache(maxsize=1024)
def _encoders(kinds: tuple[type, ...]) -> tuple[tuple[Encoder, ...], tuple[Format, ...]]:
    """Return what writes values of these types: a statement has the same ones nearly each time."""
    found = [_ENCODERS[next(base for base in kind.__mro__ if base in _ENCODERS)] for kind in kinds]
    return tuple([encode for encode, _ in found]), tuple([form for _, form in found])


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

"""What a unit of work sees of SQLite: rows over one connection."""

import sqlite3

from sallyport.store.work import Row, Soon, Sql, Value

# Without these the driver asks each value of these types how it is written, in vain, with an exception made and dropped
# each time. What is called gives back what it is given.
sqlite3.register_adapter(bytes, bytes)
sqlite3.register_adapter(type(None), dict[None, None]().get)


class _Known:
    """What came of a statement."""

    __slots__ = ("_count", "_rows")

    def __init__(self, rows: list[Row], count: int) -> None:
        self._rows = rows
        self._count = count

    def one(self) -> Row | None:
        """Return the first row, or None."""
        return self._rows[0] if self._rows else None

    def all(self) -> list[Row]:
        """Return all rows."""
        return self._rows

    def count(self) -> int:
        """Return how many rows a write met."""
        return self._count


class SqliteRows:
    """Rows over one connection."""

    __slots__ = ("_execute",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        # One cursor for all of them: each statement is read to its end before the next one begins.
        self._execute = connection.cursor().execute

    def one(self, sql: Sql, **values: Value) -> Row | None:
        """Return the first row, or None."""
        found: list[Row] = self._execute(sql.positional, sql.values(values)).fetchall()
        return found[0] if found else None

    def all(self, sql: Sql, **values: Value) -> list[Row]:
        """Return all rows."""
        return self._execute(sql.positional, sql.values(values)).fetchall()

    def change(self, sql: Sql, **values: Value) -> int:
        """Run a write and return how many rows it met."""
        return self._execute(sql.positional, sql.values(values)).rowcount

    def post(self, sql: Sql, **values: Value) -> None:
        """Run a write."""
        self._execute(sql.positional, sql.values(values))

    def soon(self, sql: Sql, **values: Value) -> Soon:
        """Run a statement: here nothing is gained by waiting."""
        cursor = self._execute(sql.positional, sql.values(values))
        return _Known(cursor.fetchall(), cursor.rowcount)

    def alone(self, *keys: str) -> None:
        """Do nothing: a unit that writes is alone in the file."""

"""The whole database as text, to see that a refused request has changed nothing."""

from sallyport.store.database import database_at
from sallyport.store.tables import metadata
from sallyport.store.work import Rows, Sql
from tests.world import World

_TABLES = [name for name in metadata.tables if name != "audit_log"]


def dump(world: World) -> list[str]:
    """Return the database, one row a line; without the audit log, which tells of refusals too."""
    return database_at(world.service.settings.database_url).ask(_lines, [])


def _lines(rows: Rows) -> list[str]:
    questions = {name: Sql(f"SELECT * FROM {name} ORDER BY 1, 2") for name in _TABLES}  # noqa: S608  # our own names
    return [f"{name} {row!r}" for name, question in questions.items() for row in rows.all(question)]

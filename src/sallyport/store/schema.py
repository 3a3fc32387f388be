"""The schema's version, and the way to it. Alembic is imported only when a migration runs."""

from importlib.resources import files
from typing import Final

from sallyport.store.database import Database, scalar
from sallyport.store.work import Sql, StorageUnavailableError

HEAD: Final = "0003"
"""The newest revision under `migrations/`; a test compares it with Alembic's own view."""

VERSION = Sql("SELECT version_num FROM alembic_version")


def migrate(database: Database) -> None:
    """Bring the schema of a database to `HEAD`; does nothing where it is there already.

    Raises `StorageUnavailableError` where it can't be reached, read or changed.
    """
    if version_of(database) == HEAD:
        return
    with database.turn():
        _upgrade(database, version_of(database))


def version_of(database: Database) -> str | None:
    """Return the schema's version; None where there is none yet. Raises `StorageUnavailableError`."""
    version: str | None = scalar(database, VERSION)
    return version


def _upgrade(database: Database, version: str | None) -> None:
    if version == HEAD:
        return  # another process was faster
    if version is not None and version > HEAD:
        known = f"this one knows {HEAD}: start the newer release"
        message = f"{database.name} has the schema {version} of a newer release; {known}"
        raise StorageUnavailableError(message)
    # 0.2 s and 18 MB that a start does not need
    from alembic.command import upgrade  # noqa: PLC0415  # as said
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError  # noqa: PLC0415  # as said

    try:
        upgrade(alembic_config(database), "head")
    except SQLAlchemyError as fault:
        why = fault.orig if isinstance(fault, DBAPIError) else fault  # without the statement and its values
        message = f"can't bring the schema of {database.name} to {HEAD}: {why}{database.hint}"
        raise StorageUnavailableError(message) from fault


def alembic_config(database: Database):  # type: ignore[no-untyped-def]  # noqa: ANN201  # its type would import Alembic
    """Return Alembic's configuration for a database, without a file of its own."""
    from alembic.config import Config  # noqa: PLC0415  # as above

    config = Config()
    config.set_main_option("script_location", str(files("sallyport.store") / "migrations"))
    config.attributes["database"] = database
    return config

"""The schema's version, and the way to it. Alembic is imported only when a migration runs."""

from importlib.resources import files
from pathlib import Path
from typing import Final

from sallyport.kernel.turns import turn_in
from sallyport.store.sqlite import create_file, scalar
from sallyport.store.work import Sql, StorageUnavailableError

HEAD: Final = "0002"
"""The newest revision under `migrations/`; a test compares it with Alembic's own view."""

VERSION = Sql("SELECT version_num FROM alembic_version")


def migrate(path: Path) -> None:
    """Bring the schema of a SQLite file to `HEAD`; does nothing where it is there already.

    Raises `StorageUnavailableError` where the file can't be read or is not a database.
    """
    if version_of(path) == HEAD:
        return
    create_file(path)
    with turn_in(path.parent):
        _upgrade(path, version_of(path))


def version_of(path: Path) -> str | None:
    """Return the schema's version; None where there is none yet. Raises `StorageUnavailableError`."""
    version: str | None = scalar(path, VERSION)
    return version


def _upgrade(path: Path, version: str | None) -> None:
    if version == HEAD:
        return  # another process was faster
    if version is not None and version > HEAD:
        message = f"{path} has the schema {version} of a newer release; this one knows {HEAD}: start the newer release"
        raise StorageUnavailableError(message)
    # 0.2 s and 18 MB that a start does not need
    from alembic.command import upgrade  # noqa: PLC0415  # as said
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  # as said

    try:
        upgrade(alembic_config(path), "head")
    except SQLAlchemyError as fault:
        message = f"can't bring the schema of {path} to {HEAD}: {fault}"
        raise StorageUnavailableError(message) from fault


def alembic_config(path: Path):  # type: ignore[no-untyped-def]  # noqa: ANN201  # its type would import Alembic
    """Return Alembic's configuration for a SQLite file, without a file of its own."""
    from alembic.config import Config  # noqa: PLC0415  # as above

    config = Config()
    config.set_main_option("script_location", str(files("sallyport.store") / "migrations"))
    config.attributes["path"] = str(path)
    return config

"""The schema's version, and the way to it. Alembic is imported only when a migration runs, or is asked for.

A revision is named by its number, and by the oldest schema whose release may run on it: `0007_from_0005`. So a release
that was made before knows, of a schema that it has never heard of, whether it may start on it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from sallyport.store.database import Database, scalar
from sallyport.store.work import Sql, StorageUnavailableError

HEAD: Final = "0019_from_0001"
"""The newest revision under `migrations/`; a test compares it with Alembic's own view."""

VERSION = Sql("SELECT version_num FROM alembic_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A revision that a database lacks."""

    revision: str
    brings: str
    locks: str
    """Who waits for it, and how long."""


def migrate(database: Database, tell: Callable[[str], object] = lambda _: None) -> None:
    """Bring the schema of a database to `HEAD`; does nothing where this release can run on what is there.

    `tell` hears of each revision. Raises `StorageUnavailableError` where it can't be reached, read or changed.
    """
    if is_fit(version_of(database)):
        return
    with database.turn():
        version = version_of(database)
        if is_fit(version):
            return  # another process was faster
        refuse_newer(database, version)
        # 0.2 s and 18 MB that a start does not need
        from sallyport.store.migrations.steps import climb  # noqa: PLC0415  # as said

        climb(database, alembic_config(database), version, tell)


def missing(database: Database) -> list[Step]:
    """Return what a migration would do, in order; changes nothing.

    Raises `StorageUnavailableError` where the database can't be read, or belongs to a newer release.
    """
    version = version_of(database)
    if is_fit(version):
        return []
    refuse_newer(database, version)
    from sallyport.store.migrations.steps import scripts, told  # noqa: PLC0415  # as above

    steps = [(script.revision, told(script)) for script in scripts(alembic_config(database), version)]
    return [Step(revision=revision, brings=brings, locks=locks) for revision, (brings, locks) in steps]


def version_of(database: Database) -> str | None:
    """Return the schema's version; None where there is none yet. Raises `StorageUnavailableError`."""
    version: str | None = scalar(database, VERSION)
    return version


def is_fit(version: str | None) -> bool:
    """Tell whether this release runs on a schema as it is: its own, or a newer one that says so."""
    return version == HEAD or (version is not None and version > HEAD and bears(version, HEAD))


def bears(version: str, older: str) -> bool:
    """Tell whether the release of an older schema runs on this one. A name that does not say so means no."""
    _, said, oldest = version.partition("_from_")
    return bool(said) and oldest <= older


def refuse_newer(database: Database, version: str | None) -> None:
    """Raise `StorageUnavailableError` where a schema is newer than this release."""
    if version is not None and version > HEAD:
        known = f"this one knows {HEAD}: start the newer release"
        message = f"{database.name} has the schema {version} of a newer release; {known}"
        raise StorageUnavailableError(message)


def demand_fit(database: Database) -> None:
    """Raise `StorageUnavailableError` where this release can't read a database as it is; brings nothing up."""
    if not is_fit(found := version_of(database)):
        other = f"has the schema {found}, and this release knows {HEAD}"
        what = other if found else "is not there, or no database of ours"
        remedy = "run this in the folder of the service, name the right one, or start the service once"
        message = f"{database.name} {what}: {remedy}"
        raise StorageUnavailableError(message)


def alembic_config(database: Database):  # type: ignore[no-untyped-def]  # noqa: ANN201  # its type would import Alembic
    """Return Alembic's configuration for a database, without a file of its own."""
    from alembic.config import Config  # noqa: PLC0415  # as above

    config = Config()
    config.set_main_option("script_location", str(files("sallyport.store") / "migrations"))
    config.attributes["database"] = database
    return config

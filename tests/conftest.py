"""What the tests share: the service in this process, the service as a process, and the tools from Debian."""

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings

from tests.engines import POSTGRES, SQLITE, Engine, Postgres, Server, Sqlite, engines_of, postgres
from tests.places import a_disk, has_room
from tests.postgres import LOWEST
from tests.world import UNTHROTTLED, TurnedClock, World, client_of, service_in

MakeWorld = Callable[..., Any]

_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # pytest and tempfile make folders of our own in it

settings.load_profile("ci")  # the same examples everywhere, however slow the machine is


def pytest_configure() -> None:
    """Have the folders of the tests in memory, unless somebody says where: on a disk each commit waits for a sync."""
    if "TMPDIR" not in os.environ and has_room(_MEMORY):
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None  # to be asked for again


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": True}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what needs a database on the engines that its file is meant for."""
    if "engine" in metafunc.fixturenames:
        path = metafunc.definition.path.relative_to(Path(__file__).parent).as_posix()
        engines = engines_of(path)
        if metafunc.definition.get_closest_marker("sqlite_only"):
            engines = (SQLITE,)
        if engines != (SQLITE,):
            metafunc.parametrize("engine", engines, indirect=True)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what stays to the end: looking through it took a quarter of the time of the tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is room, and on a disk for a test that has to be there."""
    if not request.node.get_closest_marker("on_disk"):
        yield tmp_path
        return
    failed = request.session.testsfailed
    folder = Path(tempfile.mkdtemp(prefix="sallyport-", dir=a_disk()))
    yield folder
    if request.session.testsfailed == failed:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server for this process, started by the first test that wants it."""
    with postgres() as started:
        yield started


@pytest.fixture(scope="session")
def oldest_server() -> Iterator[Server]:
    """The oldest release that is supported, where the server is the one of a wheel."""
    with postgres(LOWEST) as started:
        yield started


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Where the databases of a test are."""
    kind = getattr(request, "param", SQLITE)
    if kind == SQLITE:
        yield Sqlite()
        return
    made = Postgres(request.getfixturevalue("server" if kind == POSTGRES else "oldest_server"))
    yield made
    made.release()


@pytest.fixture
def home(tmp_path: Path, engine: Engine) -> Path:
    """A folder for a service, which has a database."""
    return engine.settle(tmp_path)


@pytest.fixture
async def make_world(tmp_path: Path, engine: Engine) -> AsyncIterator[MakeWorld]:
    """Build worlds with settings of their own; several in one folder are several nodes of one service."""
    async with AsyncExitStack() as stack:

        async def make(
            environ: Mapping[str, str] | None = None, clock: TurnedClock | None = None, folder: str = "one"
        ) -> World:
            clock = clock or TurnedClock()
            directory = engine.settle(tmp_path / folder)
            service = service_in(directory, clock, environ)
            stack.callback(service.close)
            await service.first_start()
            client = await stack.enter_async_context(client_of(service))
            return World(service, client, clock)

        yield make


@pytest.fixture
async def world(make_world: MakeWorld) -> World:
    """A service with default settings."""
    made: World = await make_world()
    return made


@pytest.fixture
async def unthrottled(make_world: MakeWorld) -> World:
    """A service that counts no tries."""
    made: World = await make_world(UNTHROTTLED)
    return made


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let revisions follow each other at once: the pause between two is for a release that serves meanwhile."""
    monkeypatch.setattr("sallyport.store.migrations.steps._BREATH", 0)


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Find a program from Debian, or say that the test can't run; under CI that is a failure."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None and os.environ.get("CI") == "true":
            pytest.fail(f"{name} is missing, and under CI nothing is left out")
        if path is None:
            pytest.skip(f"not run: {name} is missing (scripts/debian-tools.sh names its package)")
        return path

    return find

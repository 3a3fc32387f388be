"""A start on a PostgreSQL server that can't be used says why and what to do, and tells no password."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sallyport.kernel.hidden import Hidden
from sallyport.store.database import database_at
from sallyport.store.postgres import server as postgres
from sallyport.store.work import StorageUnavailableError
from tests.failures.conftest import SECRET, new_database, running
from tests.failures.proxy import HOST
from tests.ports import free_port
from tests.postgres import Cluster
from tests.server import run

PORT = free_port()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server that asks for passwords on its port, and knows a user who may do nothing."""
    with running(port=PORT) as made:
        rules = Path(str(made.url().partition("host=")[2].partition("&")[0])) / "data" / "pg_hba.conf"
        rules.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        with psycopg.connect(made.url(), autocommit=True) as boss:
            boss.execute("SELECT pg_reload_conf()")
            boss.execute(f"CREATE ROLE weak LOGIN PASSWORD '{SECRET}'")
            boss.execute(f"CREATE ROLE crowd LOGIN PASSWORD '{SECRET}' CONNECTION LIMIT 0")
            boss.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
            boss.execute("CREATE DATABASE standing")
            boss.execute("ALTER DATABASE standing SET default_transaction_read_only = on")
        yield made


def start(folder: Path, url: str) -> subprocess.CompletedProcess[str]:
    done = run(folder, "serve", environ={"SALLYPORT_DATABASE_URL": url})
    assert (done.returncode, done.stdout) == (1, ""), done
    assert SECRET not in done.stderr
    assert "Traceback" not in done.stderr
    return done


REASONS = {
    "nobody listens": (f"postgresql://weak:{SECRET}@{HOST}:1/postgres", "Connection refused"),
    "no such host": (f"postgresql://weak:{SECRET}@nowhere.invalid/postgres", "nowhere.invalid"),
    "wrong password": (f"postgresql://weak:{SECRET}x@{HOST}:{PORT}/postgres", "password authentication failed"),
    "no such database": (f"postgresql://weak:{SECRET}@{HOST}:{PORT}/nothing", 'database "nothing" does not exist'),
    "too many connections": (f"postgresql://crowd:{SECRET}@{HOST}:{PORT}/postgres", "too many connections"),
    "no right": (f"postgresql://weak:{SECRET}@{HOST}:{PORT}/postgres", "permission denied for schema public"),
    "encoding": (f"postgresql://weak:{SECRET}@{HOST}:{PORT}/latin", "ENCODING 'UTF8'"),
    "a standby": (f"postgresql://weak:{SECRET}@{HOST}:{PORT}/standing", "session is read-only"),
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_server_that_can_not_be_used_ends_the_start_with_what_to_do(
    tmp_path: Path, cluster: Cluster, reason: str
) -> None:
    url, why = REASONS[reason]
    told = start(tmp_path, url).stderr
    assert told.startswith("sallyport can't start:\n"), told
    assert why in told
    assert "docs/operate.md" in told
    assert len(told) < 600, told


WRONG = [
    f"postgresql://weak:{SECRET}/@{HOST}/postgres",
    f"postgresql://{HOST}:123/{SECRET}@{HOST}/postgres",
    f"postgresql://weak:{SECRET}%zz@{HOST}/postgres",
    f"postgresql://weak@{HOST}/postgres?passwort={SECRET}",
    f"postgresql://weak:{SECRET}@{HOST}:port:port/postgres",
]


@pytest.mark.parametrize("url", WRONG)
def test_a_url_that_can_not_be_read_is_not_repeated(tmp_path: Path, url: str) -> None:
    assert "%40" in start(tmp_path, url).stderr


def test_a_server_of_another_age_is_refused(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "LOWEST", 99)
    with pytest.raises(StorageUnavailableError, match="99 is the oldest supported"):
        database_at(Hidden(cluster.url())).ask(lambda _: None, None)


def test_a_second_host_is_asked_where_the_first_is_no_primary(tmp_path: Path, cluster: Cluster) -> None:
    name = new_database(cluster)
    both = f"postgresql://sallyport@{HOST}:1,%2F{cluster.url().partition('host=/')[2].replace('/', '%2F')}"
    url = both.replace("&port=", ":") + f"/{name}"
    assert database_at(Hidden(url)).ask(lambda _: "asked", "") == "asked"

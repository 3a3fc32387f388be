"""What is judged of a PostgreSQL server and of the way to it. Pure."""

from typing import Final

from sallyport.doctor.rules import Facts, Finding, State
from sallyport.kernel.loopback import is_loopback

_MOST_SECONDS_OFF: Final = 2


def version(facts: Facts) -> Finding | None:
    """Which release it is; one that is too old is refused before anybody asks."""
    if facts.server is None:
        return None
    return Finding(check="server", state=State.OK, told=f"PostgreSQL {facts.server.version}")


def promises(facts: Facts) -> Finding | None:
    """What was committed survives a loss of power."""
    server = facts.server
    if server is None:
        return None
    told = (
        f"fsync={_switch(server.fsync)}, full_page_writes={_switch(server.full_page_writes)}, "
        f"synchronous_commit={server.synchronous_commit}"
    )
    if not server.fsync or server.synchronous_commit in {"off", "local"}:
        remedy = "switch both on in postgresql.conf: a spent code could be good again after a loss of power"
        return Finding(check="durability", state=State.FAIL, told=told, remedy=remedy)
    if not server.full_page_writes:
        remedy = "switch it on, unless the file system never tears a page of 8 KiB"
        return Finding(check="durability", state=State.WARN, told=told, remedy=remedy)
    return Finding(check="durability", state=State.OK, told=told)


def connections(facts: Facts) -> Finding | None:
    """Every process of every node gets the connections that it may open."""
    server, clauses = facts.server, ("ASVS 13.1.2",)
    if server is None:
        return None
    node = facts.settings.workers * server.connections_of_a_process
    nodes = server.connections // node
    told = f"{server.connections} for ordinary users; a node like this one opens up to {node}: room for {nodes}"
    remedy = "raise max_connections (or the limit of the user or database), or run fewer workers"
    if nodes < 1:
        return Finding(check="connections", state=State.FAIL, told=told, remedy=remedy, clauses=clauses)
    if nodes < 2:  # noqa: PLR2004  # a second one, or the next release beside this one
        return Finding(check="connections", state=State.WARN, told=told, remedy=remedy, clauses=clauses)
    return Finding(check="connections", state=State.OK, told=told, clauses=clauses)


def collation(facts: Facts) -> Finding | None:
    """Texts are compared by their bytes, whatever the library of the operating system thinks of them today."""
    server = facts.server
    if server is None:
        return None
    if server.other_collations:
        told = f"{', '.join(server.other_collations)} not compared by bytes"
        remedy = (
            'ALTER TABLE ... ALTER COLUMN ... TYPE text COLLATE "C": two names could be one after an upgrade of libc'
        )
        return Finding(check="collation", state=State.FAIL, told=told, remedy=remedy)
    return Finding(check="collation", state=State.OK, told="all texts are compared by their bytes")


def encryption(facts: Facts) -> Finding | None:
    """Nobody between here and there reads along, or answers in the server's place."""
    server, clauses = facts.server, ("ASVS 12.3.1", "ASVS 12.3.2")
    if server is None:
        return None
    if not server.address or is_loopback(server.address):
        return Finding(check="database tls", state=State.OK, told="this machine's own", clauses=clauses)
    if not server.encrypted:
        remedy = "add sslmode=verify-full&sslrootcert=FILE to SALLYPORT_DATABASE_URL"
        told = f"{server.address} is spoken to in the clear"
        return Finding(check="database tls", state=State.FAIL, told=told, remedy=remedy, clauses=clauses)
    if not server.verified:
        remedy = "add sslmode=verify-full&sslrootcert=FILE to SALLYPORT_DATABASE_URL"
        told = "encrypted, to whoever answers"
        return Finding(check="database tls", state=State.WARN, told=told, remedy=remedy, clauses=clauses)
    return Finding(
        check="database tls", state=State.OK, told="encrypted, and the server proves its name", clauses=clauses
    )


def clock(facts: Facts) -> Finding | None:
    """This node and the server agree on the time: of nodes that each agree with it, none is far from another."""
    server = facts.server
    if server is None:
        return None
    ahead = server.seconds_ahead
    told = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the database server"
    if abs(ahead) > _MOST_SECONDS_OFF:
        remedy = "let NTP set both: nodes that disagree refuse each other's codes and tokens"
        return Finding(check="server clock", state=State.WARN, told=told, remedy=remedy)
    return Finding(check="server clock", state=State.OK, told=told)


def _switch(on: bool) -> str:  # noqa: FBT001  # a setting that is shown
    return "on" if on else "off"


CHECKS: Final = (version, promises, connections, collation, encryption, clock)

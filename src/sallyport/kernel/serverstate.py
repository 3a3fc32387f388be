"""What is known of a database server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """What a server tells of itself, and of the way to it."""

    version: str
    fsync: bool
    full_page_writes: bool
    synchronous_commit: str
    """Of our sessions."""
    connections: int
    """How many there may be for ordinary users, all together."""
    connections_of_a_process: int
    size: int
    """Bytes of the database."""
    encrypted: bool
    verified: bool
    """Whether the server has to prove its name."""
    address: str
    """Empty for a socket in the file system."""
    seconds_ahead: float
    """By how much our clock is ahead of the server's."""
    other_collations: tuple[str, ...]
    """Columns that are not compared by their bytes."""
    others: int
    """Other connections of our user."""

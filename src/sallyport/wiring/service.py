"""The running service: every use case wired to its stores and to the routes."""

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sallyport.edge.endpoint import Endpoint
from sallyport.settings import Settings
from sallyport.store.database import database_at, scalar
from sallyport.wiring import routes
from sallyport.wiring.desk import DeskFlows
from sallyport.wiring.flows import Flows
from sallyport.wiring.parts import Machine, Parts

if TYPE_CHECKING:
    from sallyport.edge.front import FindPage, Found
    from sallyport.kernel.pulse import Pulse
    from sallyport.login.flow.first_start import FirstAdmin


class Service(Parts):
    """The running service: every use case wired to its stores and to the routes."""

    @cached_property
    def flows(self) -> Flows:
        """Every use case that an edge calls."""
        return Flows(self)

    @cached_property
    def desk(self) -> DeskFlows:
        """The use cases of the help desk."""
        return DeskFlows(self)

    @cached_property
    def pulse(self) -> "Pulse":
        """What the meters said in the last hour."""
        from sallyport.kernel.pulse import Pulse

        return Pulse((self.shared or self.meters).families, self.clock)

    @cached_property
    def sweeps(self) -> tuple[Any, ...]:
        """What erases whatever has ended by itself."""
        from sallyport.wiring.sweeps import sweeps

        return sweeps(self)

    def endpoints(self) -> list[Endpoint[Any]]:
        """Return every route of the service."""
        self.meters.watch(*self.clockwatch.meters, *self.postman.meters)
        declared = list(routes.declared(self))
        return [*declared, *routes.operation(self, declared).endpoints()]

    def page(self, path: str) -> "Found | None":
        """Return the page of a path, where pages are served: over https, or on this machine itself.

        They are built when the first one is asked for: who serves none pays nothing for them.
        """
        if path not in {"/", "/ui"} and not path.startswith("/ui/"):
            return None
        return self._site(path) if is_safe(self.settings.public_url) else None

    @cached_property
    def _site(self) -> "FindPage":
        from sallyport.wiring.pages import site

        return site(self)

    def prepare(self) -> None:
        """Import and read beforehand what the first requests would wait for."""
        import sallyport.kernel.mailaddress  # noqa: F401  # as said

        _ = self.gate, self.sweeps, self.seal
        self.keys.active.sign(b"")  # the first signature imports what makes it

    def look_at_keys(self) -> None:
        """Take over key files that have changed: a rotation reaches this process while it serves."""
        for ring in self.rings.values():
            ring.look()

    async def first_start(self) -> "FirstAdmin | None":
        """Make the first admin if this is the first start, and at each start the trusted roles that are missing."""
        from sallyport.wiring.first import first_start

        return await first_start(self)

    def close(self) -> None:
        """Let what runs come to its end."""
        self.pool.close()
        self.work.close()


def build(settings: Settings, machine: Machine | None = None) -> Service:
    """Bring schema and key rings to where they must be, and build the service.

    Refuses a database that was copied back by hand.
    Raises `StorageUnavailableError` or `KeysRefusedError`, with every reason and what to do.
    """
    from sallyport.backups import store as backups_store
    from sallyport.kernel import epochs
    from sallyport.keys.plans import ring_plans
    from sallyport.keys.start import open_keys
    from sallyport.store import schema

    machine = machine or Machine()
    database, plans = database_at(settings.database_url), ring_plans(settings.signing_algorithm, machine.randomness)
    rings = open_keys(database, settings.keys_dir, plans, machine.randomness, machine.clock.now())
    schema.migrate(database)
    if (epoch := scalar(database, backups_store.EPOCH)) is not None:
        epochs.keep(settings.keys_dir, epoch)
    return Service(settings, database, rings, machine)


def is_safe(public_url: str) -> bool:
    """Tell whether a cookie that opens an account may travel: to this machine itself, or over TLS."""
    url = urlsplit(public_url)
    return url.scheme == "https" or url.hostname in {"127.0.0.1", "localhost", "::1"}

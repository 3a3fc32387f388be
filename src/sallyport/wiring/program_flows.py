"""The use cases of programs, built once: API keys, devices, introspection."""

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sallyport.authenticators.api_keys.flow import CreateApiKey
    from sallyport.authenticators.devices.flow import CreateDevice
    from sallyport.login.flow.possession import Possession
    from sallyport.sessions.flow.introspect import Introspect
    from sallyport.wiring.service import Service


class ProgramFlows:
    """What programs log in with, and ask."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    @cached_property
    def possession(self) -> "Possession":
        """Lets devices and API keys in at the first door."""
        from sallyport.login.flow.possession import Possession

        service = self._service
        return Possession(
            vault=service.vault,
            keeper=service.keeper,
            throttle=service.throttle,
            journal=service.journal,
            clients=service.clients,
            clock=service.clock,
        )

    @cached_property
    def create_device(self) -> "CreateDevice":
        """Makes a device known."""
        from sallyport.authenticators import catalog
        from sallyport.authenticators.devices.flow import CreateDevice

        service = self._service
        return CreateDevice(
            work=service.work,
            vault=service.vault,
            sessions=service.keeper,
            journal=service.journal,
            has_secret=catalog.has_secret,
            clock=service.clock,
            ids=service.ids,
        )

    @cached_property
    def create_api_key(self) -> "CreateApiKey":
        """Makes an API key."""
        from sallyport.authenticators import catalog
        from sallyport.authenticators.api_keys.flow import CreateApiKey

        service = self._service
        return CreateApiKey(
            work=service.work,
            vault=service.vault,
            sessions=service.keeper,
            journal=service.journal,
            has_secret=catalog.has_secret,
            clock=service.clock,
            ids=service.ids,
            randomness=service.randomness,
        )

    @cached_property
    def introspect(self) -> "Introspect":
        """Tells whether a token is good."""
        from sallyport.sessions.flow.introspect import Introspect

        service = self._service
        return Introspect(
            work=service.work,
            mint=service.mint,
            sessions=service.sessions,
            keys=service.api_keys,
            keeper=service.keeper,
        )

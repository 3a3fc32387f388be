"""The use cases of roles, built once."""

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sallyport.roles.flow.holders import Holders
    from sallyport.roles.flow.read import ReadRoles
    from sallyport.roles.flow.write import ChangeRole, CreateRole, DeleteRole, Roll
    from sallyport.wiring.service import Service


class RoleFlows:
    """What is done with roles, whatever speaks to it."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    @cached_property
    def holders(self) -> "Holders":
        """Knows who holds a trusted role."""
        from sallyport.roles.flow.holders import Holders

        return Holders(policy=self._service.settings.policy, clock=self._service.clock)

    @cached_property
    def read(self) -> "ReadRoles":
        """Reads roles."""
        from sallyport.roles.flow.read import ReadRoles

        return ReadRoles(self._service.work)

    @cached_property
    def create(self) -> "CreateRole":
        """Makes a role."""
        from sallyport.roles.flow.write import CreateRole

        service = self._service
        return CreateRole(
            work=service.work, roll=self._roll, journal=service.journal, clock=service.clock, ids=service.ids
        )

    @cached_property
    def change(self) -> "ChangeRole":
        """Changes a role, and who is in it."""
        from sallyport.roles.flow.write import ChangeRole

        service = self._service
        return ChangeRole(work=service.work, roll=self._roll, journal=service.journal, clock=service.clock)

    @cached_property
    def delete(self) -> "DeleteRole":
        """Erases a role."""
        from sallyport.roles.flow.write import DeleteRole

        service = self._service
        return DeleteRole(work=service.work, roll=self._roll, journal=service.journal)

    @cached_property
    def _roll(self) -> "Roll":
        from sallyport.roles.flow.write import Roll

        service = self._service
        return Roll(sessions=service.keeper, holders=self.holders, journal=service.journal)

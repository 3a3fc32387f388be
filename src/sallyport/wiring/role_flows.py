"""The use cases of roles, built once."""

from functools import cached_property
from typing import TYPE_CHECKING

from sallyport.roles.flow.holders import Holders
from sallyport.roles.flow.read import ReadRoles
from sallyport.roles.flow.write import ChangeRole, CreateRole, DeleteRole, Roll

if TYPE_CHECKING:
    from sallyport.wiring.service import Service


class RoleFlows:
    """What is done with roles, whatever speaks to it."""

    def __init__(self, service: "Service") -> None:
        self.holders = Holders(policy=service.settings.policy, clock=service.clock)
        self._service = service
        self._roll = Roll(sessions=service.keeper, holders=self.holders, journal=service.journal)

    @cached_property
    def read(self) -> ReadRoles:
        """Reads roles."""
        return ReadRoles(self._service.work)

    @cached_property
    def create(self) -> CreateRole:
        """Makes a role."""
        service = self._service
        return CreateRole(
            work=service.work, roll=self._roll, journal=service.journal, clock=service.clock, ids=service.ids
        )

    @cached_property
    def change(self) -> ChangeRole:
        """Changes a role, and who is in it."""
        service = self._service
        return ChangeRole(work=service.work, roll=self._roll, journal=service.journal, clock=service.clock)

    @cached_property
    def delete(self) -> DeleteRole:
        """Erases a role."""
        service = self._service
        return DeleteRole(work=service.work, roll=self._roll, journal=service.journal)

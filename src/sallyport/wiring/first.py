"""What a start makes that has to be there: the first admin, once, and the trusted roles."""

from typing import TYPE_CHECKING

from sallyport.login.flow.first_start import FirstAdmin, FirstStart
from sallyport.roles.flow.start import MakeTrustedRoles

if TYPE_CHECKING:
    from sallyport.wiring.service import Service


async def first_start(service: "Service") -> FirstAdmin | None:
    """Make the first admin if this is the first start, and at each start the trusted roles that are missing."""
    roles = MakeTrustedRoles(
        work=service.work,
        journal=service.journal,
        clock=service.clock,
        ids=service.ids,
        names=service.settings.trusted_roles,
    )
    start = FirstStart(
        work=service.work,
        hashing=service.hashing,
        clock=service.clock,
        ids=service.ids,
        vault=service.vault,
        journal=service.journal,
        roles=roles,
        role=service.settings.trusted_roles[0],
    )
    admin = await start(service.settings.admin_password)
    await roles()
    return admin

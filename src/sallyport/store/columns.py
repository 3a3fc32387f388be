"""What the tables are made of."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, String, Text
from sqlalchemy.schema import SchemaItem

metadata = MetaData()


def uid(name: str = "id", *, key: bool = False, index: bool = False) -> Column[str]:
    """Return a column of identifiers."""
    return Column(name, String(36), primary_key=key, nullable=False, index=index)


def owner(*, key: bool = False, index: bool = False) -> Column[str]:
    """Return the column of whose a row is; the row goes with the user."""
    gone_with_user = ForeignKey("users.id", ondelete="CASCADE")
    return Column("user_id", String(36), gone_with_user, primary_key=key, nullable=False, index=index)


def moment(name: str, *, known: bool = True) -> Column[int]:
    """Return a column of moments."""
    return Column(name, BigInteger, nullable=not known)


def resource() -> tuple[SchemaItem, ...]:
    """Return the columns that every authenticator has."""
    return (
        Column("description", Text, nullable=True),
        moment("created_at"),
        moment("modified_at"),
        Column("version", Integer, nullable=False),
        moment("last_used_at", known=False),
    )

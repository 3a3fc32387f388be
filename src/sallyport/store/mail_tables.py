"""The tables of mail. `tables` says what columns are called."""

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, text

from sallyport.store.columns import metadata
from sallyport.store.columns import moment as _moment
from sallyport.store.columns import uid as _uid

# Mail that waits, and what became of mail that nobody took. Erased once sent.
outbox = Table(
    "outbox",
    metadata,
    _uid(key=True),
    # Whom it is about; none where it only looks like mail, for names that nobody has.
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=True, index=True),
    # Empty once nobody tries it any more.
    Column("letter_sealed", LargeBinary, nullable=True),
    _moment("created_at"),
    # When it is tried next; while somebody does, until when it is theirs. Empty where nobody tries it any more.
    _moment("due_at", known=False),
    _moment("expires_at"),
    Column("tries", Integer, nullable=False),
    Column("fault", Text, nullable=True),
    Index("outbox_by_due", "due_at"),
    Index("outbox_by_expiry", "expires_at"),
    Index("outbox_by_sealing_key", text("substr(letter_sealed, 2, 8)")),
)

# Tokens in the links of mails. They stay until nobody counts them any more.
mailed_tokens = Table(
    "mailed_tokens",
    metadata,
    Column("token_digest", LargeBinary, primary_key=True, nullable=False),
    # Whose budget of mails it counts for: the uid of a user, or what stands for a name that nobody has.
    Column("subject", Text, nullable=False),
    Column("user_id", String(36), ForeignKey("users.id", ondelete="CASCADE"), nullable=True, index=True),
    Column("purpose", Text, nullable=False),
    # What it was made for: address and password of that moment. Another one, and it is dead.
    Column("made_for", Text, nullable=False),
    Column("address_digest", LargeBinary, nullable=True),
    _moment("created_at"),
    _moment("expires_at"),
    _moment("ended_at", known=False),
    Index("mailed_tokens_by_subject", "subject", "purpose", "created_at"),
    Index("mailed_tokens_by_address", "address_digest", "created_at"),
    Index("mailed_tokens_by_expiry", "expires_at"),
)

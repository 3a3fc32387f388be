"""The checkpoint: the end of the chain, kept outside the database, so that a log cut off at its end is found."""

import json
from pathlib import Path
from typing import Final

from sallyport.audit.chain import CHECKPOINT, Mark, sealed
from sallyport.audit.keys import AuditKeys
from sallyport.kernel import durable
from sallyport.kernel.turns import turn_in

NAME: Final = "audit.checkpoint"


class CheckpointRefusedError(Exception):
    """The checkpoint file is not one that this installation wrote."""


class CheckpointFile:
    """The file in the key directory. It blocks: call it from a thread."""

    def __init__(self, directory: Path, keys: AuditKeys) -> None:
        self.path = directory / NAME
        self._keys = keys

    def read(self) -> Mark | None:
        """Return the checkpoint, or None where there is none. Raises `CheckpointRefusedError` or `OSError`."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            written = json.loads(text)
            mark = Mark(position=int(written["position"]), digest=bytes.fromhex(written["digest"]))
            genuine = self._keys.fits(bytes.fromhex(written["seal"]), CHECKPOINT, sealed(mark))
        except (ValueError, KeyError, TypeError):
            genuine, mark = False, None
        if not genuine or mark is None:
            message = f"{self.path} was not written by this installation, or was edited"
            raise CheckpointRefusedError(message)
        return mark

    def replace(self, known: Mark | None, new: Mark) -> bool:
        """Write a higher checkpoint in place of the one that was judged; False where another process was faster.

        Raises `CheckpointRefusedError` or `OSError`.
        """
        with turn_in(self.path.parent):
            if self.read() != known:
                return False
            if known is None or new.position > known.position:
                self._write(new)
            return True

    def _write(self, mark: Mark) -> None:
        seal = self._keys.digest(CHECKPOINT, sealed(mark))
        text = json.dumps({"position": mark.position, "digest": mark.digest.hex(), "seal": seal.hex()})
        durable.replace(self.path, text + "\n")

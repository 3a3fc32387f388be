"""The epoch: a number that each restored backup raises, kept in the database and remembered beside the keys.

A database that is copied back by hand has a lower one than the key directory remembers: codes and tokens that were
spent since would be good again in it. Such a start is refused.
"""

from pathlib import Path
from typing import Final

from sallyport.kernel.durable import replace
from sallyport.kernel.keyfiles import KeysRefusedError
from sallyport.kernel.turns import turn_in

NAME: Final = "epoch"
_MOST_DIGITS: Final = 9


def remembered(directory: Path) -> int:
    """Return the highest epoch that these keys have served; 0 where nothing was ever restored.

    Raises `KeysRefusedError` where the file is not one of ours.
    """
    path = directory / NAME
    try:
        text = path.read_text().strip()
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as fault:
        message = f"{path} can't be read ({type(fault).__name__}): restore it with the keys that it belongs to"
        raise KeysRefusedError(message) from fault
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        message = f"{path} is not a number: restore it with the keys that it belongs to"
        raise KeysRefusedError(message)
    return int(text)


def remember(directory: Path, epoch: int) -> None:
    """Remember an epoch beside the keys; a higher one stays. Raises `KeysRefusedError` where that can't be written."""
    if epoch <= remembered(directory):
        return
    try:
        with turn_in(directory):
            if epoch > remembered(directory):
                replace(directory / NAME, f"{epoch}\n")
    except OSError as fault:
        message = f"the key directory {directory} can't remember epoch {epoch}: {fault.strerror}"
        raise KeysRefusedError(message) from fault


def keep(directory: Path, epoch: int) -> None:
    """Judge the epoch of a database at start. Raises `KeysRefusedError` for one that was copied back by hand.

    A higher one than remembered is a restore that was killed before its last step, or keys from a backup: it counts.
    """
    highest = remembered(directory)
    if epoch < highest:
        message = (
            f"this database was copied back by hand (its epoch is {epoch}, the keys in {directory} saw {highest}): "
            "run `sallyport restore` on that file (PostgreSQL: `--in-place`), or what was spent since is good again"
        )
        raise KeysRefusedError(message)
    remember(directory, epoch)

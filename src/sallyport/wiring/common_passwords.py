"""The 30,000 most common passwords."""

from ast import literal_eval
from functools import cache
from importlib.metadata import distribution
from pathlib import Path


@cache
def common_passwords() -> frozenset[str]:
    """Return them: one line of zxcvbn, without its estimator and its other lists.

    The line is read and not run: to compile and split all lists takes three times as long. A test compares the two.
    """
    path = distribution("zxcvbn").locate_file("zxcvbn/frequency_lists.py")
    _, _, behind = Path(str(path)).read_text().partition('"passwords": ')
    written: str = literal_eval(behind.partition(".split")[0])
    return frozenset(written.split(","))

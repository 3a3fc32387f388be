"""A hidden value does not print, whatever is done to it by accident."""

import copy
import json
import logging
import pickle
import sys
import traceback
from dataclasses import asdict, dataclass

import msgspec
import pytest
import structlog

from sallyport.authenticators.password.hashing import Kept
from sallyport.kernel.hidden import Hidden
from sallyport.kernel.outcomes import Granted
from sallyport.login.rules import Credentials

VALUE = "open sesame"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    word: Hidden[str]


@pytest.mark.parametrize(
    "printed",
    [
        repr(Hidden(VALUE)),
        str(Hidden(VALUE)),
        f"{Hidden(VALUE)}",
        f"{Hidden(VALUE)!r:>20}",
        "{}".format(Hidden(VALUE)),  # noqa: UP032  # every way of formatting is tried
        "%s %r" % (Hidden(VALUE), Hidden(VALUE)),  # noqa: UP031  # as above
        str([Hidden(VALUE)]),
        repr({"word": Hidden(VALUE)}),
        repr(Record(word=Hidden(VALUE))),
        repr(Credentials("alice", Hidden(VALUE))),
        repr(
            Granted(
                access=Hidden(VALUE),
                expires_in=1,
                refresh=Hidden(VALUE),
                session="5e55",
                user="alice",
                mfa=False,
                codes_left=0,
            )
        ),
    ],
)
def test_printing_shows_nothing(printed: str) -> None:
    assert VALUE not in printed
    assert "hidden" in printed


def test_a_format_of_its_own_is_refused() -> None:
    with pytest.raises(TypeError):
        format(Hidden(VALUE), ">20")


def test_logging_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("sallyport").warning("given: %s %r", Hidden(VALUE), {"word": Hidden(VALUE)})
    assert VALUE not in caplog.text
    assert "hidden" in caplog.text


def test_structured_logging_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    log = structlog.wrap_logger(structlog.PrintLogger(sys.stdout), processors=[structlog.processors.JSONRenderer()])
    log.warning("given", word=Hidden(VALUE), record=Record(word=Hidden(VALUE)))
    assert VALUE not in capsys.readouterr().out


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_does_not_pickle(protocol: int) -> None:
    with pytest.raises(TypeError, match="not to be pickled"):
        pickle.dumps(Hidden(VALUE), protocol)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda word: asdict(Record(word=word))])
def test_it_does_not_copy(copied: object) -> None:
    assert callable(copied)
    with pytest.raises(TypeError):
        copied(Hidden(VALUE))


@pytest.mark.parametrize("written", [json.dumps, msgspec.json.encode, lambda word: msgspec.to_builtins(word)])  # noqa: PLW0108  # its type says more than it takes
def test_it_is_never_written_into_an_answer(written: object) -> None:
    assert callable(written)
    with pytest.raises(TypeError):
        written(Hidden(VALUE))


def test_a_traceback_with_all_local_values_shows_nothing() -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011  # what it says is looked at below
        _fail(Hidden(VALUE))
    shown = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    assert "word = <hidden>" in shown
    assert VALUE not in shown


def _fail(word: Hidden[str]) -> None:
    raise ValueError(word)


def test_two_hidden_values_do_not_compare() -> None:
    assert Hidden(VALUE) != Hidden(VALUE)
    assert not hasattr(Hidden(VALUE), "__dict__")


def test_what_a_database_keeps_of_a_password_does_not_print_it() -> None:
    assert VALUE not in repr(Kept(user="alice", uid="one", hash_sealed=b"sealed"))

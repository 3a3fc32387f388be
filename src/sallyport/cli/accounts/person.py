"""Who sits at the terminal, if anybody does. Secrets come by prompt, standard input or file: never in argv."""

import sys
from pathlib import Path

import typer


class WrongUseError(Exception):
    """What was asked for can't be done as it was asked. The message says what would do."""


class Person:
    """Answers questions; where nobody is there a missing answer is wrong use, and says what to give."""

    def __init__(self) -> None:
        self._reader = ""

    @property
    def is_there(self) -> bool:
        """Whether there is a terminal to ask at."""
        return sys.stdin.isatty()

    def confirm(self, question: str, *, yes: bool) -> None:
        """Let the person say yes to what can't be undone, unless they said it beforehand."""
        if yes:
            return
        if not self.is_there:
            raise WrongUseError(f'nobody is there to answer "{question}": say --yes')
        typer.confirm(question, abort=True, err=True)

    def answer(self, what: str, instead: str, *, hidden: bool = True, twice: bool = False) -> str:
        """Ask for a value; `instead` says how to give it where nobody can be asked."""
        if not self.is_there:
            raise WrongUseError(f"nobody is there to ask for the {what}: {instead}")
        return str(typer.prompt(what.capitalize(), hide_input=hidden, confirmation_prompt=twice, err=True))

    def heard(self, what: str, instead: str) -> str:
        """Return what somebody says aloud: asked for, or the next line where standard input is read already."""
        if self._reader:
            return self.line(what, self._reader)
        return self.answer(what, instead, hidden=False)

    def password(self, *, stdin: bool, file: str, none: bool) -> str:
        """Return a new password, which is asked for twice; an empty one where there is to be none."""
        if stdin and file:
            raise WrongUseError("say --password-stdin or --password-file, not both")
        if none:
            if stdin or file:
                raise WrongUseError("say --no-password, or where the password is, not both")
            return ""
        if not (stdin or file):
            return self.answer("password", "say --password-stdin or --password-file", twice=True)
        given = self.line("password", "--password-stdin") if stdin else first_line(file, "--password-file")
        if not given:
            # Whatever was to write it has failed: that must not make an account that nobody wanted like this.
            raise WrongUseError("the password is empty: say --no-password where there is to be none")
        return given

    def line(self, what: str, reader: str) -> str:
        """Return the next line of standard input, which one option alone may read."""
        if self._reader not in {"", reader}:
            raise WrongUseError(f"{self._reader} and {reader} can't both read standard input: use a file for one")
        self._reader = reader
        line = sys.stdin.readline()
        if not line:
            raise WrongUseError(f"{reader}: standard input ends before the {what}")
        return line.rstrip("\r\n")


def first_line(file: str, option: str) -> str:
    """Return the first line of a file. Raises `WrongUseError`."""
    try:
        return Path(file).read_text().partition("\n")[0].rstrip("\r")
    except (OSError, ValueError) as fault:
        raise WrongUseError(f"{option} {file}: {fault}") from fault

"""The command line: `sallyport` and `python -m sallyport`."""

import sys

# Nothing here draws with Rich, but structlog and Typer load it where they find it: a tenth of a start, and 6 MB.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # as the import system says that there is no such module

from sallyport.cli.collector import look_rarely  # noqa: E402  # after the line above

look_rarely()

from sallyport.cli.main import main  # noqa: E402  # after the line above

if __name__ == "__main__":
    main()

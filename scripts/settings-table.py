"""Writes the table of settings into the README, between its two markers: `python scripts/settings-table.py [FILE]`."""

import sys
from pathlib import Path
from typing import Final

from sallyport.settings import table

_BEGIN: Final = "<!-- settings: written by scripts/settings-table.py -->\n"
_END: Final = "<!-- end of settings -->\n"


def main() -> None:
    """Rewrite the file that is named, or the README beside this folder."""
    readme = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "README.md"
    before, rest = readme.read_text().split(_BEGIN)
    _, after = rest.split(_END)
    readme.write_text(f"{before}{_BEGIN}\n{table()}\n\n{_END}{after}")


if __name__ == "__main__":
    main()

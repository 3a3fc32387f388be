"""Small C libraries that stand between a server and its kernel (LD_PRELOAD), compiled when a test needs one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def compiled(name: str, folder: Path) -> Path:
    """Compile a library into a folder, or say that the test can't run; under CI that is a failure."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux") or compiler is None:
        missing = f"{name}.c needs Linux and a C compiler (cc)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"{missing}, and under CI nothing is left out")
        pytest.skip(f"not run: {missing}")
    library = folder / f"{name}.so"
    flags = ["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-pthread"]
    subprocess.run([compiler, *flags, "-o", str(library), str(HERE / f"{name}.c")], check=True)
    return library

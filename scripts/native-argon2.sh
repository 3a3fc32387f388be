#!/bin/sh
# Replaces the wheel of argon2-cffi-bindings in a virtual environment by a build of the same version, from its
# hash-checked source, for the processor of this machine: the same bytes out in less than half the time.
# Whatever is missing or fails, the wheel stays, and one line says why.
#
#   sh scripts/native-argon2.sh .venv/bin/python
#
# NO_NATIVE=1 keeps the wheel. ARGON2_CFLAGS replaces the flags: an environment that travels to another processor
# must not be built with -march=native (take -march=x86-64-v3, or keep the wheel).
set -eu

python=$1
lock=$(dirname "$0")/../requirements/native.txt
flags=${ARGON2_CFLAGS:--O3 -march=native}
CC=${CC:-cc}
CFLAGS=$flags
export CC CFLAGS

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM
log=$scratch/log

# A package installed from a file of this machine says so in its direct_url.json: that is an earlier build of ours.
built_before() {
    "$python" - <<'PY'
import importlib.metadata
import sys

sys.exit(importlib.metadata.distribution("argon2-cffi-bindings").read_text("direct_url.json") is None)
PY
}

keep_wheel() {
    if built_before; then echo "Argon2: earlier build kept, $1"; else echo "Argon2: wheel kept, $1"; fi
    exit 0
}

failed() {
    tail -n 25 "$log" >&2
    keep_wheel "$1"
}

pip() {
    "$python" -m pip --disable-pip-version-check "$@" >>"$log" 2>&1
}

# One entry of the lock, with its hashes.
sed -n '/^argon2-cffi-bindings==/,/[^\\]$/p' "$lock" >"$scratch/source.txt"

if [ "${NO_NATIVE:-}" = 1 ]; then
    ! built_before || pip install --require-hashes --no-deps --force-reinstall --only-binary :all: \
        -r "$scratch/source.txt" || failed "the wheel could not be put back"
    keep_wheel "as NO_NATIVE=1 asks"
fi

headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
echo '#include <Python.h>' >"$scratch/try.c"
# shellcheck disable=SC2086  # CC and the flags are lists of words
command -v ${CC%% *} >/dev/null || keep_wheel "there is no C compiler ($CC)"
# shellcheck disable=SC2086
$CC $flags -fPIC -I"$headers" -c "$scratch/try.c" -o "$scratch/try.o" 2>>"$log" ||
    keep_wheel "$CC cannot compile for Python with $flags (no Python headers?)"

# The build requirements live only as long as this script: they are never part of the environment.
tools=$scratch/tools
pip install --require-hashes --only-binary :all: --no-compile --target "$tools" -r "$lock" ||
    failed "its build requirements could not be installed"

PYTHONPATH=$tools PATH=$tools/bin:$PATH pip wheel --no-cache-dir --require-hashes --no-deps --no-build-isolation \
    --no-binary argon2-cffi-bindings --wheel-dir "$scratch/built" -r "$scratch/source.txt" ||
    failed "the build from source failed"

# The new build must give the published answer of the reference implementation before it replaces anything.
pip install --no-index --no-deps --target "$scratch/new" "$scratch"/built/*.whl || failed "the build could not be unpacked"
cat >"$scratch/judge.py" <<'PY'
import time

from argon2.low_level import Type, hash_secret_raw


def digest(memory: int) -> bytes:
    return hash_secret_raw(b"password", b"somesalt", 2, memory, 1, 32, Type.ID)


assert digest(256).hex() == "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"
digest(19456)
times = []
for _ in range(20):
    begin = time.perf_counter()
    digest(19456)
    times.append(time.perf_counter() - begin)
print(f"{min(times) * 1000:.1f} ms")
PY
old=$("$python" "$scratch/judge.py" 2>>"$log") || failed "argon2-cffi does not work here"
new=$(PYTHONPATH=$scratch/new "$python" "$scratch/judge.py" 2>>"$log") || failed "the build from source gives wrong answers"

pip install --no-index --no-deps --force-reinstall "$scratch"/built/*.whl || failed "the build could not be installed"
echo "Argon2: built for this processor, $new a hash at 19 MiB and two passes (before: $old)"

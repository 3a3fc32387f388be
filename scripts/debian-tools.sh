#!/bin/sh
# Some tests use programs from outside Python: oathtool makes codes as a phone would, zbarimg reads a QR code as a
# camera would, rsvg-convert draws the SVG for it, chromium shows the pages, systemd-analyze judges the unit. Says which
# are missing, installs them where it may (root, apt-get, NO_APT not 1), and never fails: pytest names the tests that it
# could not run, and fails for them under CI=true.
set -u

missing=
packages=
for pair in oathtool:oathtool zbarimg:zbar-tools rsvg-convert:librsvg2-bin systemd-analyze:systemd \
    chromium:chromium; do
    command -v "${pair%%:*}" >/dev/null 2>&1 && continue
    missing="$missing ${pair%%:*}"
    packages="$packages ${pair##*:}"
done
[ -n "$missing" ] || exit 0

why=
if [ "${NO_APT:-}" = 1 ]; then
    why="NO_APT=1 forbids installing"
elif ! command -v apt-get >/dev/null 2>&1; then
    why="there is no apt-get here"
elif [ "$(id -u)" != 0 ]; then
    why="only root may install"
fi

if [ -z "$why" ]; then
    echo "Missing tools:$missing. Installing the Debian packages$packages ..."
    log=$(mktemp)
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086  # a list of words
    if apt-get -q update >"$log" 2>&1 && apt-get -q install -y --no-install-recommends $packages >>"$log" 2>&1; then
        rm -f "$log"
        exit 0
    fi
    tail -n 15 "$log" >&2
    rm -f "$log"
    why="apt-get failed"
fi

echo "Missing tools:$missing ($why)."
echo "The tests that need them will be named as not run. On Debian or Ubuntu: apt-get install$packages"
exit 0

#!/usr/bin/env bash
# Makes .venv and installs the project with what it needs. Safe to run again: it does only what is missing.
#   scripts/bootstrap.sh demo   what running needs
#   scripts/bootstrap.sh test   also the test tools and the system libraries of Qt and a virtual screen
set -euo pipefail
cd "$(dirname "$0")/.."
level=${1:?usage: scripts/bootstrap.sh demo|test}
python=${PYTHON:-python3}

fail() { echo "bootstrap: $*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python is not installed; install Python 3.11 or newer"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old; Python 3.11 or newer is needed (make PYTHON=python3.12 ...)"

missing_packages() {
    # Debian's Python comes without venv; other Pythons bring it.
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    [ "$level" = test ] || return 0
    while read -r package; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done < <(grep -v '^#' scripts/apt-packages.txt)
}

install_packages() {
    local missing line as_root=""
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -gt 0 ] || return 0
    line="apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || fail "system packages are missing; run this line, then again: sudo $line"
        as_root="sudo -n"
    fi
    echo "bootstrap: installing ${#missing[@]} system packages"
    $as_root apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $as_root $line >/dev/null
}

# The stamp holds what was installed for; a changed pyproject.toml, Python or level installs again.
wanted=$(cat pyproject.toml <("$python" --version) | cksum)
stamp=.venv/.installed
if [ -x .venv/bin/python ] && { [ "$(cat $stamp-test 2>/dev/null)" = "$wanted" ] ||
    { [ "$level" = demo ] && [ "$(cat $stamp-demo 2>/dev/null)" = "$wanted" ]; }; }; then
    installed=yes
fi

if command -v apt-get >/dev/null; then
    [ "${installed:-}" = yes ] && [ "$level" = demo ] || install_packages
elif [ "$level" = test ] && [ "$(uname)" = Linux ] && ! command -v xvfb-run >/dev/null; then
    echo "bootstrap: no apt here; the tests need xvfb-run and Qt's system libraries (scripts/apt-packages.txt)" >&2
fi
[ "${installed:-}" = yes ] && exit 0

extras=all
[ "$level" = test ] && extras=all,test
echo "bootstrap: installing the project into .venv (the first time this loads some GB, torch above all)"
.venv/bin/python -c '' 2>/dev/null || "$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check -e ".[$extras]"
echo "$wanted" > "$stamp-$level"

#!/usr/bin/env bash
# Makes .venv and installs the project with what it needs. Safe to run again: it does only what is missing.
#   scripts/bootstrap.sh demo   what running needs
#   scripts/bootstrap.sh test   also the test tools, the system libraries of Qt, a virtual screen, and Chromium
#   scripts/bootstrap.sh docs   also what builds and checks the documentation
# System packages are installed on Debian and its kin only (by apt). macOS and Windows (Git Bash) need none for demo, and
# Chromium or Chrome for test and docs (on the path, or its path in CHROMIUM).
set -euo pipefail
cd "$(dirname "$0")/.."
level=${1:?usage: scripts/bootstrap.sh demo|test|docs}
python=${PYTHON:-python3}

fail() { echo "bootstrap: $*" >&2; exit 1; }

case $level in
    demo) extras=all ;;
    test) extras=all,test ;;
    docs) extras=all,test,docs ;;
    *) fail "there is no level '$level'; give demo, test or docs" ;;
esac
case $(uname -s) in
    MINGW* | MSYS* | CYGWIN*) bin=.venv/Scripts ;;
    *) bin=.venv/bin ;;
esac

command -v "$python" >/dev/null || fail "$python is not installed; install Python 3.11 or newer"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version) is too old; Python 3.11 or newer is needed (make PYTHON=python3.12 ...)"

missing_packages() {
    # Debian's Python comes without venv; other Pythons bring it.
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    [ "$level" != demo ] || return 0
    while read -r package; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done < <(grep -v '^#' scripts/apt-packages.txt)
    command -v chromium >/dev/null || command -v google-chrome >/dev/null || echo chromium
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

# The stamps hold what was installed for; a changed pyproject.toml or Python installs again. A level holds those before it.
wanted=$(cat pyproject.toml <("$python" --version) | cksum)
stamp=.venv/.installed
installed=no
for known in docs test demo; do
    [ "$(cat $stamp-$known 2>/dev/null)" = "$wanted" ] && [ -x "$bin/python" ] && installed=yes
    [ "$known" != "$level" ] || break
done

if [ "$(uname -s)" = Linux ]; then
    if command -v apt-get >/dev/null; then
        { [ $installed = yes ] && [ "$level" = demo ]; } || install_packages
    elif [ "$level" != demo ] && ! command -v xvfb-run >/dev/null; then
        echo "bootstrap: no apt here; the tests need xvfb-run, Chromium and Qt's system libraries (scripts/apt-packages.txt)" >&2
    fi
fi
[ $installed = no ] || exit 0

echo "bootstrap: installing the project into .venv (the first time this loads some GB, torch above all)"
"$bin/python" -c '' 2>/dev/null || "$python" -m venv --clear .venv
"$bin/python" -m pip install --quiet --disable-pip-version-check -e ".[$extras]"
echo "$wanted" > "$stamp-$level"

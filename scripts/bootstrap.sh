#!/usr/bin/env bash
# Makes .venv and installs the project with what it needs. Safe to run again: it does only what is missing.
#   scripts/bootstrap.sh demo   what running needs
#   scripts/bootstrap.sh test   also the test tools, the system libraries of Qt, a virtual screen, and Chromium
#   scripts/bootstrap.sh docs   also what builds and checks the documentation
#   scripts/bootstrap.sh release   also what lists the contents of a release
# Python packages are installed by uv where it can be had, by pip otherwise. A machine without a GPU gets torch's build for
# the CPU where PyTorch's own index can be reached, and otherwise the registry's build without what only a GPU uses;
# TORCH=cpu or TORCH=cuda says so for a machine whose GPU cannot be seen, or is not wanted.
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
    release) extras=all,test,release ;;
    *) fail "there is no level '$level'; give demo, test, docs or release" ;;
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

has_gpu() {
    nvidia-smi -L 2>/dev/null | grep -q GPU || [ -e /dev/nvidiactl ] || [ -e /dev/dxg ] || [ -e /dev/kfd ]
}

torch_build() {
    [ "$(uname -s)" = Linux ] || { echo registry; return; }  # elsewhere that one is for the CPU, or for Metal
    [ -z "${TORCH:-}" ] || { echo "$TORCH"; return; }
    if has_gpu; then echo cuda; else echo cpu; fi
}

reachable() {
    "$bin/python" -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=5)' "$1" 2>/dev/null
}

# uv does not read what pip is told about mirrors, folders of wheels and constraints; so pass it on.
as_pip_is_set_up() {
    local settings
    settings=$("$bin/python" -m pip config list 2>/dev/null) || return 0
    setting() { sed -nE "s/^(:env:|global|install)\.$1='(.*)'\$/\2/p" <<<"$settings" | head -1; }
    local index extra links constraint
    index=$(setting index-url) extra=$(setting extra-index-url) links=$(setting find-links) constraint=$(setting constraint)
    [ -z "$index" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}
    [ -z "$links" ] || export UV_FIND_LINKS=${UV_FIND_LINKS:-${links// /,}}
    [ -z "$constraint" ] || export UV_CONSTRAINT=${UV_CONSTRAINT:-$constraint}
    [ -z "$extra" ] || export UV_INDEX=${UV_INDEX:-$extra} UV_INDEX_STRATEGY=${UV_INDEX_STRATEGY:-unsafe-best-match}
}

find_uv() {
    uv=$(command -v uv) && return
    "$bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: uv 2>/dev/null && uv=$bin/uv
}

# Dependencies as wheels only: nothing is compiled, and nothing of theirs runs while it is installed.
with_uv() {
    "$uv" pip install --quiet --python "$bin/python" --only-binary :all: -r pyproject.toml "${wanted_extras[@]}" "$@" &&
        "$uv" pip install --quiet --python "$bin/python" --no-deps -e .
}

install_project() {
    local wanted_extras=() uv
    for extra in ${extras//,/ }; do wanted_extras+=(--extra "$extra"); done
    if find_uv; then
        as_pip_is_set_up
        if [ "$(torch_build)" = cpu ]; then
            ! reachable https://download.pytorch.org/whl/cpu/torch/ || { with_uv --torch-backend cpu && return; }
            with_uv --excludes scripts/only-for-gpus.txt && return
        else
            with_uv && return
        fi
        echo "bootstrap: uv could not install; pip tries" >&2
    fi
    "$bin/python" -m pip install --quiet --disable-pip-version-check -e ".[$extras]"
}

# The stamps hold what was installed for; a changed pyproject.toml or Python installs again. A level holds those before it.
wanted=$(cat pyproject.toml scripts/only-for-gpus.txt <("$python" --version) | cksum)
stamp=.venv/.installed
installed=no
for known in release docs test demo; do
    [ "$(cat $stamp-$known 2>/dev/null)" = "$wanted" ] && [ -x "$bin/python" ] && installed=yes
    [ "$known" != "$level" ] || break
done

if [ "$(uname -s)" = Linux ]; then
    if command -v apt-get >/dev/null; then
        { [ $installed = yes ] && [ "$level" = demo ]; } || install_packages
    elif [ "$level" != demo ] && ! command -v Xvfb >/dev/null; then
        echo "bootstrap: no apt here; the tests need Xvfb, Chromium and Qt's system libraries (scripts/apt-packages.txt)" >&2
    fi
fi
[ $installed = no ] || exit 0

echo "bootstrap: installing the project into .venv (the first time this loads some GB, torch above all)"
"$bin/python" -c '' 2>/dev/null || "$python" -m venv --clear .venv
install_project
echo "$wanted" > "$stamp-$level"

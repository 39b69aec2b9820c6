#!/usr/bin/env bash
# The docks with several releases of napari, each in an environment of its own: a walk through them (tests/plugin/walk.py)
# with the base, napari and PyQt6 alone, then all tests of the window (tests/plugin).
#   scripts/napari_versions.sh                  the oldest that pyproject.toml allows, and the last of the last three minor versions
#   scripts/napari_versions.sh 0.7.1 0.9.2      these
#   scripts/napari_versions.sh walk [0.9.2 ..]  only the walk, which takes a minute
# Which these are, pip asks the index. TESTS="..." are other tests, PYTHON=python3.12 another Python. Needs uv, which
# `make test` puts into .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
uv=$(PATH=$PWD/.venv/bin:$PWD/.venv/Scripts:$PATH command -v uv) || { echo "uv is missing: pip install uv" >&2; exit 1; }
python=${PYTHON:-python3}
oldest_and_last_of_three_minors() {
    sed -nE 's/^all = .*"napari>=([0-9.]+)".*/\1/p' pyproject.toml
    "$python" -m pip index versions napari --disable-pip-version-check 2>/dev/null |
        sed -n 's/^Available versions: //p' | tr -d ' ' | tr ',' '\n' |
        awk -F. '$1 "." $2 != minor { minor = $1 "." $2; if (++minors <= 3) print }'
}
only=${1:-}
[ "$only" != walk ] || shift
if [ $# -gt 0 ]; then
    versions=("$@")
else
    mapfile -t versions < <(oldest_and_last_of_three_minors | sort -V -u)
    [ ${#versions[@]} -gt 1 ] || { echo "pip cannot ask the index; name versions of napari" >&2; exit 1; }
fi
install() { "$uv" pip install --quiet --python "$place" --excludes scripts/only-for-gpus.txt "napari==$version" PyQt6 "$@"; }
within() {
    env NAPARI_CONFIG="$place-config/settings.yaml" QT_API=pyqt6 scripts/with-display.sh \
        "$uv" run --no-project --python "$place" python "$@" >"$place.log" 2>&1
}
walk() { install . && within tests/plugin/walk.py "$place-config" PyQt6; }
# shellcheck disable=SC2086
window() { install ".[all,test]" && within -m pytest -q --no-xvfb ${TESTS:-tests/plugin}; }
failed=0
for version in "${versions[@]}"; do
    place=$home/$version
    "$uv" venv --quiet --python "$python" "$place"
    mkdir "$place-config"
    for step in walk window; do
        if "$step"; then
            echo "napari $version, $step: $(tail -n 1 "$place.log")"
        else
            failed=1
            echo "napari $version, $step: fails"
            tail -n 40 "$place.log"
        fi
        [ "$only" != walk ] || break
    done
    rm -rf "$place"
done
exit $failed

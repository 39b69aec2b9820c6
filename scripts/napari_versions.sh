#!/usr/bin/env bash
# A walk through the docks (tests/plugin/walk.py) with several releases of napari, each in environments of its own, which
# hold the base, napari and one Qt binding alone: PyQt6, then PyQt5.
#   scripts/napari_versions.sh                  the oldest that pyproject.toml allows, and the last of each of the last
#                                               three minor versions
#   scripts/napari_versions.sh 0.7.1 0.9.2      these
# Which these are, pip asks the index. PYTHON=python3.12 takes another Python. Needs uv, which `make test` puts into .venv.
# The other tests of the window look into the insides of napari 0.9.
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
if [ $# -gt 0 ]; then
    versions=("$@")
else
    mapfile -t versions < <(oldest_and_last_of_three_minors | sort -V -u)
    [ ${#versions[@]} -gt 1 ] || { echo "pip cannot ask the index; name versions of napari" >&2; exit 1; }
fi

install() { "$uv" pip install --quiet --python "$place" --excludes scripts/only-for-gpus.txt "napari==$version" "$@"; }
within() {
    mkdir -p "$place/walk"
    env NAPARI_CONFIG="$place/walk/settings.yaml" QT_API="${binding,,}" scripts/with-display.sh \
        "$uv" run --no-project --python "$place" python "$@"
}
walk() {
    binding=$1 place=$home/$version-$1
    "$uv" venv --quiet --python "$python" "$place" && install "$binding" . &&
        within tests/plugin/walk.py "$place/walk" "$binding"
}
failed=0
tell() {
    if "${@:2}" >"$home/log" 2>&1; then
        echo "napari $version, $1: $(tail -n 1 "$home/log")"
    else
        failed=1
        echo "napari $version, $1: fails"
        tail -n 40 "$home/log"
    fi
}
for version in "${versions[@]}"; do
    tell "walk with PyQt6" walk PyQt6
    tell "walk with PyQt5" walk PyQt5
    rm -rf "$home/$version"-*
done
exit $failed

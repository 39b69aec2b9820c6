#!/usr/bin/env bash
# A walk through the docks (tests/plugin/walk.py) with several releases of napari, each in an environment of its own:
#   scripts/napari_versions.sh                  the last of each of the last three minor versions, the oldest first
#   scripts/napari_versions.sh 0.7.0 0.9.2      these
# Which these are, pip asks the index.
# PYTHON=python3.12 takes another Python. Needs uv, which `make test` puts into .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
uv=$(PATH=$PWD/.venv/bin:$PWD/.venv/Scripts:$PATH command -v uv) || { echo "uv is missing: pip install uv" >&2; exit 1; }
last_of_three_minors() {
    "${PYTHON:-python3}" -m pip index versions napari --disable-pip-version-check 2>/dev/null |
        sed -n 's/^Available versions: //p' | tr -d ' ' | tr ',' '\n' |
        awk -F. '$1 "." $2 != minor { minor = $1 "." $2; if (++minors <= 3) print }' | sort -V
}
mapfile -t versions < <([ $# -gt 0 ] && printf '%s\n' "$@" || last_of_three_minors)
[ ${#versions[@]} -gt 0 ] || { echo "pip cannot ask the index; name versions of napari" >&2; exit 1; }
failed=0
for version in "${versions[@]}"; do
    place=$home/$version
    "$uv" venv --quiet --python "${PYTHON:-python3}" "$place"
    "$uv" pip install --quiet --python "$place" --excludes scripts/only-for-gpus.txt . "napari==$version" PyQt6 pyqtgraph
    mkdir "$home/config-$version"
    if said=$(env NAPARI_CONFIG="$home/config-$version/settings.yaml" QT_API=pyqt6 scripts/with-display.sh \
        "$uv" run --no-project --python "$place" python tests/plugin/walk.py "$home/config-$version" PyQt6 2>&1); then
        echo "napari $version: $(tail -n 1 <<<"$said")"
    else
        failed=1
        echo "napari $version: fails"
        tail -n 8 <<<"$said"
    fi
done
exit $failed

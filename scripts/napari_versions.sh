#!/usr/bin/env bash
# Window tests against several releases of napari, each in an environment of its own outside the repository:
#   scripts/napari_versions.sh                  the last release of each of the last three minor versions, and the oldest
#   scripts/napari_versions.sh 0.7.1 0.9.2      these
# TESTS="tests/plugin" runs other tests, PYTHON=python3.12 takes another Python. Needs uv, which `make test` puts into .venv.
set -uo pipefail
cd "$(dirname "$0")/.."
versions=${*:-0.7.0 0.7.1 0.8.0 0.9.2}
# shellcheck disable=SC2206
tests=(${TESTS:-tests/plugin/test_manifest.py tests/plugin/test_keyboard.py tests/plugin/test_drawing.py
    tests/plugin/test_views_in_window.py tests/plugin/layers tests/plugin/labels/test_labels_hands.py
    tests/plugin/train/test_models_panel.py})
home=${NAPARI_VERSIONS_HOME:-${TMPDIR:-/tmp}/napari-versions}
uv=$(PATH=$PWD/.venv/bin:$PWD/.venv/Scripts:$PATH command -v uv) || { echo "uv is missing: pip install uv" >&2; exit 1; }
mkdir -p "$home"
failed=0
for version in $versions; do
    place=$home/$version
    [ -d "$place" ] || "$uv" venv --quiet --python "${PYTHON:-python3}" "$place" || exit 1
    # Not the project's test extra, which brings readers of other formats that no window needs.
    "$uv" pip install --quiet --python "$place" -e . "napari==$version" PyQt6 hypothesis ome-zarr pytest pytest-qt \
        pytest-xvfb tensorstore xarray "dask[array]" || exit 1
    # Warnings are no errors here: older releases use what their dependencies have deprecated since.
    if said=$("$uv" run --no-project --python "$place" python -m pytest -q -p no:cacheprovider -o filterwarnings=default \
        "${tests[@]}" 2>&1); then
        echo "napari $version: $(tail -1 <<<"$said")"
    else
        failed=1
        echo "$said" | tail -40 | sed "s/^/napari $version: /"
    fi
done
exit $failed

#!/usr/bin/env bash
# Tests with the oldest dependencies that pyproject.toml allows, in .venv-lowest: a bound that is false fails here.
#   scripts/lowest.sh              the bounds on Python 3.11, 3.12 and 3.13, then all tests but those
#                                of the window, and a walk through the docks
#   scripts/lowest.sh bounds       the bounds only: that they can be installed together, as wheels
#   scripts/lowest.sh TESTS...     these tests
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(PATH=$PWD/.venv/bin:$PWD/.venv/Scripts:$PATH command -v uv) || { echo "uv is missing: pip install uv" >&2; exit 1; }
place=.venv-lowest
# dask comes with distributed, which asks for the same release of it, and with napari, which would get the newest.
lowest=(--quiet --resolution lowest-direct --only-binary :all: --extra all --extra bioimageio)

for version in 3.11 3.12 3.13; do
    "$uv" pip compile "${lowest[@]}" --python-version "$version" --no-header --no-annotate pyproject.toml \
        - <<<"dask>=2024.12" >/dev/null
    echo "Python $version: the bounds can be installed together"
done
[ "${1:-}" != bounds ] || exit 0

"$uv" venv --quiet --clear --python "${PYTHON:-python3}" "$place"
"$uv" pip install --python "$place" "${lowest[@]}" --excludes scripts/only-for-gpus.txt -r pyproject.toml "dask>=2024.12"
"$uv" pip install --quiet --python "$place" --no-deps -e .
# The tools of the tests are today's, and may not move what was just chosen.
"$uv" pip freeze --python "$place" --exclude-editable >"$place/chosen.txt"
"$uv" pip install --quiet --python "$place" --constraint "$place/chosen.txt" \
    build czifile google-crc32c "hatchling==1.27.0" hypothesis import-linter monai napari-ome-zarr pip "PySide6-Essentials>=6.8,!=6.12.0" pytest \
    pytest-qt pytest-xdist pytest-xvfb tensorstore torchmetrics twine xarray
# ome-zarr asks for a newer dask, which it does not need for what the tests ask of it.
"$uv" pip install --quiet --python "$place" --no-deps "ome-zarr>=0.18" ome-zarr-models pydantic-zarr deprecated rangehttpserver
tests=("$@")
# Tests of the window look into the insides of napari 0.9. The device of the other two is made of what torch has since 2.10.
[ ${#tests[@]} -gt 0 ] || tests=(tests --ignore tests/plugin --ignore tests/gpu/test_device_parts.py
    --ignore tests/gpu/test_learned_methods.py -n 3 --dist loadfile --no-loadscope-reorder --max-worker-restart 1)
# Warnings are no errors here, nor in what tests start: old releases use what others have deprecated since.
PYTEST_ADDOPTS="-o filterwarnings=default" "$uv" run --no-project --python "$place" python -m pytest -q "${tests[@]}"
[ $# -eq 0 ] || exit 0
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
NAPARI_CONFIG="$home/settings.yaml" QT_API=pyqt6 scripts/with-display.sh \
    "$uv" run --no-project --python "$place" python tests/plugin/walk.py "$home" PyQt6

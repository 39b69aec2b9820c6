#!/usr/bin/env bash
# Tests with the oldest dependencies that pyproject.toml allows, in .venv-lowest: a bound that is false fails here.
#   scripts/lowest.sh              the bounds on Python 3.11, 3.12 and 3.13, then the tests of all rooms without a window
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
    czifile hypothesis import-linter napari-ome-zarr pytest pytest-qt pytest-xvfb tensorstore torchmetrics xarray
# ome-zarr asks for a newer dask, which it does not need for what the tests ask of it.
"$uv" pip install --quiet --python "$place" --no-deps "ome-zarr>=0.18" ome-zarr-models pydantic-zarr deprecated rangehttpserver
tests=("$@")
[ ${#tests[@]} -gt 0 ] || tests=(tests/stack tests/run tests/numerics tests/metrics tests/io tests/nn tests/models
    tests/report tests/evaluation tests/fusion tests/labels tests/damage tests/registration tests/system tests/training
    tests/api tests/batch/test_batch_runs.py tests/methods/test_classical.py tests/methods/test_flow.py)
# Warnings are no errors here: old releases use what others have deprecated since.
"$uv" run --no-project --python "$place" python -m pytest -q --no-xvfb -o filterwarnings=default "${tests[@]}"

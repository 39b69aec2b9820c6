#!/usr/bin/env bash
# Tests with the oldest dependencies that pyproject.toml allows, in .venv-lowest: a bound that is false fails here.
#   scripts/lowest.sh [TESTS...]
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(PATH=$PWD/.venv/bin:$PWD/.venv/Scripts:$PATH command -v uv) || { echo "uv is missing: pip install uv" >&2; exit 1; }
place=.venv-lowest
"$uv" venv --quiet --clear --python "${PYTHON:-python3}" "$place"
"$uv" pip install --quiet --python "$place" --resolution lowest-direct --excludes scripts/only-for-gpus.txt \
    -r pyproject.toml --extra all --extra bioimageio
"$uv" pip install --quiet --python "$place" --no-deps -e .
# The tools of the tests are today's, and may not move what was just chosen.
"$uv" pip freeze --python "$place" --exclude-editable >"$place/chosen.txt"
"$uv" pip install --quiet --python "$place" --constraint "$place/chosen.txt" hypothesis pytest pytest-qt pytest-xvfb xarray
tests=("$@")
[ ${#tests[@]} -gt 0 ] || tests=(tests/stack tests/run tests/numerics tests/metrics tests/io/test_tiff.py
    tests/io/test_nifti.py tests/methods/test_classical.py tests/nn tests/models tests/report tests/batch/test_batch_runs.py)
# Warnings are no errors here: old releases use what others have deprecated since.
"$uv" run --no-project --python "$place" python -m pytest -q --no-xvfb -o filterwarnings=default "${tests[@]}"

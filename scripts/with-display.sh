#!/usr/bin/env bash
# Runs a command on a virtual screen where there is xvfb-run, so that no window disturbs the desktop.
set -euo pipefail
if command -v xvfb-run >/dev/null; then
    exec xvfb-run -a -s "-screen 0 1600x1200x24" "$@"
fi
exec "$@"

#!/usr/bin/env bash
# Runs a command on a virtual screen where there is Xvfb, so that no window disturbs the desktop.
# xvfb-run would wait for ever where the signal that the screen is there comes before it waits for it.
set -euo pipefail
command -v Xvfb >/dev/null || exec "$@"
coproc SCREEN { exec Xvfb -displayfd 1 -nolisten tcp -screen 0 1600x1200x24 2>/dev/null; }
trap 'kill "$SCREEN_PID" 2>/dev/null || true' EXIT
read -r -t 60 number <&"${SCREEN[0]}" || { echo "Xvfb gave no screen within 60 s" >&2; exit 1; }
DISPLAY=:$number "$@"

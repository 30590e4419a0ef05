#!/usr/bin/env bash
# The tests on open_clip's newest source, in an environment of their own.
# Run:  tools/newest_open_clip.sh [folder or archive with the source; from the registry if not given]
# Needs an environment in which `adapt` and its `test` extra are installed; it is not changed.
set -euo pipefail

python=${PYTHON:-python3}
repository=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/adapt-open-clip.XXXXXX")
trap 'rm -rf "$work"' EXIT
source=${1:-}

if [ -z "$source" ]; then
    "$python" -m pip download --quiet --no-deps --no-binary :all: --dest "$work" open_clip_torch
    source=$(ls "$work"/open_clip_torch-*.tar.gz)
fi
# A folder in front of the installed packages: what is there already stays as it is.
"$python" -m pip install --quiet --no-deps --target "$work/site" "$source"
cd "$repository"
export PYTHONPATH="$work/site${PYTHONPATH:+:$PYTHONPATH}" ADAPT_CI=1
"$python" -c 'import open_clip; print("open_clip", open_clip.__version__, open_clip.__file__)'
"$python" -m pytest "${@:2}"

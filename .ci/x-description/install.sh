#!/bin/sh
# Installs Prism, which checks requests and answers against a description of an API, for the test in
# tests/x/description.rs. Safe to run again: what is there already is left alone.
#
# Usage: install.sh [FOLDER]      FOLDER: $STUMPER_PRISM_DIR, else target/x-description
#
# Needs npm. About 250 MB and one minute. The description of X's API is not installed: the test looks for
# openapi.json in ../shared/x, or where STUMPER_X says.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-${STUMPER_PRISM_DIR:-$here/../../target/x-description}}
mkdir -p "$folder"
cd "$folder"
[ -f package.json ] || echo '{"private":true}' >package.json
if [ ! -f .ready ]; then
    npm install --no-audit --no-fund --loglevel=error node@22 @stoplight/prism-cli@5 >&2
fi
node_folder=$(ls -d "$PWD"/node_modules/node/node_modules/node-linux-*/ "$PWD"/node_modules/node-linux-*/ 2>/dev/null | head -n 1)
node_folder=${node_folder%/}
[ -x "$node_folder/bin/node" ] || { echo "install.sh: the package node@22 holds no program for this machine" >&2; exit 1; }
[ -f node_modules/@stoplight/prism-cli/dist/index.js ] || { echo "install.sh: Prism is not where it should be" >&2; exit 1; }

# Written last: the test looks for it.
echo "$node_folder/bin/node" >.ready
echo "$folder is ready" >&2

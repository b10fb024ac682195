#!/bin/sh
# Starts the Bluesky network that install.sh installed: a new, empty one each time, on loopback only.
#
# Usage: start.sh [FOLDER]        FOLDER: $STUMPER_BLUESKY_DIR, else target/bluesky-network
#
# Prints one line of JSON once it is up: {"pid", "service", "appview", "plc", "jwt_secret",
# "admin_password", "rate_limit_bypass_key"}. Stops, and removes what it wrote, when its standard input closes or on SIGTERM.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-${STUMPER_BLUESKY_DIR:-$here/../../target/bluesky-network}}
[ -f "$folder/.node-folder" ] || { echo "start.sh: nothing is installed in $folder" >&2; echo "hint: run .ci/bluesky-network/install.sh" >&2; exit 1; }
folder=$(cd "$folder" && pwd)
PATH="$(cat "$folder/.node-folder")/bin:$PATH"
export PATH
exec node "$here/start.mjs" "$folder"

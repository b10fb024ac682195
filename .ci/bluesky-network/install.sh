#!/bin/sh
# Installs a whole Bluesky network (directory, personal data server, app view) for the tests in
# tests/bluesky_network.rs. Safe to run again: what is there already is left alone.
#
# Usage: install.sh [FOLDER]      FOLDER: $STUMPER_BLUESKY_DIR, else target/bluesky-network
#
# Needs npm, python3, make and a C++ compiler; PostgreSQL and Redis are installed with apt-get where
# they are missing, which needs root. About 700 MB and two minutes.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-${STUMPER_BLUESKY_DIR:-$here/../../target/bluesky-network}}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

# The database and the cache, as Debian packages them.
missing=
[ -n "$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null || command -v initdb || true)" ] || missing="$missing postgresql"
command -v redis-server >/dev/null || missing="$missing redis-server"
if [ -n "$missing" ]; then
    # Only the programs are wanted: no server is to be started by the installation.
    # shellcheck disable=SC2086
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2 ||
        { echo "install.sh: could not install:$missing" >&2; echo "hint: install them by hand, then run this again" >&2; exit 1; }
fi

mkdir -p "$folder/node" "$folder/servers"

# The servers' compiled parts must be built for the very node that runs them, so that node comes from
# a package too, and the compiler is pointed at its header files. It has a folder of its own: npm
# rebuilds the package whenever it installs something beside it, just when the headers are needed.
cd "$folder/node"
[ -f package.json ] || echo '{"private":true}' >package.json
[ -x node_modules/.bin/node ] || npm install --no-audit --no-fund --loglevel=error node@22 >&2
node_folder=$(ls -d "$PWD"/node_modules/node/node_modules/node-linux-*/ "$PWD"/node_modules/node-linux-*/ 2>/dev/null | head -n 1)
node_folder=${node_folder%/}
[ -x "$node_folder/bin/node" ] || { echo "install.sh: the package node@22 holds no program for this machine" >&2; exit 1; }
PATH="$node_folder/bin:$PATH"
npm_config_nodedir=$node_folder
export PATH npm_config_nodedir

cd "$folder/servers"
[ -f package.json ] || echo '{"private":true}' >package.json
if [ ! -f "$folder/.node-folder" ]; then
    npm install --no-audit --no-fund --loglevel=error @atproto/dev-env@0.6.7 >&2
fi

# Written last: start.sh looks for it.
echo "$node_folder" >"$folder/.node-folder"
echo "$folder is ready" >&2

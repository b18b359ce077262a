#!/bin/sh
# Installs what the scenario `peers` is compared with into the build folder: Node-RED from npm and the ThingsBoard
# gateway from PyPI. Needs npm and python3 with pip; a peer that cannot be installed is left out of the scenario.
set -u

peers="${CARGO_TARGET_DIR:-target}/bench/peers"
mkdir -p "$peers"

node_red="$peers/node-red"
if ! [ -f "$node_red/node_modules/node-red/red.js" ]; then
    echo "peers: installing Node-RED into $node_red"
    npm install --silent --no-audit --no-fund --omit=optional --prefix "$node_red" node-red@4.1.15 ||
        echo "peers: Node-RED could not be installed; the scenario goes on without it" >&2
fi

thingsboard="$peers/thingsboard"
if ! PYTHONPATH="$thingsboard" python3 -c 'import thingsboard_gateway' >/dev/null 2>&1; then
    echo "peers: installing the ThingsBoard gateway into $thingsboard"
    python3 -m pip install --quiet --root-user-action=ignore --target "$thingsboard" 'thingsboard-gateway==3.8.5' ||
        echo "peers: the ThingsBoard gateway could not be installed; the scenario goes on without it" >&2
fi

#!/bin/sh
# Installs what the tests talk to, when it is missing. Says what it does; fails with the reason where it cannot.
set -eu

missing=""
need() { # program, Debian package
    PATH="$PATH:/usr/sbin" command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}
need mosquitto mosquitto
need mosquitto_pub mosquitto-clients
need openssl openssl
need promtool prometheus
need victoria-metrics victoria-metrics
need influxd influxdb
need socat socat
need faketime faketime
need python3 python3
need qemu-system-arm qemu-system-arm
# The firmware is built with an installed rustup target, else with Debian's compiler, which has no library for the target
# but its source.
if ! [ -d "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/thumbv7em-none-eabi/lib" ]; then
    [ -x /usr/bin/rustc ] && ls -d /usr/src/rustc-* >/dev/null 2>&1 || missing="$missing rustc-web cargo-web rust-web-src"
    need ld.lld lld
fi
if [ -n "$missing" ]; then
    echo "peers: installing from Debian:$missing"
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "peers: this machine has no apt-get; install$missing by hand and run again" >&2
        exit 1
    fi
    as_root=""
    [ "$(id -u)" = 0 ] || as_root="sudo"
    $as_root apt-get update -qq || { echo "peers: apt-get update failed; check the package sources" >&2; exit 1; }
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing ||
        { echo "peers: could not install$missing; install them by hand and run again" >&2; exit 1; }
fi

# pymodbus lives in a folder of its own under the build folder; nothing is installed into the system's Python.
venv="${CARGO_TARGET_DIR:-target}/peers-python"
if ! PYTHONPATH="$venv" python3 -c 'import pymodbus, serial; assert pymodbus.__version__ == "3.8.6"' >/dev/null 2>&1; then
    echo "peers: installing pymodbus and pyserial from PyPI into $venv"
    python3 -m pip install --quiet --root-user-action=ignore --target "$venv" 'pymodbus==3.8.6' pyserial ||
        { echo "peers: could not install pymodbus; python3 needs pip (Debian: python3-pip)" >&2; exit 1; }
fi
echo "peers: mosquitto and its clients, openssl, promtool, victoria-metrics, influxdb, socat, faketime, pymodbus, QEMU and a compiler for the firmware are here"

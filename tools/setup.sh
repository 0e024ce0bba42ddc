#!/usr/bin/env bash
# Set-up for developers and for the demo: .venv with the pinned packages, and the peers that tests talk to, from
# Debian and from npm. Does only what is missing; says each step. Usage: tools/setup.sh demo|test
set -euo pipefail
cd "$(dirname "$0")/.."
goal=${1:-test}
venv=.venv
stamp=$venv/.ilot-setup
peers=tests/peers/node
assets=tools/assets

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Package, then what shows that it is there: a command, or a file when it starts with a slash.
needed=("dbus dbus-daemon")
if [ "$goal" = test ]; then
    needed+=(
        "gcc gcc"
        "libc6-dev /usr/include/stdio.h"
        "libmodbus-dev /usr/include/modbus/modbus.h"
        "mbpoll mbpoll"
        "mosquitto /usr/sbin/mosquitto"
        "openssl openssl"
        "strace strace"
        "iproute2 ip"
        "e2fsprogs /usr/sbin/mkfs.ext4"
        "libfaketime /usr/share/doc/libfaketime"
        "python3-dbusmock /usr/lib/python3/dist-packages/dbusmock"
        "python3-scipy /usr/lib/python3/dist-packages/scipy"
        "knxd /usr/bin/knxd"
        "knxd-tools /usr/bin/knxtool"
        "libopen62541-1.4-dev /usr/include/open62541/server.h"
        "socat socat"
        "swtpm swtpm"
        "tpm2-tools tpm2_unseal"
        "chromium chromium"
        "nodejs node"
        "npm npm"
    )
fi

present() { case $1 in /*) [ -e "$1" ] ;; *) command -v "$1" >/dev/null ;; esac; }

install_packages() {
    command -v apt-get >/dev/null || die "missing: $*. This machine has no apt-get: install them by hand, then run again"
    local root=()
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || die "missing: $*. As root: apt-get install $*"
        root=(sudo)
    fi
    say "installing Debian packages: $*"
    "${root[@]}" apt-get update -q >&2 || die "apt-get update failed: see above"
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" </dev/null >&2 ||
        die "apt-get could not install: $*"
}

find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11; do
        command -v "$name" >/dev/null || continue
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

# Independent implementations in JavaScript, from the lock file: each package's hash is checked, no script of it is run.
install_node_peers() {
    local wanted
    wanted=$(cat $peers/package.json $peers/package-lock.json $peers/.npmrc | sha256sum | cut -d' ' -f1)
    [ "$(cat $peers/node_modules/.ilot-setup 2>/dev/null)" != "$wanted" ] || return 0
    node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 20 || (+a === 20 && +b >= 19) ? 0 : 1)' ||
        die "Node.js 20.19 or newer is needed for the tests' peers, this machine has $(node --version)"
    say "installing the tests' peers from $peers/package-lock.json, hashes checked"
    (cd $peers && npm ci --loglevel=error </dev/null >&2) ||
        die "npm could not install the tests' peers: see above. Is the package registry of this machine reachable?"
    printf '%s\n' "$wanted" >$peers/node_modules/.ilot-setup
}

# Scripts of others that the pages load, into hub/web/static, where wheels take them from.
install_web_assets() {
    local wanted to=hub/web/static/qr
    wanted=$(cat $assets/package.json $assets/package-lock.json $assets/.npmrc tools/setup.sh | sha256sum | cut -d' ' -f1)
    [ "$(cat $assets/node_modules/.ilot-setup 2>/dev/null)" != "$wanted" ] || [ ! -f $to/decode.js ] || return 0
    say "installing the pages' scripts from $assets/package-lock.json, hashes checked"
    (cd $assets && npm ci --loglevel=error </dev/null >&2) || return 1
    rm -rf $to && mkdir -p $to
    cp $assets/node_modules/qr/{decode.js,index.js,LICENSE,LICENSE-MIT} $to/
    printf '%s\n' "$wanted" >$assets/node_modules/.ilot-setup
}

missing=()
for line in "${needed[@]}"; do
    present "${line#* }" || missing+=("${line%% *}")
done
[ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
npm=
if [ "$goal" = test ]; then
    {
        install_node_peers
        install_web_assets ||
            die "npm could not install the pages' scripts: see above. Is the package registry of this machine reachable?"
    } &
    npm=$! # while pip installs: each waits for the network in its turn
elif ! command -v npm >/dev/null; then
    [ -f hub/web/static/qr/decode.js ] ||
        say "no npm here: the demo's pages scan by camera only in browsers that read QR codes by themselves"
else
    install_web_assets || say "npm could not install the pages' scripts: the demo goes on without them"
fi

npm_installed() { [ -z "$npm" ] || wait "$npm" || die "npm has failed: see above"; }

python=$(find_python) || { install_packages python3 python3-venv; python=$(find_python); } ||
    die "Python 3.11 or newer is needed and this machine's packages do not have it"

mark=$(cat constraints.txt pyproject.toml tools/setup.sh | sha256sum | cut -d' ' -f1)
made=$(cat $stamp 2>/dev/null) || made=
if [ "$made" = "$mark $PWD" ] && [ -x $venv/bin/ilot ] && $venv/bin/python -c '' 2>/dev/null; then
    npm_installed
    exit 0
fi

# Scripts of a virtual environment name its path: one that was moved or copied is made again.
if [ "${made#* }" != "${made:+$PWD}" ] || ! $venv/bin/python -m pip --version >/dev/null 2>&1; then
    "$python" -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
    say "making $venv with $("$python" --version)"
    "$python" -m venv --clear $venv
fi
# A constraint file of the whole machine would be mixed with ours and carries no hashes: ours alone counts here.
export PIP_CONSTRAINT=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
say "installing pinned packages from constraints.txt, hashes checked (about a minute the first time)"
$venv/bin/python -m pip install --quiet --no-compile --require-hashes --requirement constraints.txt
$venv/bin/python -m compileall -q -j 0 $venv/lib >/dev/null || true # on every core; a file that is no Python here stays
say "installing ilot itself, editable"
$venv/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
npm_installed
printf '%s %s\n' "$mark" "$PWD" >$stamp
say "done: $venv/bin/ilot"

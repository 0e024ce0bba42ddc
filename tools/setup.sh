#!/usr/bin/env bash
# Set-up of what one command needs, and no more: Debian's packages, a virtual environment with pinned packages, and
# scripts from npm. Does only what is missing, says each step, its megabytes and its seconds.
#
#   tools/setup.sh demo|check|test|bench|faults|screenshots|dist
#   tools/setup.sh which [3.11]        the Python that an environment is made with; or one of that version, if any
#   tools/setup.sh needs GOAL          Debian's packages that a goal needs, and after "pip:" what of constraints.txt
#
# ILOT_PYTHON   the Python to make the environment with; else Debian's own, else the newest that is found
# ILOT_VENV     where the environment is; else .venv
set -euo pipefail
cd "$(dirname "$0")/.."
goal=${1:-test}
top=$PWD
venv=${ILOT_VENV:-.venv}
stamp=$venv/.ilot-setup
peers=tests/peers/node
assets=tools/assets
leaflet=backend/city/pages/static/leaflet
wheels=.cache/wheels
debian=/usr/bin/python3

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# -- which Python ------------------------------------------------------------------------------------------------

# Whether this one runs (the shim of a version manager may not) and is supported: the same is said in pyproject.toml.
supported() {
    "$1" -c 'import platform, sys
known = (3, 11) <= sys.version_info < (3, 15)
sys.exit(not (known and sys.maxsize > 2**32 and platform.machine() in ("x86_64", "aarch64")))' 2>/dev/null
}

version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# Every file of that name on the path, one a line: the first may be a shim that does not run.
every() { type -ap "$1" || true; }

find_python() {
    local name
    if [ -n "${ILOT_PYTHON:-}" ]; then
        ! supported "$ILOT_PYTHON" || command -v "$ILOT_PYTHON"
        return
    fi
    for name in $debian $(for minor in 14 13 12 11; do every python3.$minor; done) $(every python3); do
        if supported "$name"; then
            printf '%s\n' "$name"
            return
        fi
    done
}

if [ "$goal" = which ]; then
    if [ -z "${2:-}" ]; then find_python | grep .; exit; fi
    for name in $(every "python$2") $debian; do
        if [ "$(version "$name")" = "$2" ] && supported "$name" && "$name" -c 'import ensurepip' 2>/dev/null; then
            printf '%s\n' "$name"
            exit 0
        fi
    done
    exit 1
fi

# -- what the goal needs -----------------------------------------------------------------------------------------

# For whom; the package; what shows that it is there: a command, or a file when it starts with a slash.
table="
demo,test,bench,faults,screenshots  dbus-daemon           dbus-daemon
test,faults                         gcc                   gcc
test,faults                         libc6-dev             /usr/include/stdio.h
test                                libmodbus-dev         /usr/include/modbus/modbus.h
test                                mbpoll                mbpoll
test                                mosquitto             /usr/sbin/mosquitto
test                                openssl               openssl
test                                openssh-client        sftp
test,faults                         strace                strace
test                                iproute2              ip
test                                nftables              /usr/sbin/nft
test                                systemd               systemd-analyze
test,bench,faults                   e2fsprogs             /usr/sbin/mkfs.ext4
test,bench,faults                   mount                 mount
test,faults                         libfaketime           /usr/share/doc/libfaketime
test                                python3-dbusmock      /usr/lib/python3/dist-packages/dbusmock
test                                python3-scipy         /usr/lib/python3/dist-packages/scipy
test                                knxd                  /usr/bin/knxd
test                                knxd-tools            /usr/bin/knxtool
test                                libopen62541-1.4-dev  /usr/include/open62541/server.h
test                                socat                 socat
test                                swtpm                 swtpm
test                                tpm2-tools            tpm2_unseal
test,bench,faults                   postgresql-17         /usr/lib/postgresql/17/bin/postgres
faults                              patroni               patroni
faults                              python3-etcd          /usr/lib/python3/dist-packages/etcd
faults                              etcd-server           etcd
faults                              haproxy               /usr/sbin/haproxy
test,faults                         pgbackrest            pgbackrest
bench,test,screenshots              chromium              chromium
test                                libnss3-tools         certutil
test,bench,screenshots,dist         nodejs                node
"
[ "$goal" != needs ] || { goal=${2:-} listing=yes; }
case $goal in
demo) pins=(demo setuptools polib) ;;
dist) pins=(build setuptools polib) ;;
check | test | bench | faults | screenshots) pins=(dev) ;;
*) die "no such goal: $goal. There are demo, check, test, bench, faults, screenshots, dist" ;;
esac

present() { case $1 in /*) [ -e "$1" ] ;; *) command -v "$1" >/dev/null ;; esac; }

missing=()
while read -r whom package shows; do
    [[ ,$whom, == *,$goal,* ]] || continue
    [ -z "${listing:-}" ] || printf '%s\n' "$package"
    present "$shows" || missing+=("$package")
done <<<"$table"
[ -z "${listing:-}" ] || { printf 'pip: %s\n' "${pins[*]}"; exit 0; }

python=$(find_python)
[ -z "${ILOT_PYTHON:-}" ] || [ -n "$python" ] || [ "$ILOT_PYTHON" = $debian ] ||
    die "ILOT_PYTHON=$ILOT_PYTHON does not run, or is no Python 3.11 to 3.14 of 64 bit on x86-64 or aarch64"

# Each environment says what it was made from: with other pins it is filled again, elsewhere or by another Python made.
mark=$(cat constraints.txt pyproject.toml tools/setup.sh tools/pins.py | sha256sum | cut -d' ' -f1)
made='' place='' held=' '
[ ! -f "$stamp" ] || { read -r made place && IFS= read -r held; } <"$stamp" || held=' '
whole='' filled=''
if [ "$place" = "$PWD" ] && "$venv/bin/python" -c "import pip" 2>/dev/null; then
    real='import os, sys; print(os.path.realpath(sys.executable))'
    if [ -z "${ILOT_PYTHON:-}" ] ||
        { [ -n "$python" ] && [ "$("$python" -c "$real")" = "$("$venv/bin/python" -c "$real")" ]; }; then
        whole=yes
    fi
fi
[ -n "$whole" ] && [ "$made" = "$mark" ] || held=' '
case $held in *" dev "* | *" ${pins[0]} "*) filled=yes ;; esac
[ "$goal" != test ] || [ -d $wheels ] || filled= # a test installs from there

# The scripts of others, from npm: two folders, each with its lock file.
sum_of() { cat "$1"/package.json "$1"/package-lock.json "$1"/.npmrc tools/setup.sh | sha256sum | cut -d' ' -f1; }
lacks() { [ "$(sum_of "$1")" != "$(cat "$1"/node_modules/.ilot-setup 2>/dev/null)" ]; }
scripts=()
case $goal in
test) lacks $peers && scripts+=($peers) ;;&
test | bench | screenshots | dist | demo)
    if lacks $assets || [ ! -f hub/page_kit/static/qr/decode.js ] || [ ! -f $leaflet/leaflet.js ]; then
        # The demo goes on without: it is worth no Node.js.
        if [ "$goal" != demo ] || command -v npm >/dev/null; then scripts+=($assets); fi
    fi
    ;;
esac

catalogues() { "$venv/bin/python" tools/catalogues.py compile || die "the translations could not be compiled"; }
if [ ${#missing[@]} = 0 ] && [ -n "$filled" ] && [ ${#scripts[@]} = 0 ]; then
    catalogues
    exit 0
fi

# -- steps -------------------------------------------------------------------------------------------------------

early=
if [ -z "$filled" ] && { [ -z "$python" ] || { [ -z "$whole" ] && ! "$python" -c 'import ensurepip' 2>/dev/null; }; }; then
    early=yes
fi
steps=0 step=0
[ -z "$early" ] || steps=$((steps + 1))
[ ${#missing[@]} = 0 ] || steps=$((steps + 1))
[ ${#scripts[@]} = 0 ] || steps=$((steps + 1))
[ -n "$filled" ] || steps=$((steps + 2))
logs=$(mktemp -d)

next() { step=$((step + 1)) at="step $step of $steps" since=$SECONDS; say "$at: $*"; }
ready() { say "$at: done, $*, $((SECONDS - since)) s"; }
broken() { tail -n 30 "$1" >&2; die "$at: $2. The whole of what it said is in $1"; }

root=()
become_root() {
    command -v apt-get >/dev/null || die "missing: $*. This machine has no apt-get: install them by hand, then run again"
    [ "$(id -u)" != 0 ] || return 0
    command -v sudo >/dev/null || die "missing: $*. As root: apt-get install --no-install-recommends $*"
    root=(sudo)
    sudo -n true 2>/dev/null || sudo -v || die "missing: $*, and sudo may not install them here"
}

# How far apt-get is, a line for each quarter of the way.
quarters() {
    local kind percent last='' now
    while IFS=: read -r kind _ percent _; do
        case $kind in
        dlstatus) kind=fetched ;;
        pmstatus) kind=installed ;;
        *) continue ;;
        esac
        now="$kind $((${percent%%.*} / 25 * 25)) %"
        [ "$now" = "$last" ] || [ "${now#* }" = "0 %" ] || say "$at: $now"
        last=$now
    done
}

updated=
apt() {
    local log=$logs/apt.$step sizes
    if [ -z "$updated" ]; then
        "${root[@]}" apt-get update -q >"$log" 2>&1 || broken "$log" "apt-get update failed"
        updated=yes
    fi
    sizes=$(apt-get install -y --no-install-recommends --print-uris "$@" 2>/dev/null |
        awk "/^'/ { n++; sum += \$3 } END { printf \"%d packages, %.1f MB\", n, sum / 1e6 }")
    say "$at: $sizes"
    # Its own words go to the log, by a file: on a pipe that apt-get shares, packages' scripts were seen to fail.
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c 'log=$1 && shift && exec "$@" 3>&1 >>"$log" 2>&1' apt "$log" \
        apt-get install -q -y --no-install-recommends -o APT::Status-Fd=3 -o Dpkg::Use-Pty=0 "$@" </dev/null | quarters ||
        broken "$log" "apt-get could not install $*"
    ready "$sizes"
}

# Debian's npm brings 360 packages of its own: where no npm is, corepack, which comes with Node.js, brings the one that
# package.json names with its hash.
any_npm() {
    if command -v npm >/dev/null; then npm "$@"; else
        COREPACK_HOME=$top/.cache/corepack COREPACK_ENABLE_DOWNLOAD_PROMPT=0 corepack npm "$@"
    fi
}

npm_ci() {
    local folder=$1 log
    log=$logs/npm.$(basename "$folder")
    (cd "$folder" && any_npm ci --loglevel=error </dev/null >"$log" 2>&1) || return 1
    if [ "$folder" = $assets ]; then
        local to=hub/page_kit/static/qr # where wheels take them from
        rm -rf $to && mkdir -p $to
        cp $assets/node_modules/qr/{decode.js,index.js,LICENSE,LICENSE-MIT} $to/
        rm -rf $leaflet && mkdir -p $leaflet
        cp $assets/node_modules/leaflet/{dist/leaflet.js,dist/leaflet.css,LICENSE} $leaflet/
    fi
    sum_of "$folder" >"$folder/node_modules/.ilot-setup"
}

# Each package's hash is checked, no script of it is run.
install_scripts() {
    local folder
    node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 20 || (+a === 20 && +b >= 19) ? 0 : 1)' ||
        [ "$goal" = demo ] || die "Node.js 20.19 or newer is needed, this machine has $(node --version)"
    for folder in "${scripts[@]}"; do
        if ! npm_ci "$folder"; then
            [ "$goal" != demo ] || { say "$at: npm failed: the demo goes on, its pages scan in fewer browsers"; return; }
            broken "$logs/npm.$(basename "$folder")" "npm failed in $folder. Is the package registry of this machine reachable?"
        fi
    done
    ready "$(du -cm "${scripts[@]/%//node_modules}" | tail -n 1 | cut -f1) MB on the disk"
}

pip() { "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"; }

# How many packages pip has fetched, a line for every twentieth.
counted() {
    local line n=0
    while IFS= read -r line; do
        case $line in
        *.metadata*) ;;
        *Downloading\ * | *"Using cached "*)
            printf '%s\n' "$line" >>"$2"
            n=$((n + 1))
            [ $((n % 20)) != 0 ] || say "$at: fetched $n of $1"
            ;;
        *) printf '%s\n' "$line" >>"$2" ;;
        esac
    done
}

# What pip fetches, in three processes beside one another, then installed from the disk alone: kept in .cache/wheels, so
# that another environment, or the same made anew, asks no registry.
fetch() {
    local list=$1 total log=$logs/fetch n
    total=$(grep -c '^[^ #]' "$list")
    have=$wheels/.have-$(cat "$list" <(version $venv/bin/python) <(uname -m) | sha256sum | cut -d' ' -f1)
    [ ! -f "$have" ] || { ready "all $total are in $wheels"; return; }
    mkdir -p $wheels
    awk -v to="$logs/pins." '/^[^ #]/ { n++ } { print >(to n % 3) }' "$list"
    {
        for n in 0 1 2; do
            [ ! -f "$logs/pins.$n" ] || {
                pip download --progress-bar off --no-deps --no-build-isolation --require-hashes \
                    --requirement "$logs/pins.$n" --dest $wheels 2>&1 || touch "$logs/failed"
            } &
        done
        wait
    } | counted "$total" "$log"
    [ ! -e "$logs/failed" ] || broken "$log" "pip could not fetch the pinned packages"
    touch "$have"
    ready "$total packages, $(grep -hoE '\([0-9.]+ [kM]B\)$' "$log" |
        awk '{ sum += substr($1, 2) * ($2 == "MB)" ? 1 : 0.001) } END { printf "%.1f MB", sum }')"
}

fill() {
    local log=$logs/pip list=$logs/pins have
    # A constraint file of the whole machine would be mixed with ours and carries no hashes: ours alone counts here.
    export PIP_CONSTRAINT=/dev/null
    next "packages of constraints.txt for $(version $venv/bin/python) (${pins[*]}), hashes checked"
    "$python" tools/pins.py setuptools >"$list.first" # what builds is pinned too, and comes first
    "$python" tools/pins.py "${pins[@]}" >"$list"
    pip install --quiet --no-deps --require-hashes --requirement "$list.first" >"$log" 2>&1 || broken "$log" "pip failed"
    fetch "$list"
    next "installing them into $venv"
    pip install --quiet --no-index --find-links $wheels --no-deps --no-build-isolation --no-compile --require-hashes \
        --requirement "$list" >"$log" 2>&1 || { rm -f "$have"; broken "$log" "pip could not install them"; }
    $venv/bin/python -m compileall -q -j 0 $venv/lib >/dev/null 2>&1 || true # on every core; a file that is no Python stays
    if [ "$goal" != dist ]; then
        pip install --quiet --no-index --no-deps --no-build-isolation --editable . >"$log" 2>&1 ||
            broken "$log" "ilot itself could not be installed"
    fi
    ready "$(du -sm $venv | cut -f1) MB on the disk"
    held="$held${pins[0]} "
    printf '%s %s\n%s\n' "$mark" "$PWD" "$held" >"$stamp"
}

lacking=(${early:+python3 python3-venv} "${missing[@]}")
[ ${#lacking[@]} = 0 ] || become_root "${lacking[@]}"
if [ -n "$early" ]; then
    next "Debian's Python: python3 python3-venv"
    apt python3 python3-venv
    python=$(find_python)
    [ -n "$python" ] || die "Python 3.11 to 3.14 of 64 bit is needed, on x86-64 or aarch64: this machine's packages do not have it"
    "$python" -c 'import ensurepip' 2>/dev/null || die "$python cannot make virtual environments: it lacks ensurepip"
fi
# Debian's packages, and npm's after Node.js, beside pip: each waits for the network in its turn.
beside=
if [ ${#missing[@]} != 0 ] || [ ${#scripts[@]} != 0 ]; then
    [ ${#missing[@]} = 0 ] || next "Debian's packages: ${missing[*]}"
    {
        [ ${#missing[@]} = 0 ] || apt "${missing[@]}"
        if [ ${#scripts[@]} != 0 ]; then
            next "scripts from npm: ${scripts[*]}, hashes checked"
            install_scripts
        fi
    } &
    beside=$!
    [ ${#scripts[@]} = 0 ] || step=$((step + 1))
fi
ended() { [ -z "$beside" ] || wait "$beside" || exit 1; } # what dpkg has begun is never killed
trap 'code=$?; trap - EXIT; ended; exit $code' EXIT
if [ -z "$filled" ]; then
    if [ -z "$whole" ]; then
        say "making $venv with $python, $("$python" --version)"
        "$python" -m venv --clear $venv
        held=' '
    fi
    fill
fi
trap - EXIT
ended
rm -rf "$logs"
catalogues
say "ready in $SECONDS s"

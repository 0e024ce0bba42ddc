#!/bin/sh
# Builds LoRa Basics Station for SX1301 and SX1302/SX1303 concentrators, for /usr/lib/ilot-radio, on the architecture it
# runs on (Debian 13: build-essential, git). Not tried: nothing of this can be fetched where this project is made.
#
#   deploy/forwarder/build.sh FOLDER     an empty folder, for sources and result
#
# Boards without a temperature sensor on I2C (RAK2287, RAK5146, PG1302 on SPI) need a patch of sx1302_hal's lgw_start and
# lgw_get_temperature that goes on without one: put it at deploy/forwarder/no-temperature-sensor.patch before.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?usage: build.sh FOLDER}
mkdir -p "$folder"
cd "$folder"

fetch() { # NAME DIRECTORY
    line=$(grep "^$1 " "$here/sources")
    set -- "$1" "$2" $line
    version=$4 commit=$5 where=$6
    [ "$commit" != - ] || { echo "$here/sources: no commit for $1 $version" >&2; exit 1; }
    git clone --quiet --branch "$version" "$where" "$2"
    found=$(git -C "$2" rev-parse HEAD)
    [ "$found" = "$commit" ] || { echo "$1 $version is $found, not $commit" >&2; exit 1; }
}

fetch basicstation station
fetch sx1302_hal station/deps/lgw1302/git-repo
fetch lora_gateway station/deps/lgw/git-repo
fetch mbedtls station/deps/mbedtls/git-repo
if [ -f "$here/no-temperature-sensor.patch" ]; then
    cat "$here/no-temperature-sensor.patch" >>station/deps/lgw1302/V2.1.0-corecell.patch
fi

arch=$(gcc -dumpmachine)
for build in corecell:sx1302 linux:sx1301; do
    platform=${build%:*} chip=${build#*:}
    make -C station platform="$platform" variant=std "ARCH.$platform.default=$arch"
    install -D -m 0755 "station/build-$platform-std/bin/station" "result/station-$chip"
done
(cd result && sha256sum station-sx1301 station-sx1302 >SHA256SUMS && cat SHA256SUMS)
echo "now: install -D -m 0755 -t /usr/lib/ilot-radio $folder/result/station-*"

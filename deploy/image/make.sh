#!/bin/sh
# Makes an image for a card: Debian 13 with the package ilot, a root that is read-only after its first start, and a
# partition for what changes. See README.md.
#
#   deploy/image/make.sh arm64 ilot_VERSION_arm64.deb ilot.img      as root, on Debian 13
#
# Needs mmdebstrap, e2fsprogs, dosfstools, mtools, fdisk; for arm64 on another machine also qemu-user-static, known to
# the kernel (binfmt-support). ILOT_MIRROR: another mirror than Debian's own. Nothing is mounted and no loop device is used.
set -eu
architecture=$1 package=$(readlink -f "$2") image=$(readlink -f "$3")
here=$(dirname "$(readlink -f "$0")")
boot_mib=384 root_mib=3072 data_mib=512
case $architecture in
arm64)
    hardware=linux-image-arm64,raspi-firmware,firmware-brcm80211,bluez-firmware
    starts=/etc/kernel/postinst.d/z50-raspi-firmware # writes the boot partition by the settings of files/etc/default
    ;;
amd64) hardware=linux-image-cloud-amd64 starts=true ;; # to try it in an emulator, from what lies in /boot
*) echo "make.sh: arm64, or amd64 to try it" >&2; exit 2 ;;
esac

work=$(mktemp -d "${TMPDIR:-/tmp}/ilot-image-XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM
root=$work/root
mmdebstrap --variant=minbase --architectures="$architecture" --components=main,non-free-firmware \
    --dpkgopt=force-unsafe-io \
    --include="systemd,systemd-sysv,systemd-timesyncd,dbus,udev,python3,tzdata,ca-certificates,apt,e2fsprogs,fdisk" \
    --include="network-manager,polkitd,wpasupplicant,wireless-regdb,dnsmasq-base,modemmanager,usb-modeswitch,nftables" \
    --include="bluez,unattended-upgrades,openssh-server,dosfstools,zstd,$hardware" \
    --customize-hook="mkdir -p \"\$1/boot/firmware\" \"\$1/data\"" \
    --customize-hook="copy-in $here/files/etc $here/files/usr /" \
    --customize-hook="copy-in $here/../apt/52ilot-unattended-upgrades /etc/apt/apt.conf.d" \
    --customize-hook="copy-in $package /var/tmp" \
    --customize-hook="chroot \"\$1\" sh -c 'apt-get install -y /var/tmp/$(basename "$package") && rm /var/tmp/*.deb'" \
    --customize-hook="chroot \"\$1\" env DEB_MAINT_PARAMS=configure $starts" \
    --customize-hook="chroot \"\$1\" systemctl enable ilot-first-boot.service" \
    --customize-hook="chroot \"\$1\" passwd -l root" \
    --customize-hook="rm -f \"\$1\"/etc/ssh/ssh_host_*; rm -rf \"\$1\"/var/lib/ilot/* \"\$1\"/var/lib/ilot-release" \
    --customize-hook="echo ilot >\"\$1/etc/hostname\"" \
    trixie "$root" ${ILOT_MIRROR:+"$ILOT_MIRROR"}

# What changes lies on the data partition from the beginning; the mount points stay on the root.
data=$work/data
mkdir -p "$data/ilot" "$data/ilot-release" "$data/ilot-etc" "$data/connections" "$data/systemd"
cp -a "$root/etc/ilot/." "$data/ilot-etc/"
for name in ilot-plugins ilot-radio NetworkManager bluetooth apt unattended-upgrades; do
    mkdir -p "$root/var/lib/$name"
    cp -a "$root/var/lib/$name" "$data/$name"
done
cp -a "$root/var/cache/apt" "$data/apt-cache"
ln -sfn /run/NetworkManager/resolv.conf "$root/etc/resolv.conf" # instead of the one of the machine that this runs on
mkdir -p "$root/var/lib/ilot" "$root/var/lib/ilot-release" "$root/etc/NetworkManager/system-connections"
owner=$(awk -F: '$1 == "ilot" { print $3 ":" $4 }' "$root/etc/passwd")
chown "${owner:?the package made no user ilot}" "$data/ilot" "$data/ilot-etc"
chmod 0700 "$data/ilot" "$data/connections"
chmod --reference="$root/etc/ilot" "$data/ilot-etc"

mkfs.vfat -C -n ILOT-BOOT "$work/boot.img" $((boot_mib * 1024)) >/dev/null
[ -z "$(ls -A "$root/boot/firmware")" ] || mcopy -s -i "$work/boot.img" "$root/boot/firmware/"* ::
rm -rf "${root:?}/boot/firmware/"*
truncate -s ${root_mib}M "$work/root.img" && mke2fs -q -t ext4 -L ilot-root -d "$root" "$work/root.img"
truncate -s ${data_mib}M "$work/data.img" && mke2fs -q -t ext4 -L ilot-data -d "$data" "$work/data.img"

truncate -s $((1 + boot_mib + root_mib + data_mib + 1))M "$image"
sfdisk -q "$image" <<PARTITIONS
label: dos
start=1MiB, size=${boot_mib}MiB, type=c, bootable
start=$((1 + boot_mib))MiB, size=${root_mib}MiB, type=83
start=$((1 + boot_mib + root_mib))MiB, size=${data_mib}MiB, type=83
PARTITIONS
dd if="$work/boot.img" of="$image" bs=1M seek=1 conv=notrunc,sparse status=none
dd if="$work/root.img" of="$image" bs=1M seek=$((1 + boot_mib)) conv=notrunc,sparse status=none
dd if="$work/data.img" of="$image" bs=1M seek=$((1 + boot_mib + root_mib)) conv=notrunc,sparse status=none
echo "$image"

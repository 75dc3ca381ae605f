#!/bin/bash
# For maintainers, as root: do the commands of the README work on a fresh machine with a shell and apt?
#
#     tools/fresh.sh [SUITE] [DIRECTORY]      (bookworm; a new directory under $TMPDIR)
#
# Makes a chroot from this machine's own mirror, clones this repository into it, and runs the two
# commands of the README there. The chroot is kept for inspection; its mounts are undone.
# SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$(readlink -f "$0")")/.."
. tools/install.sh

suite=${1-bookworm}
dir=${2-$(mktemp -d "${TMPDIR:-/tmp}/perch-fresh.XXXXXX")}
here=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt_sources | sed -n "s/^\([^|]*\)|\([^|]* \)\?$here\( [^|]*\)\?|.*/\1/p" | head -1)
[ -n "$mirror" ] || { echo "fresh: no mirror in apt's sources" >&2 && exit 2; }

unmount() {
    local point
    for point in dev/pts dev proc sys; do
        ! mountpoint -q "$dir/$point" || umount "$dir/$point"
    done
}
trap unmount EXIT

if [ ! -e "$dir/etc/os-release" ]; then
    debootstrap --variant=minbase "$suite" "$dir" "$mirror"
fi
cp -L /etc/resolv.conf "$dir/etc/resolv.conf" 2>/dev/null || :
mkdir -p "$dir/root"
if [ ! -e "$dir/root/perch" ]; then
    git clone -q . "$dir/root/perch"
fi
mount --bind /dev "$dir/dev"
mount --bind /dev/pts "$dir/dev/pts"
mount -t proc proc "$dir/proc"
mount -t sysfs -o ro sysfs "$dir/sys"
for command in "./perch run" "./perch test"; do
    echo "fresh: $suite: $command"
    chroot "$dir" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        ${http_proxy+http_proxy="$http_proxy"} ${https_proxy+https_proxy="$https_proxy"} \
        /bin/sh -c "cd /root/perch && $command"
done
echo "fresh: $suite: both commands ended with success in $dir"

#!/bin/sh
# SPDX-License-Identifier: MIT
# usb.sh APPLICATION CONFIG IMAGE: makes an image for a USB stick, with a GPT and one EFI system
# partition in FAT32. It needs no root and no loop device. The same input gives the same bytes. With
# SIGN_KEY and SIGN_CERT in the environment it signs the application for Secure Boot.
set -eu

application=$1
config=$2
image=$3
megabytes=64
first=2048                                # the partition, in sectors of 512 bytes: at 1 MiB
last=$((megabytes * 2048 - 34))           # before the second table of the GPT
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1767225600}" TZ=UTC MTOOLS_SKIP_CHECK=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cp "$application" "$work/BOOTX64.EFI"
if [ -n "${SIGN_KEY:-}" ]; then
    sbsign --key "$SIGN_KEY" --cert "$SIGN_CERT" --output "$work/BOOTX64.EFI" "$application" 2>/dev/null
fi
sed 's/$/\r/' "$config" > "$work/quarry.cfg"

partition="$work/image@@1M"
truncate -s ${megabytes}M "$work/image"
sgdisk --clear "$work/image" > /dev/null
sgdisk --new=1:$first:$last --typecode=1:ef00 --change-name=1:Quarry \
    --partition-guid=1:51554152-5259-4000-8000-000000000002 \
    --disk-guid=51554152-5259-4000-8000-000000000001 "$work/image" > /dev/null
mformat -i "$partition" -F -c 1 -h 64 -s 32 -T $((last - first + 1)) -N 51554152 -v QUARRY ::
mmd -i "$partition" ::/EFI ::/EFI/BOOT
mcopy -i "$partition" "$work/BOOTX64.EFI" ::/EFI/BOOT/BOOTX64.EFI
mcopy -i "$partition" "$work/quarry.cfg" ::/quarry.cfg
mv "$work/image" "$image"

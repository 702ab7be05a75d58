#!/bin/sh
# SPDX-License-Identifier: MIT
# boot.sh FOLDER MODULE KERNEL QEMU-OPTION...: boots Debian's kernel in QEMU with busybox as the only
# program, inserts the module, and prints its output. Fails if the module did not load or the machine
# did not switch itself off.
set -eu

folder=$1
module=$2
kernel=$3
shift 3

files=$folder/files
rm -rf "$files"
mkdir -p "$files/bin" "$files/proc"
cp /bin/busybox "$files/bin/"
cp "$module" "$files/module.ko"
cat > "$files/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t proc none /proc
if /bin/busybox insmod /module.ko; then
    /bin/busybox echo "module loaded"
else
    /bin/busybox echo "module refused"
fi
/bin/busybox poweroff -f
INIT
chmod +x "$files/init"
(cd "$files" && find . | cpio --quiet -o -H newc | gzip -1) > "$folder/initramfs"

# init_on_alloc=0: Debian's kernel clears every object by default, which would distort the comparison.
timeout 500 qemu-system-x86_64 -M q35 -cpu max -accel tcg -m 1G -display none -no-reboot -serial file:"$folder/log" \
    -kernel "/boot/vmlinuz-$kernel" -initrd "$folder/initramfs" \
    -append "console=ttyS0 quiet loglevel=7 preempt=full mitigations=off init_on_alloc=0 panic=-1" "$@"
tr -d '\r' < "$folder/log" | sed -n 's/^\[ *[0-9.]*\] //; /out-of-tree\|verification failed/d; /^operation\|^1\.\./,/^module/p'
grep -q "^module loaded" "$folder/log"

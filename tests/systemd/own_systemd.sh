#!/usr/bin/env bash
# Install au-edge and run its unit under a real systemd, on any machine and without touching it:
#
#     sudo tests/systemd/own_systemd.sh [PYTHON]      (default .venv/bin/python; two minutes on an idle machine)
#
# The systemd is process 1 of namespaces of its own: a layer over the root file system that is thrown away, no network
# but its own loopback, its own /dev, its own control group. /sys and /proc/sys are read-only there, or udev and sysctl
# would change this machine (they rename its network interface). service_life.py and service_devices.py are
# what is then done and seen.
set -euo pipefail
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=$(realpath -s "${1:-$checkout/.venv/bin/python}")

if [ "${2:-}" != inside ]; then
    [ "$(id -u)" = 0 ] || { echo "own_systemd.sh: namespaces of a machine need root: run it with sudo" >&2 && exit 77; }
    group=$(findmnt -nrt cgroup2 -o TARGET | head -1)/au-edge-systemd.$$
    out=$(mktemp -d)
    mkdir "$group"
    (
        echo "$BASHPID" >"$group/cgroup.procs"
        OUT=$out exec unshare --mount --pid --fork --kill-child --uts --ipc --cgroup "$0" "$python" inside
    ) >"$out/boot" 2>&1 || true
    cat "$out/boot" "$out/report" 2>/dev/null || true
    status=$(cat "$out/status" 2>/dev/null || echo 1)
    find "$group" -depth -type d -exec rmdir {} \;
    rm -rf "$out"
    exit "$status"
fi

mount --make-rprivate /
work=$(mktemp -d)
mount -t tmpfs tmpfs "$work"
mkdir "$work"/{upper,work,root,out}
root=$work/root
mount --bind "$OUT" "$work/out"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$root"
for folder in run tmp; do mount -t tmpfs tmpfs "$root/$folder"; done
mkdir "$root/run/out"
mount --bind "$work/out" "$root/run/out"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir -m 1777 "$root/dev/shm"
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
# Devices of drivers that this kernel may not have: systemd's filter goes by the numbers that /proc/devices tells, so it
# is told of them, and what passes it is answered by the kernel. See service_devices.py.
devices="alsa:116 ttyUSB:188 ttyACM:166 ttyS:4 ttyAMA:204 ttyTHS:238 i2c:89 input:13"
{
    echo "Character devices:"
    { sed -n '/^Character/,/^$/{/^ *[0-9]/p}' /proc/devices && tr ' ' '\n' <<<"$devices" | sed 's/\(.*\):\(.*\)/\2 \1/'; } |
        awk '!seen[$2]++ { printf "%3d %s\n", $1, $2 }'
    echo
    echo "Block devices:"
} >"$work/devices"
mount --bind "$work/devices" "$root/proc/devices"
for device in $devices; do # a minor number that none has: what passes the filter must not open a device of the machine
    mknod -m 666 "$root/dev/probe-${device%:*}" c "${device#*:}" 250
done
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"

chroot "$root" env HOME=/root "$checkout/systemd/install.sh" --robots --play --no-start

units=$root/etc/systemd/system
cat >"$units/life.service" <<UNIT
[Unit]
Requires=systemd-journald.service dbus.socket systemd-sysusers.service
After=systemd-journald.service dbus.socket systemd-sysusers.service
SuccessAction=exit
FailureAction=exit
[Service]
Type=oneshot
WorkingDirectory=$checkout
ExecStart=/bin/sh -c '"$python" -m tests.systemd.service_life >/run/out/report 2>&1; echo \$? >/run/out/status'
UNIT
ln -sf life.service "$units/default.target"
# What would act on the machine rather than on this root; /sys being read-only keeps udev away as well.
for unit in systemd-{udevd,udev-trigger,sysctl,binfmt,modules-load,networkd,resolved,random-seed,remount-fs}.service; do
    ln -sf /dev/null "$units/$unit"
done
export root
exec unshare --net bash -c '
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,ro,bind "$root/proc/sys"
    exec env -i container=au-edge PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
        chroot "$root" /lib/systemd/systemd --system --unit=life.service --log-target=null --show-status=no'

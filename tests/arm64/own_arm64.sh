#!/usr/bin/env bash
# Run au-edge on arm64 without such a machine, and compare every frame with this one's:
#
#     sudo tests/arm64/own_arm64.sh [PYTHON] [FOLDER]     (default .venv/bin/python, a temporary folder; an hour or two)
#
# debootstrap makes a Debian for arm64 in FOLDER (3 GB), qemu-user runs its programs; both are Debian packages, and where
# they are not installed they are fetched with apt-get and unpacked beside that root. There a copy of this checkout does
# `make run`, `check` and `render`, and the wheel runs by itself. What tells the kernel to run arm64 by qemu is
# registered in a user namespace (Linux 6.7 or later): this machine itself does not change. A root that is in FOLDER
# already is used again.
# What this cannot tell: how fast an arm64 machine is.
set -euo pipefail
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=$(realpath -s "${1:-$checkout/.venv/bin/python}")
work=$(realpath -m "${2:-$(mktemp -d)}")
release=bookworm
mirror=${MIRROR:-}  # empty: the one that debootstrap knows
packages=python3,python3-venv,python3-dev,make,git,gcc,libc6-dev,portaudio19-dev,libsndfile1,ca-certificates
networks=$(cd "$checkout/edge/models" && basename -s .int8.onnx -- *.int8.onnx | tr "\n" " ") # all that ship
root=$work/root

if [ "${3:-}" = inside ]; then
    # --- a namespace of its own: identities are those outside, the kernel's table of foreign programs is not ----------
    mount --make-rprivate /
    mkdir -p "$work/binfmt"
    mount -t binfmt_misc binfmt_misc "$work/binfmt"
    elf='\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    echo ":arm64:M::$elf:$mask:$work/qemu:FO" >"$work/binfmt/register" # F: found from within the root too
    mount --rbind /proc "$root/proc"
    mount --rbind /sys "$root/sys"
    while read -r folder; do # a mirror that is a folder of this machine, seen from within
        mkdir -p "$root$folder"
        mount --bind "$folder" "$root$folder"
    done <"$work/folders"
    mapfile -t proxies < <(env | grep -iE '^(https?|ftp|all|no)_proxy=')
    in_root() { env -i "${proxies[@]}" PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb LANG=C.UTF-8 \
        PIP_CERT="$certificates" PIP_DEFAULT_TIMEOUT=180 PIP_CONSTRAINT=/constraints.txt QEMU_CPU=cortex-a76 PYTHONUNBUFFERED=1 \
        chroot "$root" "$@"; }
    # Newer ones end by SIGSEGV when they are imported under qemu 7.2; on real processors the two gave the same frames.
    echo "onnxruntime<1.24" >"$root/constraints.txt"
    certificates=/etc/ssl/certs/of-the-machine.crt
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    cp -L /etc/ssl/certs/ca-certificates.crt "$root$certificates" # what this machine trusts, a proxy's too
    in_root uname -m
    in_root sh -c 'cd /au-edge && make run ARGS="--duration 10 -o metrics.log_period_s=2"'
    in_root sh -c 'cd /au-edge && .venv/bin/python -m edge check -o audio.source=file'
    for network in $networks; do
        in_root sh -c "cd /au-edge && .venv/bin/python -m edge render edge/demo/speech.flac --quiet --model $network \
            --out /out/$network.npz"
    done
    # The wheel, in an environment of its own and far from the checkout: it brings all that runs.
    in_root sh -c 'rm -rf /wheel/venv && python3 -m venv /wheel/venv && /wheel/venv/bin/pip install -q /wheel/*.whl'
    in_root sh -c 'cd /wheel && venv/bin/au-edge run --input "$(echo venv/lib/python*/site-packages/edge/demo/speech.flac)" \
        --duration 5 --no-view'
    in_root sh -c 'cd /wheel && venv/bin/au-edge render venv/lib/python*/site-packages/edge/demo/speech.flac --quiet \
        --out /out/wheel.npz'
    exit 0
fi

[ "$(id -u)" = 0 ] || { echo "own_arm64.sh: a root of another machine needs root: run it with sudo" >&2 && exit 77; }
mkdir -p "$work/tools"
cd "$work/tools"
for package in debootstrap qemu-user-static; do
    command -v debootstrap qemu-aarch64-static >/dev/null && break
    compgen -G "${package}_*.deb" >/dev/null || apt-get download -q "$package"
    dpkg -x "${package}"_*.deb .
done
export PATH=$PATH:$work/tools/usr/sbin:$work/tools/usr/bin
[ ! -d "$work/tools/usr/share/debootstrap" ] || export DEBOOTSTRAP_DIR=$work/tools/usr/share/debootstrap
cp "$(command -v qemu-aarch64-static)" "$work/qemu"

if [ ! -e "$root/unpacked" ]; then
    debootstrap --foreign --arch=arm64 --variant=minbase --include="$packages" "$release" "$root" ${mirror:+"$mirror"}
    # The second stage is half an hour by qemu. Nothing here needs it: files in place, names of users, a shell.
    for package in "$root"/var/cache/apt/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink
    done
    cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
    cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
    [ -e "$root/bin/sh" ] || ln -s dash "$root/bin/sh"
    touch "$root/unpacked"
fi
mkdir -p "$root/au-edge" "$root/out"
git -C "$checkout" archive HEAD | tar -x -C "$root/au-edge"
rm -rf "$root/wheel" && mkdir -p "$root/wheel" "$work/source"
git -C "$checkout" archive HEAD | tar -x -C "$work/source" # a build leaves files beside the source
"$python" -m pip wheel -q --no-deps --no-build-isolation -w "$root/wheel" "$work/source"
rm -r "$work/source"
# Where pip finds packages here, by its files, its environment and a proxy: the root has none of the three.
# PIP_USER: where a file says `user = yes`, pip takes that for "list the user's settings only".
(cd "$checkout" && PIP_USER=0 "$python" -m pip config list | "$python" -m tests.arm64.pip_settings "$root" >"$work/folders")
# Identities within are those without; they are written from here, since unshare would need the package uidmap for it.
rm -f "$work/mapped" && mkfifo "$work/mapped"
# shellcheck disable=SC2016  # expanded inside
unshare --user --mount bash -c 'read -r <"$0"; exec "$@"' "$work/mapped" \
    "$checkout/tests/arm64/own_arm64.sh" "$python" "$work" inside &
inside=$!
until [ "$(readlink /proc/$inside/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.1; done
echo "0 0 65536" >/proc/$inside/uid_map
echo "0 0 65536" >/proc/$inside/gid_map
echo >"$work/mapped"
wait $inside

cd "$checkout"
for network in $networks; do
    "$python" -m edge render edge/demo/speech.flac --quiet --model "$network" --out "$work/$network.npz"
    "$python" -m tests.arm64.compare "$network" "$work/$network.npz" "$root/out/$network.npz"
done
"$python" -m edge render edge/demo/speech.flac --quiet --out "$work/wheel.npz"
"$python" -m tests.arm64.compare "the wheel" "$work/wheel.npz" "$root/out/wheel.npz"

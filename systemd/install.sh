#!/usr/bin/env bash
# Install au-edge as a service: program to /opt/au-edge, configuration to /etc/au-edge, unit to /etc/systemd/system.
# May be run again at any time: it updates the program and the unit and keeps the configuration.
set -euo pipefail
umask 022 # the service's own user reads what root installs, also where root's umask is 077

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
. "$here/steps.sh"
destination=
wheelhouse=
extras=
python=/usr/bin/python3 # not the first on the PATH: root's own (pyenv, conda) lies where the service cannot look
dry_run=no
start=yes
robots=no
play=no
head=no
kiosk=no

usage() {
    cat <<'TEXT'
Usage: sudo systemd/install.sh [options]

  --wheelhouse FOLDER  take every Python package from this folder and nothing from the network; made on a connected
                       machine of the same kind, see doc/service.md
  --extras NAMES       extras of the package, as "metrics" or "jetson,metrics"; those of systemd/pins
  --python COMMAND     Python to make the environment with (default /usr/bin/python3; 3.10 or later)
  --robots             let the service use serial ports and I2C, for servos (docs/robots.md)
  --play               let a new configuration also play what is said (audio.play = yes); sound out needs no more rights
  --head               also the page with the face, as a service of its own (port 8930)
  --kiosk              --head, and Chromium alone on this machine's screen, showing it
  --no-start           do not enable or start the service
  --destination FOLDER put everything below this folder instead of /, and touch neither users nor systemd
  --dry-run            say what would be done, and do nothing
  --help               this text
TEXT
}

while [ $# -gt 0 ]; do
    case $1 in
    --wheelhouse | --extras | --python | --destination)
        [ $# -ge 2 ] || fail "$1 needs a value" 64
        case $1 in
        --wheelhouse) wheelhouse=$2 ;;
        --extras) extras=$2 ;;
        --python) python=$2 ;;
        --destination) destination=${2%/} ;;
        esac
        shift 2
        ;;
    --robots) robots=yes && shift ;;
    --play) play=yes && shift ;;
    --head) head=yes && shift ;;
    --kiosk) head=yes && kiosk=yes && shift ;;
    --no-start) start=no && shift ;;
    --dry-run) dry_run=yes && shift ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && fail "unknown option $1" 64 ;;
    esac
done

if [ "$robots" = yes ]; then
    case ,$extras, in *,robots,*) ;; *) extras=${extras:+$extras,}robots ;; esac
fi
if [ "$head" = yes ]; then
    case ,$extras, in *,head,*) ;; *) extras=${extras:+$extras,}head ;; esac
fi

# --- what must be true before anything is touched ---------------------------------------------------------------
find_target "writes to"
"$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    fail "$python is not Python 3.10 or later with venv: sudo apt-get install python3 python3-venv" 69
home=$("$python" -c 'import sys; print(sys.base_prefix)')
if [ "$is_system" = yes ]; then
    hidden=$(getent passwd root | cut -d: -f6)
    case $home in "$hidden"/* | /home/* | /tmp/*) fail "$python lies in $home, which the service cannot see" 69 ;; esac
fi
if [ -n "$wheelhouse" ]; then
    [ -d "$wheelhouse" ] || fail "there is no folder $wheelhouse" 66
    wheelhouse=$(cd "$wheelhouse" && pwd)
    compgen -G "$wheelhouse/au_edge-*.whl" >/dev/null || fail "no au_edge wheel in $wheelhouse" 66
fi

pins="build base ${extras//,/ }"
if [ -z "$wheelhouse" ]; then
    for name in $pins; do
        [ -f "$here/pins/$name.txt" ] || fail "no packages are pinned for the extra $name; there are: \
$(basename -s .txt -a "$here"/pins/*.txt | grep -vx -e build -e base | paste -sd ' ')" 66
    done
fi

prefix=$destination/opt/au-edge
configuration=$destination/etc/au-edge
units=$destination/etc/systemd/system
sysusers=$destination/etc/sysusers.d

# --- Debian packages, where this is such a system -------------------------------------------------------------------
packages="libportaudio2 libsndfile1"
[ -n "$wheelhouse" ] || packages="$packages portaudio19-dev libasound2-dev python3-dev gcc" # PyAudio is compiled
if [ "$kiosk" = yes ]; then
    browser=chromium
    if grep -qs '^ID=ubuntu' /etc/os-release; then browser=chromium-browser; fi
    packages="$packages $browser cage"
fi
missing=
if command -v dpkg >/dev/null; then
    for package in $packages; do dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"; done
fi
if [ -n "$missing" ] && [ -n "$wheelhouse" ]; then
    echo "missing, and not in a wheelhouse: apt-get install$missing" >&2
elif [ -n "$missing" ] && [ "$is_system" = yes ]; then
    # shellcheck disable=SC2086  # one word for each package
    run apt-get install -y --no-install-recommends $missing
fi

# --- program ------------------------------------------------------------------------------------------------------
run install -d -m 0755 "$prefix" "$prefix/doc"
if [ ! -x "$prefix/venv/bin/python" ]; then
    # On a Jetson TensorRT belongs to the system's Python, so that the environment must see it.
    run "$python" -m venv --system-site-packages "$prefix/venv"
fi
suffix=${extras:+[$extras]}
if [ -n "$wheelhouse" ]; then
    run "$prefix/venv/bin/python" -m pip install --quiet --upgrade --no-index --find-links "$wheelhouse" "au-edge$suffix"
    # The same version again is not an upgrade for pip, but may be another build.
    run "$prefix/venv/bin/python" -m pip install --quiet --force-reinstall --no-deps --no-index \
        --find-links "$wheelhouse" au-edge
else
    # Built from a copy: a build leaves files beside its source, as root, in somebody's checkout.
    source=$(mktemp -d)
    trap 'rm -rf "$source"' EXIT
    run tar -C "$root" --exclude=node_modules --exclude=__pycache__ -cf "$source/source.tar" \
        setup.py pyproject.toml README.md LICENSE edge engine_build calibration
    run tar -C "$source" -xf "$source/source.tar"
    # As root only what is written down with its SHA-256 (see pin.py). Nothing is fetched to build with either: one after
    # the other, since PyAudio is built with the first and PyCUDA with the second.
    for name in $pins; do
        run "$prefix/venv/bin/python" -m pip install --quiet --require-hashes --no-deps --no-build-isolation \
            --requirement "$here/pins/$name.txt"
    done
    run "$prefix/venv/bin/python" -m pip install --quiet --force-reinstall --no-deps --no-build-isolation --no-index "$source"
fi
if [ -f "$root/docs/service.md" ]; then
    run install -m 0644 "$root/docs/service.md" "$prefix/doc/service.md"
fi

# --- configuration: an existing one is never written to -----------------------------------------------------------
run install -d -m 0755 "$configuration"
run install -m 0644 "$here/au-edge.conf" "$configuration/au-edge.conf.example"
if [ -e "$configuration/au-edge.conf" ]; then
    echo "keeping $configuration/au-edge.conf (what is new is in au-edge.conf.example)"
    [ "$play" = no ] || echo "what is said is played where [audio] there has play = yes"
    [ "$head" = no ] || echo "the page gets its frames from [output.json]: see there that it has enabled = yes"
else
    run install -m 0644 "$here/au-edge.conf" "$configuration/au-edge.conf"
    if [ "$play" = yes ]; then
        run sed -i '/^\[audio\]/a play = yes' "$configuration/au-edge.conf"
    fi
    if [ "$head" = yes ]; then # the page gets its frames from this output
        run sed -i '/^\[output.json\]/,/^\[/s/^enabled = no/enabled = yes/' "$configuration/au-edge.conf"
    fi
fi

# --- user, unit ---------------------------------------------------------------------------------------------------
run install -d -m 0755 "$sysusers" "$units" "$units/au-edge.service.d"
run install -m 0644 "$here/au-edge.sysusers" "$sysusers/au-edge.conf"
run install -m 0644 "$here/au-edge.service" "$units/au-edge.service"
services=au-edge.service
if [ "$head" = yes ]; then
    run install -m 0644 "$here/au-edge-head.service" "$units/au-edge-head.service"
    if [ -f "$root/docs/head.md" ]; then run install -m 0644 "$root/docs/head.md" "$prefix/doc/head.md"; fi
    services="$services au-edge-head.service"
fi
if [ "$kiosk" = yes ]; then
    run install -m 0644 "$here/au-edge-kiosk.service" "$units/au-edge-kiosk.service"
    run install -m 0644 "$here/au-edge-kiosk.sysusers" "$sysusers/au-edge-kiosk.conf"
    services="$services au-edge-kiosk.service"
fi
if [ "$robots" = yes ]; then
    run install -m 0644 "$here/au-edge-robots.conf" "$units/au-edge.service.d/20-robots.conf"
fi
# A group in the unit that does not exist keeps a service from starting (216/GROUP): only those that are here.
groups=
wanted="render gpio i2c"
[ ! -e "$units/au-edge.service.d/20-robots.conf" ] && [ "$robots" = no ] || wanted="$wanted dialout"
for group in $wanted; do
    if getent group "$group" >/dev/null; then groups="$groups $group"; fi
done
if [ -n "$groups" ]; then
    echo "+ write $units/au-edge.service.d/10-groups.conf: SupplementaryGroups=$groups"
    if [ "$dry_run" = no ]; then
        printf '# Written by install.sh: groups of this machine.\n[Service]\nSupplementaryGroups=%s\n' "${groups# }" \
            >"$units/au-edge.service.d/10-groups.conf"
    fi
fi
if [ "$is_system" = no ]; then
    echo "installed below $destination; no user was made and no service started"
    exit 0
fi
run systemd-sysusers "$sysusers/au-edge.conf"
if [ "$kiosk" = yes ]; then
    run systemd-sysusers "$sysusers/au-edge-kiosk.conf"
    run install -d -m 0700 -o kiosk -g kiosk /home/kiosk
fi
if [ ! -d /run/systemd/system ]; then
    echo "systemd does not run here: start au-edge yourself, or boot with systemd"
    [ "$dry_run" = yes ] || exit 0 # a dry run tells the rest all the same
fi
run systemctl daemon-reload
if [ "$start" = yes ]; then
    for service in $services; do
        run systemctl enable "$service"
        run systemctl restart "$service"
    done
    [ "$head" = no ] || echo "the face: http://127.0.0.1:8930/"
    echo "au-edge runs; see it with: systemctl status au-edge, journalctl -fu au-edge"
fi

#!/usr/bin/env bash
# Remove the au-edge service and program. The configuration and the user stay, unless --purge.
set -euo pipefail

. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/steps.sh"
destination=
dry_run=no
purge=no

usage() {
    cat <<'TEXT'
Usage: sudo systemd/uninstall.sh [options]

  --purge              also remove /etc/au-edge, the state in /var/lib and /var/cache, and the user
  --destination FOLDER what install.sh was given
  --dry-run            say what would be done, and do nothing
  --help               this text
TEXT
}

while [ $# -gt 0 ]; do
    case $1 in
    --destination)
        [ $# -ge 2 ] || fail "$1 needs a value" 64
        destination=${2%/} && shift 2
        ;;
    --purge) purge=yes && shift ;;
    --dry-run) dry_run=yes && shift ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && fail "unknown option $1" 64 ;;
    esac
done

find_target "removes from"

for service in au-edge-kiosk.service au-edge-head.service au-edge.service; do
    unit=$destination/etc/systemd/system/$service
    if [ "$is_system" = yes ] && [ -d /run/systemd/system ] && [ -e "$unit" ]; then
        run systemctl disable --now "$service"
    fi
    run rm -f "$unit"
done
run rm -f "$destination/etc/systemd/system/au-edge.service.d/10-groups.conf"
run rm -f "$destination/etc/systemd/system/au-edge.service.d/20-robots.conf"
# What `systemctl edit` wrote is the user's, and stays unless purged.
if [ "$purge" = yes ]; then run rm -rf "$destination/etc/systemd/system/au-edge.service.d"; fi
if [ "$dry_run" = no ]; then
    rmdir "$destination/etc/systemd/system/au-edge.service.d" 2>/dev/null || true
fi
run rm -rf "$destination/opt/au-edge"
run rm -f "$destination/etc/au-edge/au-edge.conf.example"
if [ "$purge" = yes ]; then
    run rm -rf "$destination/etc/au-edge" "$destination/var/lib/au-edge" "$destination/var/cache/au-edge"
    run rm -f "$destination/etc/sysusers.d/au-edge.conf" "$destination/etc/sysusers.d/au-edge-kiosk.conf"
    if [ "$is_system" = yes ] && getent passwd au-edge >/dev/null; then run userdel au-edge; fi
    # The home of the user kiosk may hold what is not ours: it stays, and so does the user.
else
    echo "kept: $destination/etc/au-edge and the user au-edge (--purge removes them)"
fi
if [ "$is_system" = yes ] && [ -d /run/systemd/system ]; then run systemctl daemon-reload; fi

# Shared by install.sh and uninstall.sh, which set `dry_run` and `destination` before they call these.

fail() { # MESSAGE [STATUS]
    echo "$(basename "$0"): $1" >&2
    exit "${2:-1}"
}

# Show a command and run it; with --dry-run only show it.
run() {
    echo "+ $*"
    [ "$dry_run" = yes ] || "$@"
}

# Set is_system: whether this machine itself is changed, and not a folder; for that one must be root.
find_target() { # WHAT_IS_DONE
    is_system=no
    [ -n "$destination" ] || is_system=yes
    if [ "$is_system" = yes ] && [ "$dry_run" = no ] && [ "$(id -u)" != 0 ]; then
        fail "this $1 /opt and /etc: run it with sudo, or look first with --dry-run" 77
    fi
}

for unit in @ENABLED@; do
    deb-systemd-helper unmask "$unit" >/dev/null || true
    # What somebody disabled stays so.
    if deb-systemd-helper --quiet was-enabled "$unit"; then
        deb-systemd-helper enable "$unit" >/dev/null || true
    else
        deb-systemd-helper update-state "$unit" >/dev/null || true
    fi
done
if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
    deb-systemd-invoke start @ENABLED@ >&2 || true
fi

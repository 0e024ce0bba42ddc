if [ -d /run/systemd/system ]; then
    systemctl --system daemon-reload >/dev/null || true
fi
case $1 in
remove) deb-systemd-helper mask @ENABLED@ >/dev/null || true ;;
purge)
    deb-systemd-helper purge @ENABLED@ >/dev/null || true
    deb-systemd-helper unmask @ENABLED@ >/dev/null || true
    ;;
esac

#!/bin/sh
# Installs what the tests start by themselves: PostgreSQL 15, RabbitMQ, an OpenSSH server and strace, from Debian.
# Only the programs are wanted: the packages' own services are neither started now nor at boot.
set -eu

postgres=/usr/lib/postgresql/15/bin/initdb
rabbitmq=/usr/lib/rabbitmq/bin/rabbitmq-server
sshd=/usr/sbin/sshd
packages=""
[ -x "$postgres" ] || packages="postgresql-15"
[ -x "$rabbitmq" ] || packages="$packages rabbitmq-server"
command -v strace >/dev/null || packages="$packages strace"
[ -x "$sshd" ] || packages="$packages openssh-server"
[ -n "$packages" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    echo "The tests need the Debian packages $packages: install them as root, for example by 'sudo $0'." >&2
    exit 1
fi
if ! command -v apt-get >/dev/null; then
    echo "The tests need PostgreSQL 15 in $postgres, RabbitMQ in $rabbitmq, $sshd and strace, and there is no apt-get to install them." >&2
    exit 1
fi

# invoke-rc.d asks this file before it starts anything; 101 means no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap '$as_root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
fi

$as_root apt-get update -q
# shellcheck disable=SC2086 # several packages
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages

for package in $packages; do
    [ "$package" != strace ] || continue
    service=${package%-15}
    [ "$package" != openssh-server ] || service=ssh
    if [ -d /run/systemd/system ]; then
        $as_root systemctl disable --now "$service" >/dev/null 2>&1 || true
    else
        $as_root service "$service" stop >/dev/null 2>&1 || true
        $as_root update-rc.d "$service" disable >/dev/null 2>&1 || true
    fi
done

if [ ! -x "$postgres" ] || [ ! -x "$rabbitmq" ] || [ ! -x "$sshd" ] || ! command -v strace >/dev/null; then
    echo "The Debian packages $packages were installed, but $postgres, $rabbitmq, $sshd or strace is still missing." >&2
    exit 1
fi

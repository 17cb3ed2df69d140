#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs what is missing to build (`setup.sh run`) or to build and check (`setup.sh check`); takes a moment when
# nothing is. Only Debian's packages are installed by it; elsewhere it names them. Daemons that come with a package (the
# peers that we test against) are kept from starting by themselves.
set -u

run_debian="gcc libc6-dev meson ninja-build pkg-config libssl-dev libcrypt-dev libidn-dev libnghttp2-dev \
libsqlite3-dev zlib1g-dev libpsl-dev libbrotli-dev python3"
check_debian="$run_debian openssl netbase iproute2 make g++ clang libclang-rt-14-dev llvm-14 libcmocka-dev curl \
finger h2o nghttp2-client nghttp2-proxy netcat-openbsd python3-twisted python3-openssl python3-service-identity \
libuv1-dev \
libcurl4-openssl-dev libevent-dev nodejs git perl \
libglib2.0-dev nginx-light haproxy socat wget qemu-user-static \
gcc-aarch64-linux-gnu libc6-dev-arm64-cross python3-websockets python3-h2 python3-wsproto python3-autobahn node-ws \
chromium gsasl php-cgi php-fpm fcgiwrap wrk \
apache2-utils python3-h11 inetutils-telnet putty-tools"

say() { printf '%s\n' "$*" >&2; }

missing_debian() {
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || printf '%s ' "$package"
    done
}

# Runs a script as root: directly, by sudo, or not at all but with the one command to type.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        sh -c "$1"
    elif command -v sudo >/dev/null 2>&1; then
        sudo sh -c "$1"
    else
        say "Some packages are missing, and only root can install them. Type this, and then the same command again:"
        say "    su -c 'apt-get update && apt-get install -y --no-install-recommends $missing'"
        return 1
    fi
}

install_debian() {
    say "installing: $missing"
    as_root "
        set -e
        export DEBIAN_FRONTEND=noninteractive
        policy=/usr/sbin/policy-rc.d
        if [ ! -e \$policy ]; then
            trap 'rm -f '\$policy EXIT
            printf '#!/bin/sh\nexit 101\n' > \$policy
            chmod 755 \$policy
        fi
        apt-get update -q >&2
        apt-get install -q -y --no-install-recommends $missing >&2
    "
}

name_others() {
    say "Something is missing, and this system isn't one where we can install it ourselves. Its packages are:"
    if [ "$1" = run ]; then
        say "    Fedora:  sudo dnf install gcc meson ninja-build pkgconf openssl-devel sqlite-devel zlib-devel \\"
        say "                 libnghttp2-devel libxcrypt-devel python3"
        say "    Arch:    sudo pacman -S --needed gcc meson ninja pkgconf openssl libxcrypt libnghttp2 sqlite zlib \\"
        say "                 python"
        say "    Alpine:  sudo apk add gcc musl-dev linux-headers meson ninja pkgconf openssl-dev sqlite-dev \\"
        say "                 zlib-dev nghttp2-dev libxcrypt-dev python3"
    else
        say "    Fedora:  sudo dnf install gcc gcc-c++ clang compiler-rt llvm meson ninja-build pkgconf make \\"
        say "                 openssl-devel sqlite-devel zlib-devel libcmocka-devel python3 curl finger netcat \\"
        say "                 python3-twisted libuv-devel libevent-devel libnghttp2-devel glib2-devel nginx socat \\"
        say "                 haproxy h2o \\"
        say "                 libasan libubsan libtsan qemu-user-static gcc-aarch64-linux-gnu"
        say "    Arch:    sudo pacman -S --needed gcc clang compiler-rt llvm meson ninja pkgconf make openssl zlib \\"
        say "                 cmocka libnghttp2 python curl netkit-bsd-finger openbsd-netcat python-twisted libuv \\"
        say "                 libevent glib2 nginx haproxy h2o socat qemu-user-static aarch64-linux-gnu-gcc"
        say "    Alpine:  sudo apk add gcc g++ musl-dev linux-headers clang compiler-rt llvm meson ninja pkgconf \\"
        say "                 make openssl-dev nghttp2-dev sqlite-dev zlib-dev cmocka-dev python3 curl \\"
        say "                 netcat-openbsd py3-twisted libuv-dev libevent-dev glib-dev nginx socat qemu-aarch64"
    fi
}

have_tools() {
    for tool in cc meson ninja pkg-config python3; do
        command -v $tool >/dev/null 2>&1 || return 1
    done
    pkg-config --exists 'openssl >= 3.0' libcrypt 'libnghttp2 >= 1.50' zlib || return 1
    [ "$1" = run ] && return 0
    for tool in gcc g++ clang make curl finger nc socat nginx haproxy h2o openssl; do
        command -v $tool >/dev/null 2>&1 || return 1
    done
    pkg-config --exists cmocka libuv libevent glib-2.0
}

kind=${1:-run}
if command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1; then
    case $kind in
    run) missing=$(missing_debian $run_debian) ;;
    *) missing=$(missing_debian $check_debian) ;;
    esac
    # A compiler or library that was installed by other means than packages is as good, when only building.
    if [ -n "$missing" ] && ! { [ "$kind" = run ] && have_tools run; }; then
        install_debian || exit 1
    fi
elif ! have_tools "$kind"; then
    name_others "$kind"
    exit 1
fi

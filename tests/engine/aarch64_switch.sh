#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The stack switch on machines that this one is not: built for aarch64 and run under an emulator, and built over
# ucontext, which is what every other machine gets. Needs gcc-aarch64-linux-gnu and qemu-user-static.
set -eu
root=${PLAIT_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

build() {
    compiler=$1
    out=$2
    shift 2
    "$compiler" -std=gnu17 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror "$@" -I "$root/src" -I "$root/include" \
        "$root/tests/engine/switch_self.c" "$root/src/engine/task_switch.c" -o "$work/$out" -lm
}

build "${CC:-cc}" own
"$work/own"
build "${CC:-cc}" own-debug -O0
"$work/own-debug"
build "${CC:-cc}" ucontext -DPLAIT_SWITCH_UCONTEXT
"$work/ucontext"
build aarch64-linux-gnu-gcc aarch64 -static
qemu-aarch64-static "$work/aarch64"
build aarch64-linux-gnu-gcc aarch64-debug -static -O0
qemu-aarch64-static "$work/aarch64-debug"

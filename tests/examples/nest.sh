#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A reactor inside GLib's and libuv's loops: both sides tick three times and the program ends by itself. Where the
# library is missing the example was not built, and the test is skipped (77).
set -eu
ran=
for other in glib libuv; do
    program=$PLAIT_BUILD/examples/nest_$other
    [ -x "$program" ] || continue
    ran=yes
    got=$(timeout 20 "$program" | sort | tr '\n' ' ')
    want=$(printf '%s\n' "plait 1" "plait 2" "plait 3" "$other 1" "$other 2" "$other 3" | sort | tr '\n' ' ')
    if [ "$got" != "$want" ]; then
        echo "nest_$other printed '$got', expected '$want'"
        exit 1
    fi
done
[ "$ran" ] || exit 77

#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The race is found within 1,000 seeds, by the same seed and with the same story each time; clerks that say what to add
# have none.
set -eu
race=$PLAIT_BUILD/examples/race
first=$(timeout 60 "$race" 1000) && { echo "no race was found"; exit 1; }
again=$(timeout 60 "$race" 1000) && { echo "no race was found the second time"; exit 1; }
[ "$first" = "$again" ] || { echo "two runs differ"; exit 1; }
for wanted in 'and it came to 110' 'ann is told 100' 'bob is told 100'; do
    printf '%s\n' "$first" | grep -q "$wanted" && continue
    printf "it doesn't say '%s':\n%s\n" "$wanted" "$first"
    exit 1
done
timeout 60 "$race" 1000 fixed

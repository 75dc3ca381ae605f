#!/bin/sh
# Stands in for make in the runner's tests: starts a compiler that takes FAKE_MAKE_SLEEP, ends FAKE_MAKE.
# SPDX-License-Identifier: MIT
if [ -n "${FAKE_MAKE_SLEEP-}" ]; then
    sleep "$FAKE_MAKE_SLEEP" &
    echo $! >"$FAKE_PID"
    wait
fi
exit "${FAKE_MAKE-0}"

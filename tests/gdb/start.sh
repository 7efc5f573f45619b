# shellcheck shell=bash
# For the tests here, which source it in the project's folder: starts a kernel that waits for GDB
# and drives GDB through a Python script. BUILD_ROOT is the folder of the builds,
# METRONOME_GDB_PORT the port (1234).

export BUILD_ROOT=${BUILD_ROOT:-build}
export METRONOME_GDB_PORT=${METRONOME_GDB_PORT:-1234}

# A connection would count as GDB's, so look at the socket.
waiting() {
    grep -qi "^ *[0-9]*: 0100007F:$(printf '%04X' "$METRONOME_GDB_PORT") 00000000:0000 0A" \
        /proc/net/tcp
}

# run_gdb SCRIPT OPTION...: ./run-qemu.sh --debug OPTION... and GDB with SCRIPT, whose lines
# `PASS name` and `FAIL name: why` are printed. The status is 0 if nothing failed. GDB has GDB_LIMIT
# seconds (150).
run_gdb() {
    local script=$1 log kernel status
    shift
    log=$(mktemp -t metronome-gdb.XXXXXX) || return 2
    ./run-qemu.sh --debug --timeout 200 "$@" </dev/null >"$log" 2>&1 &
    kernel=$!
    # The kernel may have to be built first.
    for ((i = 0; i < 1200; i++)); do
        waiting && break
        if ! kill -0 "$kernel" 2>/dev/null; then
            echo "FAIL start: run-qemu.sh has ended: $(tail -n 1 "$log")"
            rm -f "$log"
            return 1
        fi
        sleep 0.1
    done

    timeout "${GDB_LIMIT:-150}" gdb -nx -batch -iex 'set pagination off' -x "$script" >"$log.gdb" 2>&1
    status=$?
    grep -E '^(PASS|FAIL) ' "$log.gdb"
    if ((status != 0)); then
        grep -q '^FAIL ' "$log.gdb" || echo "FAIL gdb: ended with status $status"
        sed 's/^/| /' "$log.gdb" "$log" | tail -n 60
    fi
    kill "$kernel" 2>/dev/null
    wait "$kernel" 2>/dev/null
    rm -f "$log" "$log.gdb"
    return $((status != 0))
}

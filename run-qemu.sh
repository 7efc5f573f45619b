#!/bin/bash
# Sets this machine up, builds the kernel and runs it in QEMU. `./run-qemu.sh --help` says how.
set -u

name=${0##*/}
caller_folder=$PWD
cd -- "$(dirname -- "${BASH_SOURCE[0]}")" || exit 2

usage() {
    cat <<'END'
Usage: ./run-qemu.sh [OPTION]... [-- KERNEL COMMAND LINE]

Installs what is missing (Debian or Ubuntu, as root; otherwise it prints the command to run),
builds the kernel and boots it: four processors, the serial console on this terminal, the sample
drivers loaded, and a prompt. Ctrl-A x ends the emulator. When standard input is no terminal and
no command line is given, the demonstration runs for ten seconds of guest time and powers off.

What to run
  --test            set up, then run everything that `make test` runs; takes no other option
  --bench           set up, then print what each operation costs, as `make bench` does; takes
                    no other option but --verbose, which adds minimum, 99th percentile, maximum
  --suite GLOB      boot the test build once and run the in-kernel suites that match
                    (with * and ?; several separated by commas)
  --build NAME      checked (the default), free, or test (what --suite uses)
  --driver FILE     load this driver (.sys, PE32+) after the sample drivers; any number of times
  --debug           wait for GDB before the first instruction (port 1234 or METRONOME_GDB_PORT)

  --record DIR      run with --icount and write what happens into the folder DIR, so that the
                    run can be repeated exactly
  --replay DIR      repeat a recorded run, from the kernel's entry on; with --debug GDB can go
                    back in time in it

The machine
  --smp N           processors, 1 to 64; default 4 (1 with --icount)
  --memory MB       memory, 64 to 262144; default 256
  --machine NAME    q35 (the default) or pc; q35,hpet=off or pc,hpet=off leaves out the HPET
  --clock NAME      apic (the default) or hpet: what interrupts when a timer is due
  --icount          deterministic: virtual time advances by 16 ns an instruction
  --device SPEC     add a device, as QEMU's -device does; any number of times. The educational PCI
                    device edu is always there, but for --icount: it has a clock of its own
  --kvm             use KVM instead of software emulation
  --display         open a window with the screen: the console, and the IRQL of each processor over
                    the last seconds. The prompt still reads this terminal, not the window

The run
  --serial FILE     write the serial console to FILE instead of this terminal
  --trace FILE      trace what each processor does and write it to FILE when the emulator ends,
                    however it ends; docs/TRACE.md says what is in it and what makes pictures of it
  --timeout S       end the emulator after S seconds
  --dry-run         print the command that would run QEMU, and do nothing
  --help            print this text

What stands after -- is the kernel's command line.

Exit status
  0    the guest powered off, or its tests passed
  1    a test failed, the kernel could not start, or QEMU failed
  2    wrong usage, or something that is needed is not installed and cannot be
  3    the kernel stopped with a bug check
  124  time-out

Environment
  BUILD_ROOT           folder for what is built; default build
  METRONOME_GDB_PORT   the port of --debug
  METRONOME_ESP        boot a copy of this folder instead of building one
  METRONOME_OVMF       the UEFI firmware, if it is not in a usual place
  METRONOME_DISPLAY    how --display shows the screen, as QEMU's -display takes it: gtk, sdl,
                       vnc=:1, none; default: a window
  METRONOME_QMP        a socket that QEMU makes for its monitor (QMP)
  METRONOME_FONT       the screen's font, a PC screen font, if psf-unifont's is not in its place
  METRONOME_SERIAL2    what QEMU connects the second serial port to; default null: nothing
END
}

say() {
    printf '%s: %s\n' "$name" "$1" >&2
}

refuse() {
    say "$1"
    exit 2
}

# ---- options ----

# add_driver FILE: FILE has a name that the EFI partition can hold beside the others.
add_driver() {
    local file=$1 other base=${1##*/}
    [[ $file == /* ]] || file=$caller_folder/$file
    [[ -f $file && -r $file && -s $file ]] ||
        refuse "--driver takes a file that can be read and is not empty, not '$1'"
    [[ $base =~ ^[A-Za-z0-9_.-]{1,63}$ ]] ||
        refuse "--driver takes a file with a name of up to 63 letters, digits and _ . -, not '$base'"
    for other in "${drivers[@]}"; do
        other=${other##*/}
        [[ ${other,,} != "${base,,}" ]] || refuse "--driver was given two files of the name $base"
    done
    ((${#drivers[@]} < 32)) || refuse "--driver was given more than 32 times"
    drivers+=("$file")
}

# number OPTION VALUE LEAST MOST: refuses everything but a whole number in that range.
number() {
    if [[ ! $2 =~ ^[1-9][0-9]{0,7}$ ]] || (($2 < $3 || $2 > $4)); then
        refuse "$1 takes a number from $3 to $4, not '$2'"
    fi
}

trace_events=131072 # a processor: 4 MB
smp='' memory=256 machine=q35 clock=apic icount=0 kvm=0 display=0
test=0 bench=0 verbose=() suite='' build='' debug=0 serial='' trace='' timeout='' dry_run=0
record='' replay='' given=()
command_line='' command_line_given=0 others='' devices=() drivers=()

while (($# > 0)); do
    option=$1
    shift
    case $option in
    --smp | --memory | --machine | --clock | --suite | --build | --serial | --trace | --timeout | \
        --record | --replay | --device | --driver)
        (($# > 0)) || refuse "$option needs a value; --help explains it"
        value=$1
        shift
        ;;
    esac
    given+=("$option")
    case $option in
    --test | --bench | --verbose | --dry-run) ;;
    *) others=$option ;;
    esac
    case $option in
    --help)
        usage
        exit 0
        ;;
    --test) test=1 ;;
    --bench) bench=1 ;;
    --verbose) verbose=(--verbose) ;;
    --suite)
        [[ $value =~ ^[A-Za-z0-9_.*?,-]+$ ]] ||
            refuse "--suite takes names of suites with * and ?, separated by commas, not '$value'"
        suite=$value
        ;;
    --build)
        [[ $value =~ ^(checked|free|test)$ ]] ||
            refuse "--build takes checked, free or test, not '$value'"
        build=$value
        ;;
    --driver) add_driver "$value" ;;
    --debug) debug=1 ;;
    --record | --replay)
        [[ $value == /* ]] || value=$caller_folder/$value
        [[ ! $value =~ [,\"\\[:cntrl:]] ]] ||
            refuse "$option takes a folder whose name has no comma, quote or backslash"
        printf -v "${option#--}" '%s' "$value"
        ;;
    --smp)
        number --smp "$value" 1 64
        smp=$value
        ;;
    --memory)
        number --memory "$value" 64 262144
        memory=$value
        ;;
    --machine)
        [[ $value =~ ^(q35|pc)(,hpet=(on|off))?$ ]] ||
            refuse "--machine takes q35 or pc, if you like with ,hpet=off, not '$value'"
        machine=$value
        ;;
    --clock)
        [[ $value =~ ^(apic|hpet)$ ]] || refuse "--clock takes apic or hpet, not '$value'"
        clock=$value
        ;;
    --device)
        [[ $value =~ ^[A-Za-z0-9][A-Za-z0-9_.,=:/-]*$ ]] ||
            refuse "--device takes what QEMU's -device takes, not '$value'"
        devices+=(-device "$value")
        ;;
    --icount) icount=1 ;;
    --kvm) kvm=1 ;;
    --display) display=1 ;;
    --serial)
        [[ $value == /* ]] || value=$caller_folder/$value
        [[ $value != */ && -d $(dirname -- "$value") && ! -d $value ]] ||
            refuse "--serial takes a file in a folder that exists, not '$value'"
        serial=$value
        ;;
    --trace)
        [[ $value == /* ]] || value=$caller_folder/$value
        [[ $value != */ && -d $(dirname -- "$value") && ! -d $value ]] ||
            refuse "--trace takes a file in a folder that exists, not '$value'"
        trace=$value
        ;;
    --timeout)
        number --timeout "$value" 1 1000000
        timeout=$value
        ;;
    --dry-run) dry_run=1 ;;
    --)
        command_line=$*
        command_line_given=1
        break
        ;;
    *) refuse "unknown option '$option'; --help lists the options" ;;
    esac
done

((test == 0)) || [[ -z $others ]] || refuse "--test runs everything and takes no other option ($others)"
((bench == 0)) || [[ -z $others ]] || refuse "--bench takes no other option but --verbose ($others)"
((test == 0 || bench == 0)) || refuse "--test and --bench are two runs"
((bench)) || ((${#verbose[@]} == 0)) || refuse "--verbose belongs to --bench"
((icount == 0 || kvm == 0)) || refuse "--icount counts emulated instructions, which --kvm has none of"
[[ -z $suite || -z $build || $build == test ]] || refuse "--suite needs the test build"
if [[ -n $record ]]; then
    [[ $kvm$debug == 00 && -z $replay$trace$serial ]] ||
        refuse "--record goes without --replay, --debug, --kvm, --trace and --serial"
    smp=${smp:-1}
fi
if [[ -n $replay ]]; then
    for option in "${given[@]}"; do
        [[ $option =~ ^--(replay|debug|serial|timeout|dry-run)$ ]] ||
            refuse "--replay repeats a run on its own machine, and goes without $option"
    done
fi

gdb_port=${METRONOME_GDB_PORT:-1234}
((debug == 0)) || number METRONOME_GDB_PORT "$gdb_port" 1 65535

# ---- the kernel's command line ----

if [[ -n $suite ]]; then
    command_line="suite=$suite $command_line"
elif ((command_line_given == 0)) && [[ ! -t 0 ]]; then
    command_line="demo=10"
fi
if [[ $clock == hpet ]]; then
    command_line="clock=hpet $command_line"
fi
if ((debug)); then
    # A processor that is stepped takes no clock interrupts while the others run on.
    command_line="$command_line clockwatchdog=0"
fi
# What the command line says itself goes first: the kernel takes the first of several options.
if [[ -n $trace ]]; then
    command_line="$command_line trace=on tracesize=$trace_events"
fi
if ((display)); then
    command_line="$command_line screen=on"
fi
command_line=${command_line# }
command_line=${command_line% }

LC_ALL=C
if [[ $command_line =~ [^[:print:]] ]] || ((${#command_line} > 1023)); then
    refuse "the kernel's command line is up to 1023 printable ASCII characters"
fi

# ---- set-up ----

find_firmware() {
    local place
    for place in "${METRONOME_OVMF:-}" /usr/share/ovmf/OVMF.fd /usr/share/OVMF/OVMF.fd \
        /usr/share/qemu/OVMF.fd /usr/share/edk2/ovmf/OVMF.fd /usr/share/edk2/x64/OVMF.4m.fd \
        /usr/share/edk2-ovmf/x64/OVMF.fd; do
        if [[ -n $place && -r $place ]]; then
            printf '%s\n' "$place"
            return 0
        fi
    done
    return 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# Prints the Debian packages that are missing.
missing_packages() {
    has gcc || echo gcc
    has ld || echo binutils
    has make || echo make
    has nasm || echo nasm
    [[ -r /usr/include/efi/efi.h ]] || echo gnu-efi
    has qemu-system-x86_64 || echo qemu-system-x86
    find_firmware >/dev/null || echo ovmf
    [[ -r ${METRONOME_FONT:-/usr/share/consolefonts/Unifont-APL8x16.psf.gz} ]] || echo psf-unifont
    if ((test)) || [[ -n $record$replay ]]; then
        has qemu-img || echo qemu-utils
        has gdb || echo gdb
    fi
    if ((test)); then
        [[ -r /usr/include/stdlib.h ]] || echo libc6-dev
        [[ -r /usr/include/cmocka.h ]] || echo libcmocka-dev
        has npm || echo npm
        has chromium || echo chromium
        has x86_64-w64-mingw32-gcc || echo gcc-mingw-w64-x86-64-win32
        [[ -r /usr/x86_64-w64-mingw32/include/ddk/ntddk.h ]] || echo mingw-w64-x86-64-dev
    fi
    if ((test || bench)); then
        has python3 || echo python3
    fi
    if ((test)) || [[ -n $trace ]]; then
        has node || echo nodejs
    fi
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    local install=(apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0
        -o DPkg::Lock::Timeout=300 "$@")
    say "installing $*"
    # The lists of packages may be missing or old: then the first attempt fails.
    "${install[@]}" >/dev/null 2>&1 && return 0
    apt-get update -qq -o DPkg::Lock::Timeout=300 >&2 && "${install[@]}" >&2
}

set_up() {
    local packages
    mapfile -t packages < <(missing_packages)
    ((${#packages[@]})) || return 0
    if ! has apt-get; then
        refuse "missing; please install what Debian has in these packages: ${packages[*]}"
    elif ((EUID != 0)); then
        refuse "missing; please run: sudo apt-get install --no-install-recommends ${packages[*]}"
    fi
    install_packages "${packages[@]}" || refuse "these packages could not be installed: ${packages[*]}"
}

# When make has started this script, its settings are not for the make that is started here.
unset MAKEFLAGS MFLAGS MAKELEVEL
export BUILD_ROOT=${BUILD_ROOT:-build}

if ((test)); then
    if ((dry_run)); then
        echo tests/run
        exit 0
    fi
    set_up
    exec tests/run
fi
if ((bench)); then
    if ((dry_run)); then
        echo tests/bench/run "${verbose[@]}"
        exit 0
    fi
    set_up
    exec tests/bench/run "${verbose[@]}"
fi

if [[ -n $suite ]]; then
    build='test'
fi
build=${build:-checked}
esp=${METRONOME_ESP:-}

if ((dry_run == 0)); then
    set_up
    if [[ -z $esp ]]; then
        make --silent --no-print-directory -j"$(nproc)" CONFIG="$build" esp >&2 || exit 1
    fi
fi
esp=${esp:-$BUILD_ROOT/$build/esp}

# ---- the machine ----

if [[ -n $record$replay ]]; then
    # shellcheck source=tools/recording.sh
    . tools/recording.sh
fi
if [[ -n $replay ]]; then
    read_recording "$replay"
fi

if ((dry_run)); then
    folder=${TMPDIR:-/tmp}/metronome.XXXXXX
    firmware=$(find_firmware) || firmware=/usr/share/ovmf/OVMF.fd
else
    firmware=$(find_firmware) ||
        refuse "there is no UEFI firmware; Debian has it in the package ovmf"
    [[ -d $esp ]] || refuse "the folder $esp does not exist"
    folder=$(mktemp -d -t metronome.XXXXXX) || exit 1
    trap 'rm -rf -- "$folder"' EXIT
    cp -r -- "$esp" "$folder/esp" || exit 1
    config=$folder/esp/metronome/boot.cfg
    if [[ -r $esp/metronome/boot.cfg ]]; then
        grep -v '^cmdline=' "$esp/metronome/boot.cfg" >"$config"
        printf 'cmdline=%s\n' "$command_line" >>"$config"
    fi
    if ((debug)); then
        printf '%s\n' "${drivers[@]}" >"$BUILD_ROOT/driver-files" # for tools/gdb/kd/images.py
    fi
    mkdir -p -- "$folder/esp/metronome/drivers" || exit 1
    for file in "${drivers[@]}"; do
        cp -- "$file" "$folder/esp/metronome/drivers/" || exit 1
        printf 'driver=\\metronome\\drivers\\%s\n' "${file##*/}" >>"$config"
    done
    if [[ -n $record ]]; then
        begin_recording "$record" "$folder/esp" "${METRONOME_ESP:-$esp}/../metronome.elf"
    fi
fi

qemu=(qemu-system-x86_64 -name Metronome -m "$memory" -bios "$firmware" -nodefaults -net none
    -vga std -device 'isa-debug-exit,iobase=0xf4,iosize=4')
if [[ -n $trace ]]; then
    # The guest's memory is a file, and the trace is what the guest has written there.
    qemu+=(-object "memory-backend-file,id=ram,size=${memory}M,mem-path=${folder//,/,,}/memory,share=on")
    machine+=,memory-backend=ram
fi
if ((kvm)); then
    qemu+=(-machine "$machine,accel=kvm" -cpu host)
else
    qemu+=(-machine "$machine,accel=tcg")
fi
if [[ -n $record$replay ]]; then
    mapfile -t -O ${#qemu[@]} qemu < <(
        recording_options "${record:+record}${replay:+replay}" "$record$replay")
elif ((icount)); then
    # With sleep=off time leaps to the next timer whenever the machine stands still, for GDB too.
    sleep=off
    ((debug == 0)) || sleep=on
    qemu+=(-smp "${smp:-1}" -icount "shift=4,sleep=$sleep" -rtc 'clock=vm,base=2026-01-01')
else
    qemu+=(-smp "${smp:-4}" -device edu)
fi
if [[ -z $record$replay ]]; then
    qemu+=(-drive "format=raw,file=fat:rw:${folder//,/,,}/esp")
fi
qemu+=("${devices[@]}")
if ((display)) && [[ -n ${METRONOME_DISPLAY-} ]]; then
    qemu+=(-display "$METRONOME_DISPLAY")
elif ((display)); then
    if ((dry_run == 0)); then
        qemu-system-x86_64 -display help 2>/dev/null | grep -qE '^(gtk|sdl)' ||
            refuse "QEMU cannot open a window here: install Debian's package qemu-system-gui, or set METRONOME_DISPLAY=vnc=:1"
        [[ -n ${DISPLAY-}${WAYLAND_DISPLAY-} ]] ||
            refuse "there is no desktop to open a window on (DISPLAY is not set); METRONOME_DISPLAY=vnc=:1 needs none"
    fi
else
    qemu+=(-display none)
fi
if [[ -n $serial ]]; then
    qemu+=(-monitor none -serial "file:$serial")
elif [[ -t 0 && -z $record$replay ]]; then
    qemu+=(-serial mon:stdio)
else
    qemu+=(-monitor none -serial stdio)
fi
qemu+=(-serial "${METRONOME_SERIAL2:-null}")
if [[ -n ${METRONOME_QMP-} ]]; then
    qemu+=(-qmp "unix:$METRONOME_QMP,server=on,wait=off")
fi
if [[ ! -t 0 ]]; then
    qemu+=(-no-reboot)
fi
# The log tells a triple fault from a reset that was asked for.
qemu+=(-d cpu_reset -D "$folder/qemu.log")
if ((debug)); then
    qemu+=(-S -gdb "tcp:127.0.0.1:$gdb_port")
elif [[ -n $record ]]; then
    qemu+=(-S -gdb "unix:$folder/gdb,server=on,wait=off")
fi
if [[ -n $timeout ]]; then
    qemu=(timeout --foreground --kill-after=5 "$timeout" "${qemu[@]}")
fi

if ((dry_run)); then
    printf '%q ' "${qemu[@]}"
    printf '\n'
    exit 0
fi

# ---- the run ----

if ((debug)); then
    say "waiting for GDB; in another terminal, in this folder: ${replay:+METRONOME_REPLAY=$replay }METRONOME_GDB_PORT=$gdb_port gdb -iex 'set auto-load safe-path .'"
fi
if [[ -t 0 && -n $record$replay ]]; then
    say "Ctrl-C ends the emulator"
elif [[ -t 0 && -z $serial ]]; then
    say "Ctrl-A x ends the emulator"
fi

"${qemu[@]}" <&0 &
emulator=$!
interrupted=0
trap 'interrupted=1; kill "$emulator" 2>/dev/null' INT TERM HUP
if [[ -n $record ]] && ! take_entry_snapshot "$record" "$folder/gdb" "$emulator"; then
    say "the recording has no snapshot at the kernel's entry; $record/snapshot.log says why"
fi
wait "$emulator"
status=$?
while kill -0 "$emulator" 2>/dev/null; do # a signal has ended the first wait
    wait "$emulator"
    status=$?
done

if [[ -n $trace ]]; then
    tools/trace/collect.mjs "$folder/memory" "$trace" || exit 1
fi
if ((interrupted)); then
    say "ended by a signal"
    exit 1
fi
if grep -qs '^Triple fault' "$folder/qemu.log"; then
    say "the processor gave up (triple fault)"
    exit 1
fi
case $status in
0 | 33) exit 0 ;;
35) exit 1 ;;
37)
    say "the kernel stopped with a bug check"
    exit 3
    ;;
39)
    say "the kernel could not start"
    exit 1
    ;;
124 | 137)
    say "time-out: the emulator was ended after $timeout seconds"
    exit 124
    ;;
*)
    say "the emulator ended with status $status"
    exit 1
    ;;
esac

# shellcheck shell=bash
# Recorded runs, for run-qemu.sh, which sources this. A recording is a folder:
#
#   machine        the machine: lines `smp N`, `memory MB`, `machine NAME`
#   metronome.elf  the kernel with its symbols, for GDB
#   disk.qcow2     the EFI partition, and the snapshots `init` (before the first instruction) and
#                  `entry` (at the kernel's first one, where a replay begins)
#   events         what came from outside: the times, interrupts and input of the run
#   serial.log     what the run printed
#
# QEMU counts instructions in both runs, so the second one does what the first one did, to the
# instruction. Its recorder needs every disk to be qcow2 behind the driver blkreplay.

# Makes the folder of a recording for the EFI partition's folder $2 and the kernel's symbols $3.
begin_recording() {
    local recording=$1 esp=$2 symbols=$3
    if [[ -e $recording && ! -f $recording/machine ]]; then
        refuse "--record makes a new folder or replaces a recording; $recording is neither"
    fi
    rm -rf -- "$recording" && mkdir -p -- "$recording" || exit 1
    cp -- "$symbols" "$recording/metronome.elf" || exit 1
    printf '%s\n' "smp $smp" "memory $memory" "machine $machine" >"$recording/machine"
    qemu-img convert -q -O qcow2 \
        "json:{\"driver\":\"vvfat\",\"dir\":\"$esp\",\"rw\":false}" "$recording/disk.qcow2" || exit 1
}

# Sets smp, memory and machine to those of a recording.
read_recording() {
    local recording=$1 key value
    [[ -f $recording/machine && -f $recording/events && -f $recording/disk.qcow2 ]] ||
        refuse "$recording is no recording; --record DIR makes one"
    while read -r key value; do
        case $key in
        smp) smp=$value ;;
        memory) memory=$value ;;
        machine) machine=$value ;;
        *) refuse "$recording/machine has a line that begins with '$key'" ;;
        esac
    done <"$recording/machine"
    [[ $smp$memory =~ ^[0-9]+$ && $machine =~ ^(q35|pc) ]] || refuse "$recording/machine is damaged"
    qemu-img snapshot -l "$recording/disk.qcow2" | grep -q ' entry ' ||
        refuse "the recording in $recording has no snapshot at the kernel's entry: it was cut off"
}

# Prints QEMU's options, one a line, for the mode $1, record or replay, of the recording $2.
recording_options() {
    local mode=$1 recording=$2 snapshot=init
    [[ $mode == record ]] || snapshot=entry
    printf '%s\n' -smp "$smp" -rtc 'clock=vm,base=2026-01-01' \
        -icount "shift=4,rr=$mode,rrfile=$recording/events,rrsnapshot=$snapshot" \
        -drive "file=$recording/disk.qcow2,if=none,id=image" \
        -drive driver=blkreplay,if=none,image=image,id=replayed -device ide-hd,drive=replayed
}

# The emulator, process $3, waits for GDB at the socket $2: lets it run to the kernel's entry, takes the
# snapshot there, and lets it run on.
take_entry_snapshot() {
    local recording=$1 socket=$2 emulator=$3
    until [[ -S $socket ]]; do
        kill -0 "$emulator" 2>/dev/null || return 1
        sleep 0.1
    done
    gdb -nx -batch -iex 'set pagination off' -ex "file $recording/metronome.elf" \
        -ex 'set architecture i386:x86-64' -ex 'set remotetimeout 120' \
        -ex "target remote $socket" -ex 'thbreak KiEntry' -ex continue \
        -ex 'monitor savevm entry' -ex detach >"$recording/snapshot.log" 2>&1
}

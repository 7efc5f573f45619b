# `gdb` in this folder attaches to a kernel that ./run-qemu.sh --debug has started, and stops at
# its entry point. GDB reads this file only if it trusts the folder; so either
#
#     gdb -x .gdbinit
#     gdb -iex 'set auto-load safe-path .'
#
# or, once and for all, a line `add-auto-load-safe-path THIS-FOLDER` in ~/.config/gdb/gdbinit.
# METRONOME_GDB_PORT is the port (1234), METRONOME_BUILD the build (checked), BUILD_ROOT its folder.

set confirm off
set architecture i386:x86-64
set disassemble-next-line auto
source tools/gdb/metronome.py
metronome
metronome-attach

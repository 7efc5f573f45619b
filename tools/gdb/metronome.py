"""GDB commands for the Metronome kernel running in QEMU.

    (gdb) source tools/gdb/metronome.py

.gdbinit in the project's root does that and attaches. `help metronome` lists the commands; the
folder kd/ has them by subject.
"""

import os
import sys

import gdb

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "tools", "gdb"))

# pylint: disable=wrong-import-position
from kd import analyze, deferral, drivers, images, kernel, printers, processors, stops, threads, travel

PARTS = (processors, deferral, threads, drivers, images, stops, analyze, travel, printers)

# Bits of Qqemu.sstep: 1 single-steps at all, 2 holds interrupts back, 4 stops the timers.
STEP_QUIET = 0x7
STEP_WITH_IRQS = 0x1

RESET_VECTOR = 0xFFF0


def kernel_file():
    """The kernel with its symbols: of the recording METRONOME_REPLAY, or of the build
    METRONOME_BUILD (checked) in BUILD_ROOT."""
    recording = os.environ.get("METRONOME_REPLAY")
    if recording:
        return os.path.join(recording, "metronome.elf")
    build_root = os.environ.get("BUILD_ROOT", "build")
    build = os.environ.get("METRONOME_BUILD", "checked")
    return os.path.join(ROOT, build_root, build, "metronome.elf")


class Metronome(gdb.Command):
    """Commands for the Metronome kernel. Without an argument: this list."""

    def __init__(self):
        super().__init__("metronome", gdb.COMMAND_USER, prefix=True)

    def invoke(self, argument, from_tty):
        for name, text in (
                ("metronome-attach", "connects to ./run-qemu.sh --debug, goes to the entry point"),
                ("step-quiet", "from now on steps hold interrupts and timers back"),
                ("step-with-irqs", "from now on a step can enter an interrupt handler"),
                ("irql", "each processor's IRQL, interrupts pending and in service"),
                ("why VECTOR", "why an interrupt is not arriving"),
                ("pcr, prcb [N]", "a processor's control region and block"),
                ("interrupts", "connected service routines and their lines"),
                ("dpcs, dpc ADDR", "DPC queues, a DPC"),
                ("timers, timer ADDR", "timers by due time, a timer"),
                ("threads, kthread ADDR", "threads, a thread with its backtrace"),
                ("locks", "spin locks that are held, mutexes that are owned"),
                ("add-driver-symbols", "symbols of drivers' files that are loaded"),
                ("go-to-driver NAME", "runs to a file's DriverEntry, with its symbols"),
                ("lm, drvobj, devobj", "images, a driver object, a device object"),
                ("irps, irp ADDR", "requests under way, a request"),
                ("pool [TAG]", "pool blocks with a tag, or all tags"),
                ("break-irql-below N", "stops when an IRQL is about to fall below N"),
                ("break-dpc ROUTINE", "stops when a routine is called as a DPC's"),
                ("break-timer ADDR", "stops when a timer expires"),
                ("analyze", "the bug check that is being reported, explained"),
                ("who-queued [DPC]", "in a replay: goes back to who queued a DPC"),
                ("go-to COUNT", "in a replay: goes to an instruction count")):
            print(f"{name:22} {text}")
        print("`help NAME` says more of each.")


class Attach(gdb.Command):
    """Connects to QEMU (port METRONOME_GDB_PORT, or 1234) and loads the kernel's symbols.

A machine that has not run yet is let run up to the kernel's entry point, KiEntry. The breakpoint
there is one of the processor's: a software breakpoint would be overwritten by the loader. A
replay (METRONOME_REPLAY) begins there."""

    def __init__(self):
        super().__init__("metronome-attach", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        name = kernel_file()
        port = os.environ.get("METRONOME_GDB_PORT", "1234")
        if not os.path.exists(name):
            raise gdb.GdbError(f"There is no {name}: build the kernel first (make).")
        gdb.execute(f"file {name}", to_string=True)
        gdb.execute("set remotetimeout 60")
        try:
            gdb.execute(f"target remote localhost:{port}", to_string=True)
        except gdb.error as problem:
            raise gdb.GdbError(
                f"Nobody answers at port {port}. Start ./run-qemu.sh --debug in another terminal, "
                "then: metronome-attach") from problem
        if os.environ.get("METRONOME_REPLAY"):
            travel.register_reverse_commands()
        if kernel.register("pc") == RESET_VECTOR:
            gdb.execute("thbreak KiEntry", to_string=True)
            print("The firmware and the loader run now; the kernel's entry is next.")
            gdb.execute("continue", to_string=True)
            gdb.execute("frame")
        analyze.BugCheckStop()


class StepQuiet(gdb.Command):
    """From now on stepping holds interrupts and timers back (QEMU's own default).

A step goes to the next instruction of the same code, whatever is pending: stepping never enters
an interrupt handler."""

    def __init__(self):
        super().__init__("step-quiet", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        gdb.execute(f"maintenance packet Qqemu.sstep={STEP_QUIET:#x}", to_string=True)
        print("Steps hold interrupts and timers back; `continue` lets them in.")


class StepWithIrqs(gdb.Command):
    """From now on a step can enter an interrupt handler.

What is pending and not masked by CR8 or the interrupt flag is taken during the step. Step over
a write to CR8 that lowers the IRQL below 2 with a DPC queued, and the next step is in the
dispatch interrupt (QEMU reports the write itself first)."""

    def __init__(self):
        super().__init__("step-with-irqs", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        gdb.execute(f"maintenance packet Qqemu.sstep={STEP_WITH_IRQS:#x}", to_string=True)
        print("A step takes interrupts that are pending and not masked; step-quiet ends this.")


Metronome()
Attach()
StepQuiet()
StepWithIrqs()
for part in PARTS:
    part.register_commands()

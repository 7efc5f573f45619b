"""GDB commands for the Metronome kernel running in QEMU.

    (gdb) source tools/gdb/metronome.py

.gdbinit in the project's root does that and attaches. `help metronome` lists the commands.
"""

import os
import re

import gdb

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Bits of Qqemu.sstep: 1 single-steps at all, 2 holds interrupts back, 4 stops the timers.
STEP_QUIET = 0x7
STEP_WITH_IRQS = 0x1

RESET_VECTOR = 0xFFF0

LEVELS = {0: "PASSIVE_LEVEL", 1: "APC_LEVEL", 2: "DISPATCH_LEVEL", 12: "SYNCH_LEVEL",
          13: "CLOCK_LEVEL", 14: "IPI_LEVEL", 15: "HIGH_LEVEL"}


def level_name(irql):
    """The name of an IRQL; levels 3 to 11 belong to devices."""
    return LEVELS.get(irql, "DIRQL" if 3 <= irql <= 11 else "no level")


def kernel_file():
    """The kernel with its symbols: of the build METRONOME_BUILD (checked) in BUILD_ROOT."""
    build_root = os.environ.get("BUILD_ROOT", "build")
    build = os.environ.get("METRONOME_BUILD", "checked")
    return os.path.join(ROOT, build_root, build, "metronome.elf")


def read_register(name):
    return int(gdb.parse_and_eval("$" + name))


def monitor(command):
    """What QEMU's monitor answers."""
    return gdb.execute("monitor " + command, to_string=True)


def pending_vectors(processor):
    """The vectors that wait in a processor's local APIC (IRR). QEMU numbers the APICs alike."""
    match = re.search(r"^IRR\s+(.*)$", monitor(f"info lapic {processor}"), re.M)
    return [int(word) for word in re.findall(r"\b\d+\b", match.group(1))] if match else []


class Metronome(gdb.Command):
    """Commands for the Metronome kernel. Without an argument: this list."""

    def __init__(self):
        super().__init__("metronome", gdb.COMMAND_USER, prefix=True)

    def invoke(self, argument, from_tty):
        print("metronome-attach  connects to ./run-qemu.sh --debug and goes to the entry point")
        print("step-quiet        from now on steps hold interrupts and timers back")
        print("step-with-irqs    from now on a step can enter an interrupt handler")
        print("irql              IRQL of each processor, and the interrupts that wait for it to fall")


class Attach(gdb.Command):
    """Connects to QEMU (port METRONOME_GDB_PORT, or 1234) and loads the kernel's symbols.

A machine that has not run yet is let run up to the kernel's entry point, KiEntry. The breakpoint
there is one of the processor's: a software breakpoint would be overwritten by the loader."""

    def __init__(self):
        super().__init__("metronome-attach", gdb.COMMAND_RUNNING)

    def invoke(self, argument, from_tty):
        name = kernel_file()
        port = os.environ.get("METRONOME_GDB_PORT", "1234")
        if not os.path.exists(name):
            raise gdb.GdbError(f"There is no {name}: build the kernel first (make).")
        gdb.execute(f"file {name}", to_string=True)
        try:
            gdb.execute(f"target remote localhost:{port}", to_string=True)
        except gdb.error as problem:
            raise gdb.GdbError(
                f"Nobody answers at port {port}. Start ./run-qemu.sh --debug in another terminal, "
                "then: metronome-attach") from problem
        if read_register("pc") == RESET_VECTOR:
            gdb.execute("thbreak KiEntry", to_string=True)
            print("The firmware and the loader run now; the kernel's entry is next.")
            gdb.execute("continue", to_string=True)
            gdb.execute("frame")


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


class Irql(gdb.Command):
    """Shows CR8, the interrupt flag and the pending vectors of each processor."""

    def __init__(self):
        super().__init__("irql", gdb.COMMAND_STATUS)

    def invoke(self, argument, from_tty):
        selected = gdb.selected_thread()
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            thread.switch()
            self.show(thread, thread == selected)
        selected.switch()

    @staticmethod
    def show(thread, is_selected):
        irql = read_register("cr8")
        flag = "on" if read_register("eflags") & 0x200 else "off"
        where = gdb.execute("info symbol $pc", to_string=True).split(" in section")[0].strip()
        mark = "*" if is_selected else " "
        print(f"{mark} processor {thread.num - 1}: CR8 = {irql}, {level_name(irql)}; "
              f"interrupts {flag}; at {where}")
        pending = [f"{vector:#x} (IRQL {vector >> 4})"
                   for vector in pending_vectors(thread.num - 1)]
        if pending:
            print(f"    pending in the local APIC: {', '.join(pending)}")


Metronome()
Attach()
StepQuiet()
StepWithIrqs()
Irql()

"""Going back in time in a recorded run: reverse-stepi, reverse-continue, who-queued.

QEMU repeats a recorded run exactly, so "back" is "forward from an earlier snapshot, to the
instruction before". Its own answer to GDB's reverse packets does the same, but the version in
Debian 12 may stop for good while it does; here the steps are asked for one by one: load the
snapshot, set the instruction count to stop at, continue.
"""

import os
import re
import time

import gdb

from . import kernel
from .kernel import Command, number, register, symbol

CLOCK_VECTOR = 0xD1
# QEMU's threads are given this long to come to rest after a stop, before they are asked anything.
REST = 0.05  # seconds
MOST_HITS = 100_000


def position():
    """The number of instructions executed so far; an error outside a replay."""
    match = re.search(r"Replaying.*instruction count = (\d+)", kernel.monitor("info replay"))
    if not match:
        raise gdb.GdbError("This is not a recorded run: ./run-qemu.sh --record DIR makes one, "
                           "--replay DIR --debug repeats it.")
    return int(match[1])


def snapshots():
    """(instruction count, tag) of the snapshots from the kernel's entry on, the earliest first."""
    lines = (line.split() for line in kernel.monitor("info snapshots").splitlines())
    return sorted({(int(words[-1]), words[1]) for words in lines
                   if len(words) > 2 and words[-1].isdigit() and words[1] != "init"})


def load_snapshot_before(count):
    """Goes to the latest snapshot that is not behind an instruction count."""
    earlier = [s for s in snapshots() if s[0] <= count]
    if not earlier:
        raise gdb.GdbError("The replay begins later, at the kernel's entry.")
    kernel.monitor(f"loadvm {earlier[-1][1]}")
    time.sleep(REST)
    gdb.execute("maintenance flush register-cache", to_string=True)


class Silently:
    """What GDB prints of its stops inside the block goes nowhere: no setting of it does that."""

    def __enter__(self):
        gdb.flush()
        self.output = os.dup(1)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)

    def __exit__(self, *_):
        gdb.flush()
        os.dup2(self.output, 1)
        os.close(self.output)


class Undisturbed:
    """The user's breakpoints are off inside the block."""

    def __enter__(self):
        self.enabled = [b for b in gdb.breakpoints() or () if b.is_valid() and b.enabled]
        for breakpoint_ in self.enabled:
            breakpoint_.enabled = False

    def __exit__(self, *_):
        for breakpoint_ in self.enabled:
            breakpoint_.enabled = True


def run_until(count):
    """Goes forward to an instruction count, or to a breakpoint before it."""
    if position() < count:
        kernel.monitor(f"replay_break {count}")
        try:
            with Silently():
                gdb.execute("continue", to_string=True)
        except gdb.error as problem:
            raise gdb.GdbError("The recorded run has ended; start the replay again.") from problem
        time.sleep(REST)
        kernel.monitor("replay_delete_break")


def go_to(count):
    """Goes to an instruction count, wherever it is."""
    with Undisturbed():
        if position() > count:
            load_snapshot_before(count)
        run_until(count)


class ReverseStepi(Command):
    """Goes back by one instruction, or by N. Usage: reverse-stepi [N]"""

    name, kind = "reverse-stepi", gdb.COMMAND_RUNNING

    def run(self, arguments):
        steps = kernel.address(arguments[0], self.name) if arguments else 1
        go_to(max(position() - steps, snapshots()[0][0]))
        gdb.execute("frame")
        gdb.execute("x/i $pc")


class ReverseContinue(Command):
    """Goes back to the last time that one of the breakpoints was met, or to the beginning."""

    name, kind = "reverse-continue", gdb.COMMAND_RUNNING

    def run(self, arguments):
        now = end = position()
        last = None
        for count, _ in reversed(snapshots()):
            if count >= now:
                continue
            last = self.last_stop(count, end)
            if last is not None:
                break
            end = count
        if last is None:
            go_to(snapshots()[0][0])
            print("No breakpoint was met before; this is the beginning of the recording.")
        else:
            go_to(last)
        gdb.execute("frame")

    @staticmethod
    def last_stop(begin, end):
        """The count of the last breakpoint in [begin, end), or None."""
        last = None
        load_snapshot_before(begin)
        for _ in range(MOST_HITS):
            run_until(end)
            if position() >= end:
                return last
            last = position()
        return last


class Witness(gdb.Breakpoint):
    """Notes when a function is called for a DPC, and lets the run go on."""

    def __init__(self, function, matches, notes):
        super().__init__(f"*{function}", internal=True)
        self.silent, self.function, self.matches, self.notes = True, function, matches, notes

    def stop(self):
        if self.matches():
            self.notes.append((position(), self.function))
        return False


def stack_argument(index):
    """The argument with a number from 4 on, at a function's first instruction."""
    where = register("rsp") + 8 + 8 * index
    return int.from_bytes(bytes(gdb.selected_inferior().read_memory(where, 8)), "little")


class WhoQueued(Command):
    """Goes back to who queued a DPC: the KeInsertQueueDpc, or the KeSetTimer that armed its timer.

Usage: who-queued [DPC]   Without an address: the DPC whose routine is about to run, RCX. It shows
the interrupt after which a timer expired, then leaves you at the call that armed it, with its
backtrace; `go-to COUNT` goes to any of the places it names."""

    name, kind = "who-queued", gdb.COMMAND_RUNNING

    def run(self, arguments):
        if len(arguments) > 1:
            raise kernel.usage("who-queued [DPC]")
        dpc = kernel.address(arguments[0], self.name) if arguments else register("rcx")
        if int(kernel.structure("KDPC", dpc)["Type"]) not in (0x13, 0x18):
            raise gdb.GdbError(f"{dpc:#x} is not a DPC; stop at its routine, or give its address.")
        now = position()
        calls, clock = self.witness(dpc, now)
        if not calls:
            go_to(now)
            print("Nobody has queued it, or armed a timer with it, since the recording's first "
                  "snapshot.")
            return
        self.explain(dpc, now, calls[-1], clock)

    @staticmethod
    def witness(dpc, now):
        """Repeats the run up to now; (calls that queue the DPC or arm a timer with it, clock
        interrupts)."""
        calls, clock = [], []
        with Undisturbed():
            load_snapshot_before(now)
            watchers = [
                Witness("KeInsertQueueDpc", lambda: register("rcx") == dpc, calls),
                Witness("KeSetTimer", lambda: register("r8") == dpc, calls),
                Witness("KeSetTimerEx", lambda: register("r9") == dpc, calls),
                Witness("KeSetCoalescableTimer", lambda: stack_argument(4) == dpc, calls),
                Witness(f"KiTrap{CLOCK_VECTOR}", lambda: True, clock)]
            try:
                run_until(now)
            finally:
                for watcher in watchers:
                    watcher.delete()
        return calls, clock

    @staticmethod
    def explain(dpc, now, call, clock):
        count, function = call
        print(f"DPC {dpc:#x}, {symbol(kernel.structure('KDPC', dpc)['DeferredRoutine'])}, "
              f"at instruction {now}:")
        between = [c for c, _ in clock if count < c < now]
        if function != "KeInsertQueueDpc" and between:
            print(f"    the clock interrupt at instruction {between[-1]} found its timer due")
            print(f"    {function} at instruction {count} armed the timer")
        else:
            print(f"    {function} at instruction {count} queued it")
        go_to(count)
        gdb.execute("backtrace 6")


class GoTo(Command):
    """Goes to an instruction count of a recorded run, forward or back. Usage: go-to COUNT"""

    name, kind = "go-to", gdb.COMMAND_RUNNING

    def run(self, arguments):
        if len(arguments) != 1:
            raise kernel.usage("go-to COUNT")
        go_to(kernel.address(arguments[0], self.name))
        gdb.execute("frame")


def register_commands():
    WhoQueued()
    GoTo()


def register_reverse_commands():
    """Only in a recorded run: they take the places of GDB's own."""
    ReverseStepi()
    ReverseContinue()

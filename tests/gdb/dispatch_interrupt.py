"""Run by GDB: a DPC queued at DISPATCH_LEVEL is vector 0x2F, pending in the local APIC; stepping
over the CR8 write that lowers the IRQL leads into its interrupt if interrupts are let in."""

import os
import re
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from session import check, place, register, run_script, run_to  # pylint: disable=wrong-import-position

DISPATCH_LEVEL = 2
DISPATCH_VECTOR = 0x2F
# From KtGdbRaised's return to the write of CR8 in KeLowerIrql, its checks included.
MOST_STEPS = 400


def lapic():
    return gdb.execute("monitor info lapic", to_string=True)


def pending():
    """The vectors in the local APIC's IRR."""
    match = re.search(r"^IRR\s+(.*)$", lapic(), re.M)
    return [int(n) for n in re.findall(r"\b\d+\b", match.group(1))] if match else []


def step_to_lowering():
    """Steps to the instruction that writes a level below DISPATCH_LEVEL to CR8."""
    for _ in range(MOST_STEPS):
        instruction = gdb.execute("x/i $pc", to_string=True)
        match = re.search(r"mov\s+%(\w+),%cr8", instruction)
        if match and register(match.group(1)) < DISPATCH_LEVEL:
            return True
        gdb.execute("stepi", to_string=True)
    return False


def check_commands():
    """What the commands say of a DPC that waits for the IRQL to fall."""
    answers = {c: gdb.execute(c, to_string=True) for c in ("dpcs", "irql", "why 0x2f")}
    for command, pattern in (
            ("dpcs", r"ordinary  0x\w+  KtGdbTargetDpc\(0x0, 0x0, 0x0\)"),
            ("irql", r"pending in the local APIC: 0x2f \(IRQL 2, dispatch"),
            ("why 0x2f", r"It is requested.*\n.*CR8 is 2, DISPATCH_LEVEL: it masks")):
        check(f"command.{command.split()[0]}", re.search(pattern, answers[command]),
              answers[command])


def check_pending(name):
    text = lapic()
    check(f"{name}.cr8", register("cr8") == DISPATCH_LEVEL, f"CR8 is {register('cr8')}")
    check(f"{name}.pending", DISPATCH_VECTOR in pending(),
          f"vector {DISPATCH_VECTOR} is not in the IRR: {text}")


def quiet_round():
    """With interrupts held back a step over the CR8 write stays in the code."""
    if not check("quiet.raised", run_to("KtGdbRaised"), f"stopped in {place()}"):
        return
    check_pending("quiet")
    check_commands()
    gdb.execute("step-quiet", to_string=True)
    if not check("quiet.lowering", step_to_lowering(), f"no CR8 write; now in {place()}"):
        return
    lowering = register("pc")
    after = lowering + length_of_instruction()
    for _ in range(MOST_STEPS):
        gdb.execute("stepi", to_string=True)
        if register("pc") != lowering:
            break
    check("quiet.step", register("pc") == after and register("cr8") < DISPATCH_LEVEL,
          f"in {place()} with CR8 {register('cr8')}")
    check("quiet.still_pending", DISPATCH_VECTOR in pending(), f"IRR: {pending()}")


def length_of_instruction():
    """Of the one at the program counter, in bytes."""
    frame = gdb.selected_frame()
    return frame.architecture().disassemble(frame.pc())[0]["length"]


def step_into_interrupt(lowering, returns_to):
    """Steps with interrupts let in until the dispatch interrupt is entered, which must be before
    any instruction behind the lowering. Returns what went wrong, or None.

    A step may report itself without having done anything (QEMU looks after its APIC then), and
    the clock, whose interrupt CR8 has never masked here, may come first: it is let run."""
    for _ in range(MOST_STEPS):
        gdb.execute("stepi", to_string=True)
        if place() == f"KiTrap{DISPATCH_VECTOR}":
            return None
        if place().startswith("KiTrap"):
            interrupted = int(gdb.parse_and_eval("*(unsigned long long *)$rsp"))
            if interrupted not in (lowering, returns_to):
                return f"{place()} has interrupted {interrupted:#x}"
            gdb.execute(f"thbreak *KiTrap{DISPATCH_VECTOR}", to_string=True)
            gdb.execute(f"thbreak *{lowering:#x}", to_string=True)
            gdb.execute("continue", to_string=True)
            gdb.execute("delete breakpoints", to_string=True)
            if place() == f"KiTrap{DISPATCH_VECTOR}":
                return None
        elif register("pc") not in (lowering, returns_to):
            return f"the code has gone on: {place()}"
    return f"no interrupt in {MOST_STEPS} steps; in {place()}"


def loud_round():
    """With interrupts let in the same step lands in the dispatch interrupt."""
    if not check("irqs.raised", run_to("KtGdbRaised"), f"stopped in {place()}"):
        return
    check_pending("irqs")
    gdb.execute("step-quiet", to_string=True)
    if not check("irqs.lowering", step_to_lowering(), f"no CR8 write; now in {place()}"):
        return
    lowering = register("pc")
    returns_to = lowering + length_of_instruction()
    gdb.execute("step-with-irqs", to_string=True)
    problem = step_into_interrupt(lowering, returns_to)
    if check("irqs.step", problem is None, problem):
        saved = int(gdb.parse_and_eval("*(unsigned long long *)$rsp"))
        check("irqs.return_address", saved == returns_to, f"{saved:#x}, not {returns_to:#x}")
    gdb.execute("step-quiet", to_string=True)

    if check("irqs.dispatch", run_to("KiDispatchLevelInterrupt"), f"stopped in {place()}"):
        check("irqs.level", register("cr8") == DISPATCH_LEVEL, f"CR8 is {register('cr8')}")
        check("irqs.served", DISPATCH_VECTOR not in pending(), f"IRR: {pending()}")
    if check("irqs.dpc", run_to("KtGdbTargetDpc"), f"stopped in {place()}"):
        check("irqs.dpc_level", register("cr8") == DISPATCH_LEVEL, f"CR8 is {register('cr8')}")
        trace = gdb.execute("backtrace", to_string=True)
        check("irqs.backtrace", "KiDispatchLevelInterrupt" in trace and "RaiseInsertLower" in trace,
              "the chain does not lead to the code that lowered: " + trace.replace("\n", " / "))


def main():
    gdb.execute("metronome-attach", to_string=True)
    if not check("entry", place() == "KiEntry", f"stopped in {place()}"):
        return
    source = gdb.execute("info line *$pc", to_string=True)
    check("entry.source", "entry.asm" in source, source)
    quiet_round()
    loud_round()


run_script(main)

"""Run by GDB on a replay of the demonstration: backwards by instructions, to a breakpoint, and
from a CustomTimerDpc to the KeSetTimer that armed it."""

import os
import re
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from session import check, execute, place, register, run_script  # pylint: disable=wrong-import-position


def position():
    return int(re.search(r"count = (\d+)", execute("monitor info replay"))[1])


def refused(command):
    """What a command says that does not succeed."""
    try:
        return execute(command) and ""
    except gdb.error as problem:
        return str(problem)


def check_steps():
    """Back by one instruction, by ten, and forward again to the same place."""
    there, pc = position(), register("pc")
    answer = execute("reverse-stepi")
    check("reverse-stepi", position() == there - 1 and "call" in answer,
          f"{there} -> {position()}: {answer}")
    execute("reverse-stepi 10")
    check("reverse-stepi.count", position() == there - 11, f"{there} -> {position()}")
    execute("stepi 11")
    check("forward", register("pc") == pc and position() == there,
          f"pc {register('pc'):#x}, instruction {position()}")
    check("too_early", "begins later" in refused("go-to 1000"), refused("go-to 1000"))
    execute(f"go-to {there}")


def check_reverse_continue():
    """Back to the latest expiry of a timer, which is the one that queued this DPC."""
    there = position()
    execute("break KiExpireTimers")
    execute("reverse-continue")
    check("reverse-continue", place() == "KiExpireTimers" and position() < there,
          f"in {place()}, instruction {position()}")
    first = position()
    execute("reverse-continue")
    check("reverse-continue.again", place() == "KiExpireTimers" and position() < first,
          f"in {place()}, instruction {position()}")
    execute("delete")
    execute(f"go-to {there}")


def check_who_queued():
    dpc = register("rcx")
    answer = execute("who-queued")
    check("who-queued.armed", re.search(r"KeSetTimer\w* at instruction \d+ armed", answer), answer)
    check("who-queued.interrupt", "clock interrupt at instruction" in answer, answer)
    check("who-queued.place", place().startswith("KeSetTimer") and "StartTimers" in answer, answer)
    check("who-queued.timer", register("r8") == dpc or register("r9") == dpc,
          f"the DPC {dpc:#x} is no argument of the call")


def main():
    execute("metronome-attach")
    if not check("entry", place() == "KiEntry", f"it begins in {place()}"):
        return
    execute("break-dpc CancellingDpc")
    answer = execute("continue")
    if check("dpc", place() == "CancellingDpc", answer):
        execute("delete")
        check_steps()
        check_reverse_continue()
        check_who_queued()


run_script(main)

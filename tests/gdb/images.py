"""Run by GDB on a kernel with one driver from a file: its symbols, lines, variables and frames."""

import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from session import check, execute, place, register, run_script, run_to  # pylint: disable=wrong-import-position


def refusal_of(command):
    """The sentence with which a command refuses."""
    try:
        return f"no refusal but {execute(command)!r}"
    except gdb.error as problem:
        return str(problem)


def check_refusals():
    why = refusal_of("add-driver-symbols")
    check("symbols.none-loaded", why == "No driver is loaded from a file.", why)
    why = refusal_of("go-to-driver")
    check("go-to-driver.usage", why.startswith("Usage: go-to-driver NAME"), why)


def check_entry():
    text = execute("go-to-driver timerdpc")
    base = int(gdb.parse_and_eval("LdrFiles[0].Base"))
    check("go-to-driver", place() == "DriverEntry" and "tests/sys/timerdpc.c" in text, text)
    check("argument", int(gdb.parse_and_eval("DriverObject->DriverStart")) == base,
          execute("info args"))
    check("address", register("pc") >= 0xFFFFC00000000000, f"{register('pc'):#x}")


def check_routine():
    execute("tbreak TimerRoutine")
    execute("continue")
    frames = execute("backtrace")
    check("routine", place() == "TimerRoutine", place())
    check("backtrace", "timerdpc.c" in frames and "KiIdleLoop" in frames, frames)
    check("variable", int(gdb.parse_and_eval("Rounds")) == 0, execute("print Rounds"))
    check("routine.again", run_to("TimerRoutine"), place())
    check("variable.counted", int(gdb.parse_and_eval("Rounds")) == 1, execute("print Rounds"))


def check_lists():
    text = execute("lm")
    check("lm", "\\Driver\\timerdpc" in text, text)
    why = refusal_of("add-driver-symbols other")
    check("symbols.unknown", why == "No file is known for other; loaded from files are: timerdpc.",
          why)
    why = refusal_of("add-driver-symbols timerdpc /nonexistent")
    check("symbols.no-file", why == "There is no file /nonexistent.", why)


def main():
    execute("metronome-attach")
    check_refusals()
    check_entry()
    check_routine()
    check_lists()


run_script(main)

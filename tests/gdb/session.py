"""What the GDB scripts of the tests share: the commands, results, and how a script ends."""

import os
import sys

import gdb

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
gdb.execute("source " + os.path.join(ROOT, "tools", "gdb", "metronome.py"))

failures = 0


def check(name, holds, why=""):
    """Counts and prints one result."""
    global failures  # pylint: disable=global-statement
    if holds:
        print(f"PASS {name}", flush=True)
    else:
        failures += 1
        print(f"FAIL {name}: {why}", flush=True)
    return holds


def execute(command):
    """What a command prints."""
    return gdb.execute(command, to_string=True)


def register(name):
    return int(gdb.parse_and_eval("$" + name)) & 0xFFFFFFFFFFFFFFFF


def place():
    """The function at the program counter, from the symbol table."""
    return execute("info symbol $pc").split(" ")[0].strip()


def run_to(function, condition=""):
    """Continues to a function's first instruction."""
    execute(f"thbreak *{function} {condition}")
    execute("continue")
    return place() == function


def run_script(main):
    """Runs the script's main function and ends GDB: status 1 if a check failed."""
    try:
        main()
    except Exception as problem:  # pylint: disable=broad-except
        check("script", False, f"{type(problem).__name__}: {problem}")
    try:
        execute("kill")
    except gdb.error:
        pass
    sys.stdout.flush()
    gdb.execute(f"quit {1 if failures else 0}")

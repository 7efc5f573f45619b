"""Run by GDB on the benchmark: steps through one sample of the figure METRONOME_PATH and prints it.

A sample begins behind BENCH_BEGIN, which stores BenchStart, and ends at the reading that becomes
BenchEnd. Which BENCH_BEGIN it is, the sources say: the last one above the figure's name. A sample
of timer_late* begins with the clock interrupt; how late that comes is not in the listing.
"""

import collections
import glob
import os
import re
import subprocess
import sys

import gdb

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "gdb"))
from session import execute, register, run_script  # pylint: disable=wrong-import-position

FIGURE = os.environ["METRONOME_PATH"]
SUM = os.environ.get("METRONOME_PATH_SUM")
SKIPPED = 3  # samples before the one that is shown
MOST_STEPS = 1000000
STEP_WITHOUT_TIMERS = 0x5  # interrupts come in, but no clock goes off while GDB holds the machine
CLOCK_STUB = "KiTrap209"
LATE = {"timer_late_p50": 0, "timer_late_periodic_p50": 1, "timer_late_idle_p50": 2,
        "timer_late_periodic_idle_p50": 3}
LATE_SAMPLES = 401


def kernel_lines():
    """(address, instruction, (symbol, function), file name, line) of the whole kernel; the function is
    the one of the source, the symbol the one into which it is compiled."""
    kernel = os.path.join(ROOT, os.environ["BUILD_ROOT"], "bench", "metronome.elf")
    listing = subprocess.run(["objdump", "-dl", "--no-show-raw-insn", kernel],
                             stdout=subprocess.PIPE, text=True, check=True).stdout
    symbol, function, place = "", "", ("", 0)
    for text in listing.splitlines():
        begin = re.match(r"f[0-9a-f]{15} <(\w+)>:", text)
        named = re.match(r"(\w+)\(\):", text)
        source = re.match(r"(/\S+):(\d+)", text)
        instruction = re.match(r"(f[0-9a-f]{15}):\s+(.*)", text)
        if begin:
            symbol = function = begin[1]
        elif named:
            function = named[1]
        elif source:
            place = (os.path.basename(source[1]), int(source[2]))
        elif instruction:
            yield int(instruction[1], 16), re.sub(r"\s+", " ", instruction[2]), (symbol, function), \
                *place


def source_of_sample():
    """File name and line of the figure's BENCH_BEGIN or MEASURE, and does it end elsewhere?"""
    for name in glob.glob(os.path.join(ROOT, "tests", "bench", "*.c")):
        begin, elsewhere = 0, True
        with open(name, encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                if re.search(r"\b(BENCH_BEGIN|MEASURE\w*)\(", text):
                    begin, elsewhere = number, True
                if re.search(r"\b(BENCH_END|MEASURE\w*)\(", text):
                    elsewhere = False
                quoted = re.search(r'"(\w+)(%u)?"', text)
                if begin and quoted and re.fullmatch(
                        quoted[1] + (r"\d+" if quoted[2] else ""), FIGURE):
                    return (os.path.basename(name), begin), elsewhere
    raise gdb.GdbError(f"No benchmark measures {FIGURE}.")


def ends_and_begin(lines):
    """Addresses at which samples end, and the one at which this figure's begins. A sample that does
    not end in the function in which it begins ends in a DPC routine or in a thread."""
    ends, begin, home = {}, 0, "BenchEndDpc"
    wanted, elsewhere = (None, False) if FIGURE in LATE else source_of_sample()
    for (address, text, function, *place), following, third in zip(lines, lines[1:], lines[2:]):
        if text.startswith("rdtsc") and re.search(r"<BenchEnd>", following[1]):
            ends[address] = function[0]
        if text.startswith("rdtsc") and re.search(r"<BenchStart>", following[1]) and \
                tuple(place) == wanted and not begin:
            begin, home = third[0], function[0]
    if not begin and wanted:
        raise gdb.GdbError(f"{wanted[0]}:{wanted[1]} reads no counter.")
    return {address for address, function in ends.items() if elsewhere == (function != home)}, begin


def go_to_sample(begin):
    """Runs to the begin of the sample that is shown."""
    execute("metronome-attach")
    if begin:
        pending = re.fullmatch(r"timer_(?:set|reset|cancel)_(?:earliest_)?(\d+)", FIGURE)
        condition = f" if PendingCount == {pending[1]}" if pending else ""
        execute(f"hbreak *{begin:#x}{condition}")
        for _ in range(SKIPPED + 1):
            execute("continue")
        return
    execute("hbreak *BenchEndDpc")
    execute(f"ignore $bpnum {LATE[FIGURE] * LATE_SAMPLES + SKIPPED}")
    execute("continue")
    stop = gdb.Breakpoint(f"*{CLOCK_STUB}", gdb.BP_HARDWARE_BREAKPOINT)
    execute("continue")
    while not is_due():
        execute("continue")
    stop.delete()


def is_due():
    """The clock interrupt that has just begun is not one of the tick alone."""
    tick = gdb.parse_and_eval("KiProcessorBlock[0]->Clock.NextTick")
    due = gdb.parse_and_eval("KiProcessorBlock[0]->TimerTable.Queue.NextDue")
    return int(due) < int(tick)


def step_through(ends, stubs):
    """The addresses of the sample's instructions in their order. GDB stops once more in front of the
    instruction that an interrupt then comes before."""
    execute("delete")
    execute(f"maintenance packet Qqemu.sstep={STEP_WITHOUT_TIMERS:#x}")
    path = []
    while len(path) < MOST_STEPS:
        place = register("pc")
        if place in stubs:
            del path[-1:]
        elif path and path[-1] in ends:
            return path[:-1]
        path.append(place)
        execute("stepi")
    raise gdb.GdbError("The sample does not end.")


def print_instructions(counted, code, file):
    """(address, prefix) of each, under the name of its function."""
    before = ""
    for address, prefix in counted:
        text, (_, function) = code[address]
        if function != before:
            print(f"{function}:", file=file)
        before = function
        print(f"    {prefix}{text}", file=file)


def print_path(path, code, file):
    if SUM:  # how often each has run, in the order of the first time
        print_instructions([(address, f"{times:7} ")
                            for address, times in collections.Counter(path).items()], code, file)
    else:
        print_instructions([(address, "") for address in path], code, file)
    print_summary([code[address][1] for address in path], file)


def print_summary(functions, file):
    """How many instructions each function has, with those that are compiled into it."""
    symbols = {}
    for symbol, function in functions:
        symbols.setdefault(symbol, collections.Counter())[function] += 1
    print("\nBy function:", file=file)
    for symbol, counts in symbols.items():
        print(f"    {sum(counts.values()):7} {symbol}", file=file)
        if len(counts) > 1:
            for function, count in counts.items():
                print(f"            {count:7} {function}", file=file)
    print(f"    {len(functions):7} in all", file=file)


def main():
    lines = list(kernel_lines())
    code = {address: (text, function) for address, text, function, *_ in lines}
    ends, begin = ends_and_begin(lines)
    go_to_sample(begin)
    stubs = {int(gdb.parse_and_eval(f"((unsigned long *)&KiTrapStubs)[{vector}]"))
             for vector in range(32, 256)}
    path = step_through(ends, stubs)
    with open(os.environ["METRONOME_PATH_OUTPUT"], "w", encoding="utf-8") as file:
        print_path(path, code, file)


run_script(main)

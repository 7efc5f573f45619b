"""Run by GDB on the demonstration: what each command shows, and what it says of nonsense."""

import os
import re
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from session import check, execute, place, register, run_script  # pylint: disable=wrong-import-position

COMMANDS = ("metronome-attach", "step-quiet", "step-with-irqs", "irql", "why", "pcr", "prcb",
            "interrupts", "dpcs", "dpc", "timers", "timer", "threads", "kthread", "locks", "lm",
            "drvobj", "devobj", "irp", "irps", "pool", "break-irql-below", "break-dpc", "break-timer",
            "analyze", "who-queued", "go-to", "add-driver-symbols", "go-to-driver")


def answer_of(command):
    """What a command prints, or why it does not."""
    try:
        return execute(command)
    except gdb.error as problem:
        return str(problem)


def shows(name, command, *patterns):
    """Each pattern is in what the command prints."""
    answer = answer_of(command)
    missing = [p for p in patterns if not re.search(p, answer, re.M)]
    check(name, not missing, f"`{command}` does not show {missing}: {answer[-300:]!r}")
    return answer


def check_help():
    listed = execute("metronome")
    unlisted = [c for c in COMMANDS if not re.search(rf"(^|[ ,]){c}\b", listed, re.M)]
    check("metronome", not unlisted, f"the list has no {unlisted}")
    unhelpful = [c for c in COMMANDS if "not documented" in execute(f"help {c}")]
    check("help", not unhelpful, f"no help text: {unhelpful}")


def check_processors():
    processor = gdb.selected_thread().num - 1
    shows("irql", "irql", rf"^\* processor {processor}: CR8 = 2, DISPATCH_LEVEL; interrupts on; at "
          r"customtimer!CancellingDpc", r"^  processor \d: CR8 = ")
    shows("pcr", "pcr", rf"of processor {processor}$", r"gs:\[20\]")
    shows("prcb", "prcb", r"DPC routine +customtimer!CancellingDpc", r"next tick +in 0\.0")
    shows("prcb.other", f"prcb {1 - processor}", rf"of processor {1 - processor}$")
    shows("prcb.none", "prcb 7", r"^Usage: prcb \[PROCESSOR\], 0 to 1")
    shows("interrupts", "interrupts", r"^ +0xb0 +11  pin 8 +rtc!\w+ +\d +[1-9]")
    shows("why.clock", "why 0xd1", r"clock\) has IRQL 13, CLOCK_LEVEL", r"It is not requested")
    shows("why.unconnected", "why 0x39", r"No service routine is connected")
    shows("why.exception", "why 3", r"^Usage: why VECTOR")


def check_deferral():
    dpc = register("rcx")
    shows("dpcs", "dpcs", r"runs customtimer!CancellingDpc", r"^processor 0: ", r"^processor 1: ")
    shows("dpc", f"dpc {dpc:#x}", r"ordinary$", r"customtimer!CancellingDpc +drivers/customtimer/",
          r"queued +no$")
    shows("dpc.none", "dpc &KiDispatcherLock", r"There is no DPC at ")
    text = shows("timers", "timers", r"every 100 ms +processor [01]  customtimer!PeriodicDpc",
                 r"^0xf\w+  in 0\.\d+ s", r"^\d+ timers are set\.$")
    dues = [float(d) for d in re.findall(r"  in (\d+\.\d+) s", text)]
    check("timers.order", dues == sorted(dues) and len(dues) > 5, str(dues))
    timer = re.search(r"^(0xf\w+).*every 100 ms.*PeriodicDpc", text, re.M)[1]
    shows("timer", f"timer {timer}", r"notification timer", r"period +100 ms", r"PeriodicDpc")
    shows("timer.none", f"timer {dpc:#x}", r"There is no timer at ")
    shows("print.KDPC", f"print *(KDPC *){dpc:#x}", r"ordinary DPC customtimer!CancellingDpc")
    shows("print.KTIMER", f"print *(KTIMER *){timer}", r"every 100 ms, calls customtimer!Periodic")
    return timer


def check_threads():
    text = shows("threads", "threads", r"  waiting .*  reaper$", r"waits for semaphore 0x",
                 r"  running .*  idle$")
    reaper = re.search(r"^(0x\w+) .*  reaper$", text, re.M)[1]
    shows("kthread", f"kthread {reaper}", r"reaper: waiting", r"waits for +synchronization event",
          r"WaitForObjects\S* +kernel/ke/wait", r"Reaper\S* +kernel/ps/thread\.c")
    shows("kthread.none", "kthread &KiDispatcherLock", r"There is no thread at ")
    execute("set var ThreadList.Flink->Flink->Blink = 0")
    shows("threads.damaged", "threads", r"The list of threads is damaged: entry 0x\w+ says that 0x0 ")
    execute("set var ThreadList.Flink->Flink->Blink = ThreadList.Flink")
    shows("threads.mended", "threads", r"  reaper$")


def check_drivers():
    shows("lm", "lm", r"metronome \(the kernel\)$", r"\\Driver\\customtimer$")
    text = shows("drvobj", "drvobj customtimer", r"AddDevice +customtimer!AddDevice",
                 r"^    device +0x")
    device = re.search(r"^    device +(0x\w+)", text, re.M)[1]
    shows("devobj", f"devobj {device}", r"of \\Driver\\customtimer", r"device queue +not busy")
    shows("devobj.name", "devobj edu0", r"of \\Driver\\edu$", r"name +\\Device\\Edu0$")
    shows("devobj.full-name", r"devobj \Device\Edu0", r"of \\Driver\\edu$")
    shows("devobj.none", "devobj &KiDispatcherLock", r"There is no device object")
    driver = re.search(r"DRIVER_OBJECT (0x\w+)", text)[1]
    shows("print.UNICODE_STRING", f"print ((DRIVER_OBJECT *){driver})->DriverName",
          r'L"\\Driver\\customtimer" \(\d+ of \d+ bytes\)')
    shows("print.LIST_ENTRY", "print ThreadList", r"a ring of \d+ links")
    shows("pool", "pool", r"^Devi +[1-9]\d* in [1-9]")
    rows = int(re.search(r"^Devi +\d+ in (\d+)", execute("pool"), re.M)[1])
    shows("pool.tag", "pool Devi", rf"^{rows} blocks with tag 'Devi'")
    shows("irp.none", "irp &KiDispatcherLock", r"There is no IRP at ")


def check_stops(timer):
    execute("break-irql-below 2")
    shows("break-irql-below", "continue", r"lowers its IRQL from \d+, \w+, to [01], ")
    before = register("cr8")
    check("break-irql-below.before", before >= 2, f"CR8 is {before}")
    execute("break-irql-below off")
    execute("break-dpc PeriodicDpc")
    shows("break-dpc", "continue", r"calls customtimer!PeriodicDpc on processor \d at IRQL 2")
    check("break-dpc.place", place() == "PeriodicDpc", place())
    execute("delete")
    execute(f"break-timer {timer}")
    shows("break-timer", "continue", rf"Timer {timer} expires on processor \d")
    execute("delete")
    execute("tbreak ArchSwitchThread")
    execute("continue")
    shows("locks", "locks", r"KiDispatcherLock: held by processor \d")
    shows("locks.address", "locks &KiDispatcherLock", r"held by processor \d")


def check_bug_check():
    """The last one: the kernel is made to stop."""
    shows("analyze.none", "analyze", r"^No bug check is under way")
    for name, value in (("rcx", 0xC4), ("rdx", 0x42), ("r8", 5), ("r9", 0x1234)):
        execute(f"set ${name} = {value}")
    execute("set $rip = &KeBugCheckEx")
    shows("analyze.stop", "continue", r"The kernel stops with a bug check")
    shows("analyze", "analyze", r"0xc4, DRIVER_VERIFIER_DETECTED_VIOLATION",
          r"P1 0x0+42  KeAcquireSpinLock above DISPATCH_LEVEL", r"P3 0x0+1234  the lock",
          r"^    IRQL   2, DISPATCH_LEVEL")


def main():
    execute("metronome-attach")
    execute("break-dpc CancellingDpc")
    execute("continue")
    if not check("dpc", place() == "CancellingDpc", place()):
        return
    execute("delete")
    check_help()
    check_processors()
    timer = check_deferral()
    check_threads()
    check_drivers()
    check_stops(timer)
    check_bug_check()


run_script(main)

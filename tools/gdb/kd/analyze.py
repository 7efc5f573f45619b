"""analyze: the bug check that the kernel has stopped with, explained."""

import gdb

from . import kernel
from .kernel import Command, evaluate, number, symbol


def report_in_frames():
    """The KBUGCHECK_REPORT that the reporting function was given: it is on the stack."""
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.name() in ("KiBugCheck", "KiPrintBugCheck"):
            try:
                report = frame.read_var("Report")
                if not report.is_optimized_out and number(report):
                    return report.dereference()
            except (ValueError, gdb.error):
                pass
        frame = frame.older()
    return None


def code_entry(code):
    """The kernel's own table: a code's name and what its parameters mean."""
    table = evaluate("'kernel/ke/bugcodes.c'::Codes")
    for index in range(table.type.range()[1] + 1):
        if number(table[index]["Code"]) == code:
            return table[index]
    return None


def kind_entry(code, first):
    """What P1 stands for, in the codes whose P1 is a kind of error."""
    table = evaluate("'kernel/ke/bugkinds.c'::Kinds")
    for index in range(table.type.range()[1] + 1):
        entry = table[index]
        if number(entry["Code"]) == code and number(entry["Kind"]) == first & 0xFFFFFFFF:
            return entry
    return None


class Analyze(Command):
    """Explains the bug check that this processor is reporting: code, parameters, rule, and where.

`metronome-attach` sets a breakpoint on KiBugCheck, so that the system is seen while it still
stands; after the report the emulator ends."""

    name, kind = "analyze", gdb.COMMAND_STATUS

    def run(self, arguments):
        report = report_in_frames()
        if report is None:
            print("No bug check is under way on this processor.")
            return
        code = number(report["Code"])
        values = [number(report["Parameters"][n]) for n in range(4)]
        entry, kind = code_entry(code), kind_entry(code, values[0])
        print(f"Bug check {code:#x}, {kernel.text(entry['Name']) if entry else 'without a name'}")
        for n, value in enumerate(values):
            meaning = kernel.text(kind["Meanings"][n]) if kind else ""
            meaning = meaning or (kernel.text(entry["Meanings"][n]) if entry else "")
            name = symbol(value)
            place = f": {name}" if name != f"{value:#x}" else ""
            print(f"    P{n + 1} {value:#018x}  {meaning or '-'}{place}")
        print(f"    IRQL   {int(report['Irql'])}, {kernel.level(int(report['Irql']))}, before it")
        for title, field in (("rule", "Rule"), ("detail", "Detail")):
            if number(report[field]):
                print(f"    {title:6} {kernel.text(report[field])}")
        self.where(report)

    @staticmethod
    def where(report):
        """The first frame outside the reporting, or the instruction of the exception."""
        if number(report["TrapFrame"]):
            rip = number(report["TrapFrame"]["Rip"])
            print(f"    at     {symbol(rip)}  {kernel.source(rip)}")
            return
        frame = gdb.newest_frame()
        while frame is not None:
            name = frame.name() or ""
            if name and not name.startswith(("KiBugCheck", "KeBugCheck", "KiReport", "KiPrint",
                                             "RtlAssert", "KiRequire")):
                print(f"    at     {name}  {kernel.source(frame.pc() - 1)}")
                return
            frame = frame.older()


class BugCheckStop(gdb.Breakpoint):
    """Where the system stops for good: GDB comes first."""

    def __init__(self):
        super().__init__("KiBugCheck", internal=True)
        self.silent = True

    def stop(self):
        if number(evaluate("KiBugCheckHook")):
            return False  # a test expects this one and survives it
        print("The kernel stops with a bug check: `analyze` explains it.")
        return True


def register_commands():
    Analyze()

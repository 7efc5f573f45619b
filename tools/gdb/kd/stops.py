"""break-irql-below, break-dpc, break-timer: breakpoints on events rather than on lines."""

import gdb

from . import kernel
from .kernel import Command, evaluate, number, register, symbol

REGISTERS = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
             "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15")


def writes_to_cr8():
    """(address, register) of every instruction in the kernel's text that writes CR8.

`mov REGISTER, %cr8` is 44 0F 22 C0 plus the register, 45 for R8 to R15."""
    start, end = number(evaluate("&KiTextStart")), number(evaluate("&KiTextEnd"))
    code = bytes(gdb.selected_inferior().read_memory(start, end - start))
    at = code.find(b"\x0f\x22")
    while at > 0:
        prefix, operand = code[at - 1], code[at + 2] if at + 2 < len(code) else 0
        if prefix in (0x44, 0x45) and operand >> 3 == 0xC0 >> 3:
            yield start + at - 1, REGISTERS[(operand & 7) + (8 if prefix == 0x45 else 0)]
        at = code.find(b"\x0f\x22", at + 1)


class LoweringStop(gdb.Breakpoint):
    """One instruction that may lower the IRQL below a limit."""

    def __init__(self, where, source, limit):
        super().__init__(f"*{where:#x}", internal=True)
        self.silent, self.source, self.limit = True, source, limit

    def stop(self):
        before, after = register("cr8"), register(self.source) & 0xF
        if not after < self.limit <= before:
            return False
        print(f"Processor {gdb.selected_thread().num - 1} lowers its IRQL from {before}, "
              f"{kernel.level(before)}, to {after}, {kernel.level(after)}, "
              f"in {symbol(register('pc'))}.")
        return True


class BreakIrqlBelow(Command):
    """Stops when any processor lowers its IRQL below a level. Usage: break-irql-below LEVEL | off

It stops before the instruction that writes CR8; step-with-irqs and stepi show what comes in. The
breakpoints are at the kernel's own writes of CR8: a driver's image that writes it inline is not
seen."""

    name, kind = "break-irql-below", gdb.COMMAND_BREAKPOINTS
    stops = []

    def run(self, arguments):
        limit = arguments[0] if len(arguments) == 1 else ""
        if limit != "off" and not (limit.isdigit() and 1 <= int(limit) <= 15):
            raise kernel.usage("break-irql-below LEVEL (1 to 15), or off")
        for stop in self.stops:
            stop.delete()
        self.stops.clear()
        if limit == "off":
            print("The IRQL may fall without a stop.")
            return
        self.stops.extend(LoweringStop(where, source, int(limit))
                          for where, source in writes_to_cr8())
        print(f"Stops when the IRQL falls below {limit}, {kernel.level(int(limit))}; "
              f"{len(self.stops)} places in the kernel can lower it.")


class DpcStop(gdb.Breakpoint):
    """A routine, when it is called as a DPC's."""

    def __init__(self, where):
        super().__init__(f"*{where:#x}")
        self.where = where

    def stop(self):
        try:
            dpc = kernel.structure("KDPC", register("rcx"))
            if number(dpc["DeferredRoutine"]) != self.where:
                return False
        except gdb.MemoryError:
            return False
        print(f"DPC {number(dpc.address):#x} calls {symbol(self.where)} on processor "
              f"{gdb.selected_thread().num - 1} at IRQL {register('cr8')}.")
        return True


class BreakDpc(Command):
    """Stops when a routine is called as a DPC routine, at its first instruction, where RCX is the
DPC. Usage: break-dpc ROUTINE   It is an ordinary breakpoint: `delete` ends it."""

    name, kind = "break-dpc", gdb.COMMAND_BREAKPOINTS

    def run(self, arguments):
        if len(arguments) != 1:
            raise kernel.usage("break-dpc ROUTINE; `dpcs` and `timers` show routines")
        DpcStop(kernel.address(f"(unsigned long)&{arguments[0]}"
                               if not arguments[0].startswith(("0x", "*")) else
                               arguments[0].lstrip("*"), self.name))


class TimerStop(gdb.Breakpoint):
    """What an expiry writes into a timer: the next due time if it is periodic, else its signal."""

    def __init__(self, timer, field, periodic):
        where = number(evaluate(f"&((KTIMER *){timer:#x})->{field}"))
        size = evaluate(f"sizeof(((KTIMER *)0)->{field})")
        super().__init__(f"*(unsigned {'int' if size == 4 else 'long long'} *){where:#x}",
                         gdb.BP_WATCHPOINT, gdb.WP_WRITE)
        self.silent, self.timer, self.periodic = True, timer, periodic

    def stop(self):
        timer = kernel.structure("KTIMER", self.timer)
        if (int(timer["Period"]) != 0) != self.periodic or not in_function("KiExpireTimers"):
            return False
        print(f"Timer {self.timer:#x} expires on processor {gdb.selected_thread().num - 1}.")
        return True


def in_function(name):
    """Is the selected processor in a function, or in what it has called?"""
    frame = gdb.newest_frame()
    while frame is not None:
        if frame.name() == name:
            return True
        frame = frame.older()
    return False


class BreakTimer(Command):
    """Stops when a timer expires. Usage: break-timer ADDRESS

It sets two watchpoints of the processor's; `delete` ends them."""

    name, kind = "break-timer", gdb.COMMAND_BREAKPOINTS

    def run(self, arguments):
        if len(arguments) != 1:
            raise kernel.usage("break-timer ADDRESS; `timers` lists them")
        timer = kernel.address(arguments[0], self.name)
        kind = int(kernel.structure("KTIMER", timer)["Header"]["Type"])
        if kind not in (8, 9):
            print(f"There is no timer at {timer:#x}.")
            return
        TimerStop(timer, "DueTime.QuadPart", True)
        TimerStop(timer, "Header.SignalState", False)


def register_commands():
    for command in (BreakIrqlBelow, BreakDpc, BreakTimer):
        command()

"""dpcs, dpc, timers, timer: the work that has been put off."""

import gdb

from . import kernel
from .kernel import Command, number, symbol

IMPORTANCE = ("low", "medium", "high", "medium-high")
DPC_KINDS = {0x13: "ordinary", 0x18: "threaded"}
TIMER_KINDS = {8: "notification timer", 9: "synchronization timer"}


def describe_dpc(dpc):
    """One line on a DPC object."""
    return (f"{number(dpc.address):#x}  {symbol(dpc['DeferredRoutine'])}"
            f"({number(dpc['DeferredContext']):#x}, {number(dpc['SystemArgument1']):#x}, "
            f"{number(dpc['SystemArgument2']):#x})")


class Dpcs(Command):
    """Lists the DPCs in the queues of each processor, first to run first."""

    name = "dpcs"

    def run(self, arguments):
        for block in kernel.processors():
            processor, routine = int(block["Number"]), number(block["DpcRoutine"])
            now = f"runs {symbol(routine)}" if routine else "runs none"
            print(f"processor {processor}: {now}")
            for title, field in (("ordinary", "DpcData"), ("threaded", "ThreadedDpcData")):
                self.show(processor, title, block[field])

    @staticmethod
    def show(processor, title, queue):
        what = f"{title} DPCs of processor {processor}"
        try:
            for dpc in kernel.entries(queue["DpcList"], "KDPC", "DpcListEntry", what):
                print(f"    {title}  {describe_dpc(dpc)}")
        except kernel.Damaged as damage:
            print(f"    {damage}")


class Dpc(Command):
    """Shows a DPC object. Usage: dpc ADDRESS"""

    name = "dpc"

    def run(self, arguments):
        if len(arguments) != 1:
            raise kernel.usage("dpc ADDRESS")
        dpc = kernel.structure("KDPC", kernel.address(arguments[0], self.name))
        kind = DPC_KINDS.get(int(dpc["Type"]))
        if kind is None:
            print(f"There is no DPC at {number(dpc.address):#x}: its type is "
                  f"{int(dpc['Type']):#x}, not 0x13 or 0x18.")
            return
        target, queue = int(dpc["Number"]), number(dpc["DpcData"])
        importance = int(dpc["Importance"])
        print(f"KDPC {number(dpc.address):#x}, {kind}")
        print(f"    DeferredRoutine  {symbol(dpc['DeferredRoutine'])}  "
              f"{kernel.source(number(dpc['DeferredRoutine']))}")
        print(f"    DeferredContext  {number(dpc['DeferredContext']):#x}")
        print(f"    SystemArguments  {number(dpc['SystemArgument1']):#x}, "
              f"{number(dpc['SystemArgument2']):#x}")
        print(f"    Importance       "
              f"{IMPORTANCE[importance] if importance < 4 else importance}")
        print(f"    target           "
              f"{f'processor {target - 1}' if target else 'the processor that queues it'}")
        print(f"    queued           {self.place(queue) if queue else 'no'}")

    @staticmethod
    def place(queue):
        """Whose queue a queue's address is."""
        for block in kernel.processors():
            for title, field in (("ordinary", "DpcData"), ("threaded", "ThreadedDpcData")):
                if number(block[field].address) == queue:
                    return f"in the {title} queue of processor {int(block['Number'])}"
        return f"in a queue at {queue:#x}, which is no processor's: damaged"


def timers_of(block):
    """The timers of a processor's queue, list by list."""
    queue = block["TimerTable"]["Queue"]
    lists, occupied = queue["Lists"], queue["Occupied"]
    for index in range(lists.type.range()[1] + 1):
        if number(occupied[index // 64]) >> index % 64 & 1:
            yield from kernel.entries(
                lists[index], "KTIMER", "TimerListEntry",
                f"timers of processor {int(block['Number'])}, number {index}")


class Timers(Command):
    """Lists the timers that are set, by due time: when they are due, their period, what DPC
routine they call and on which processor."""

    name = "timers"

    def run(self, arguments):
        now, exact = kernel.interrupt_time()
        print(f"interrupt time {'' if exact else 'about '}{kernel.seconds(now)}")
        found = []
        for block in kernel.processors():
            try:
                for timer in timers_of(block):
                    found.append((number(timer["DueTime"]["QuadPart"]), timer))
            except kernel.Damaged as damage:
                print(damage)
        for due, timer in sorted(found, key=lambda pair: pair[0]):
            self.show(due, timer, now, exact)
        print(f"{len(found)} timers are set.")

    @staticmethod
    def show(due, timer, now, exact):
        period, dpc = int(timer["Period"]), number(timer["Dpc"])
        calls = symbol(timer["Dpc"]["DeferredRoutine"]) if dpc else "no DPC"
        kind = "absolute" if int(timer["Header"]["Absolute"]) else ""
        every = f"every {period} ms" if period else "once"
        print(f"{number(timer.address):#x}  {kernel.due_in(due, now, exact):24}  {every:14} "
              f"processor {int(timer['Processor'])}  {calls}  {kind}".rstrip())


class Timer(Command):
    """Shows a timer, the DPC it calls and the threads that wait for it. Usage: timer ADDRESS"""

    name = "timer"

    def run(self, arguments):
        if len(arguments) != 1:
            raise kernel.usage("timer ADDRESS")
        timer = kernel.structure("KTIMER", kernel.address(arguments[0], self.name))
        header = timer["Header"]
        if int(header["Type"]) not in TIMER_KINDS:
            print(f"There is no timer at {number(timer.address):#x}: its type is "
                  f"{int(header['Type']):#x}, not 8 or 9.")
            return
        now, exact = kernel.interrupt_time()
        due, period = number(timer["DueTime"]["QuadPart"]), int(timer["Period"])
        print(f"KTIMER {number(timer.address):#x}, {TIMER_KINDS[int(header['Type'])]}, "
              f"{'signaled' if int(header['SignalState']) else 'not signaled'}")
        if int(header["Inserted"]):
            kind = ", follows the system time" if int(header["Absolute"]) else ""
            print(f"    due        {kernel.due_in(due, now, exact)}, at interrupt time "
                  f"{due}{kind}")
            print(f"    period     {f'{period} ms' if period else 'none: once'}")
            print(f"    queue      of processor {int(timer['Processor'])}")
        else:
            print("    due        not set")
        if number(timer["Dpc"]):
            print(f"    DPC        {describe_dpc(timer['Dpc'].dereference())}")
        else:
            print("    DPC        none")
        for block in kernel.entries(header["WaitListHead"], "KWAIT_BLOCK", "WaitListEntry",
                                    "the timer's waiters"):
            print(f"    waited for by thread {number(block['Thread']):#x}")


def register_commands():
    for command in (Dpcs, Dpc, Timers, Timer):
        command()

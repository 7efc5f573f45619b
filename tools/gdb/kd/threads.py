"""threads, kthread, locks: who runs, who waits for what, who holds what."""

import re

import gdb

from . import kernel
from .kernel import Command, evaluate, number, symbol

MOST_FRAMES = 32
MUTANT, THREAD = 2, 6
OBJECTS = {0: "notification event", 1: "synchronization event", 2: "mutex", 5: "semaphore",
           6: "thread", 8: "notification timer", 9: "synchronization timer"}

# What ArchSwitchThread leaves on the stack: the non-volatile XMM registers with MXCSR, then the
# pushed general registers, RBP the highest, then the return address (arch/x86_64/switch.asm).
SWITCH_RBP = 10 * 16 + 8 + 7 * 8
SWITCH_RETURN = SWITCH_RBP + 8


def all_threads():
    return kernel.entries(evaluate("ThreadList"), "KTHREAD", "ThreadListEntry", "threads")


def name_of(thread):
    """A thread's name, or that of its start routine."""
    return kernel.text(thread["Name"]) or symbol(thread["StartRoutine"])


def state_of(thread):
    return str(thread["State"]).replace("Thread", "", 1).lower()


def waited_objects(thread):
    """The objects that a waiting thread's blocks lead to."""
    blocks = thread["WaitBlocks"]
    for index in range(min(int(thread["WaitCount"]), 64)):
        yield number(blocks[index]["Object"])


def describe_object(where):
    header = kernel.structure("DISPATCHER_HEADER", where)
    kind = OBJECTS.get(int(header["Type"]), f"type {int(header['Type']):#x}")
    owner = ""
    if int(header["Type"]) == MUTANT:
        holder = number(kernel.structure("KMUTANT", where)["OwnerThread"])
        owner = f", owned by thread {holder:#x}" if holder else ", free"
    return f"{kind} {where:#x}{owner}"


class Threads(Command):
    """Lists the threads: state, priority, processor, and what a waiting one waits for."""

    name = "threads"

    def run(self, arguments):
        print("thread              state       priority  processor  switches  name")
        for thread in all_threads():
            print(f"{number(thread.address):#x}  {state_of(thread):10}  {int(thread['Priority']):8}"
                  f"  {int(thread['LastProcessor']):9}  {int(thread['Switches']):8}  "
                  f"{name_of(thread)}")
            if state_of(thread) == "waiting":
                objects = [describe_object(o) for o in waited_objects(thread)]
                print(f"    waits for {', '.join(objects) or 'a time-out alone'}")


def read_words(where, count):
    memory = bytes(gdb.selected_inferior().read_memory(where, 8 * count))
    return [int.from_bytes(memory[8 * n:8 * n + 8], "little") for n in range(count)]


def saved_frames(thread):
    """Return addresses of a thread that does not run, along its frame pointers."""
    stack = number(thread["KernelStack"])
    low, high = number(thread["StackLimit"]), number(thread["StackBase"])
    frame, = read_words(stack + SWITCH_RBP, 1)
    returns, = read_words(stack + SWITCH_RETURN, 1)
    for _ in range(MOST_FRAMES):
        yield returns
        if not low <= frame < high - 16:
            return
        following, returns = read_words(frame, 2)
        if following <= frame:
            return
        frame = following


class KThread(Command):
    """Shows a thread, what it waits for, what it owns and, if it does not run, its backtrace.

Usage: kthread ADDRESS   (GDB has a command `thread` of its own, which selects a processor.)"""

    name = "kthread"

    def run(self, arguments):
        if len(arguments) != 1:
            raise kernel.usage("kthread ADDRESS; `threads` lists them")
        thread = kernel.structure("KTHREAD", kernel.address(arguments[0], self.name))
        if int(thread["Header"]["Type"]) != THREAD:
            print(f"There is no thread at {number(thread.address):#x}: its type is "
                  f"{int(thread['Header']['Type']):#x}, not {THREAD}.")
            return
        print(f"KTHREAD {number(thread.address):#x}, {name_of(thread)}: {state_of(thread)}")
        print(f"    priority   {int(thread['Priority'])}, base {int(thread['BasePriority'])}; "
              f"quantum {int(thread['Quantum'])} ticks left")
        print(f"    processor  {int(thread['LastProcessor'])}; may run on mask "
              f"{number(thread['Affinity']):#x}")
        print(f"    APCs       {-int(thread['KernelApcDisable'])} critical and "
              f"{-int(thread['SpecialApcDisable'])} guarded regions deep")
        for index, kind in enumerate(("special", "normal")):
            for apc in kernel.entries(thread["ApcLists"][index], "KAPC", "ApcListEntry",
                                      "the thread's APCs"):
                print(f"    queued     {kind} APC {number(apc.address):#x}, "
                      f"{symbol(apc['KernelRoutine'])}")
        for mutant in kernel.entries(thread["MutantList"], "KMUTANT", "MutantListEntry",
                                     "the thread's mutexes"):
            print(f"    owns       mutex {number(mutant.address):#x}")
        if state_of(thread) == "waiting":
            for where in waited_objects(thread):
                print(f"    waits for  {describe_object(where)}")
        if state_of(thread) == "running":
            print(f"    It runs: the backtrace of processor {int(thread['LastProcessor'])} is its.")
            return
        for depth, returns in enumerate(saved_frames(thread)):
            print(f"    #{depth:<2} {returns:#018x} {symbol(returns)}  {kernel.source(returns - 1)}")


def lock_variables():
    """(name, address) of every spin lock that is a variable of the kernel's."""
    listing = gdb.execute("info variables -q -t ^KSPIN_LOCK$", to_string=True)
    for name in re.findall(r"KSPIN_LOCK (\w+);", listing):
        yield name, number(evaluate(f"&{name}"))


def all_locks():
    yield from lock_variables()
    for block in kernel.processors():
        processor = int(block["Number"])
        for title, lock in (("timers", block["TimerTable"]["Lock"]),
                            ("DPC queue", block["DpcData"]["Lock"]),
                            ("threaded DPC queue", block["ThreadedDpcData"]["Lock"])):
            yield f"{title} of processor {processor}", number(lock.address)


class Locks(Command):
    """Lists the spin locks that are held, by whom, and the mutexes that threads own.

Looks at the kernel's own locks: its variables and those in the processors' blocks. In a checked
build a held lock says which processor holds it. Usage: locks [ADDRESS], ... a lock of a driver's."""

    name = "locks"

    def run(self, arguments):
        owners = {number(b.address): int(b["Number"]) for b in kernel.processors()}
        locks = [(a, kernel.address(a, self.name)) for a in arguments] or list(all_locks())
        held = 0
        for name, where in locks:
            word, = read_words(where, 1)
            held += word != 0
            if word or arguments:
                print(f"{where:#x}  {name}: {self.holder(word, owners)}")
        for thread in all_threads():
            for mutant in kernel.entries(thread["MutantList"], "KMUTANT", "MutantListEntry",
                                         "a thread's mutexes"):
                print(f"{number(mutant.address):#x}  mutex: owned by thread "
                      f"{number(thread.address):#x}, {name_of(thread)}")
        print(f"{held} of {len(locks)} spin locks are held.")

    @staticmethod
    def holder(word, owners):
        if word == 0:
            return "free"
        if word in owners:
            return f"held by processor {owners[word]}"
        return "held" if word == 1 else f"held; it contains {word:#x} (a queued lock's waiter)"


def register_commands():
    for command in (Threads, KThread, Locks):
        command()

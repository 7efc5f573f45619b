"""How the commands read the stopped kernel: structures, lists, symbols, processors, the time.

Nothing here changes the machine. What is read may be damaged, so nothing is believed: a list is
followed only while its links agree, and the sentence of a Damaged exception says what does not.
"""

import re

import gdb

MOST_ENTRIES = 100_000  # of a list: more is taken for a ring
MASK64 = 0xFFFFFFFFFFFFFFFF
NEVER = MASK64  # MAXULONG64: no deadline, no due time

LEVELS = {0: "PASSIVE_LEVEL", 1: "APC_LEVEL", 2: "DISPATCH_LEVEL", 12: "SYNCH_LEVEL",
          13: "CLOCK_LEVEL", 14: "IPI_LEVEL", 15: "HIGH_LEVEL"}

SHARED_DATA = 0xFFFFF78000000000  # the time page
INTERRUPT_TIME = SHARED_DATA + 8


class Damaged(Exception):
    """The kernel's data contradict themselves; the text is a sentence."""


class Command(gdb.Command):
    """A command whose errors are sentences. The docstring of a subclass is its help text."""

    name = ""
    kind = gdb.COMMAND_DATA

    def __init__(self):
        super().__init__(self.name, self.kind)

    def run(self, arguments):
        """What the command does, given its words."""
        raise NotImplementedError

    def invoke(self, argument, from_tty):
        try:
            self.run(gdb.string_to_argv(argument))
        except Damaged as damage:
            print(damage)
        except gdb.MemoryError as problem:
            raise gdb.GdbError(f"{self.name}: {problem}.") from problem


def usage(text):
    """Ends a command that was called wrongly."""
    return gdb.GdbError(f"Usage: {text}")


# ---- values ----

def number(value):
    """An integer or a pointer without its sign."""
    return int(value) & MASK64


def evaluate(expression):
    return gdb.parse_and_eval(expression)


def register(name):
    return number(evaluate("$" + name))


def address(expression, command):
    """The address that a user gives to a command: an expression."""
    try:
        return number(evaluate(expression))
    except gdb.error as problem:
        raise gdb.GdbError(f"{command}: {problem}") from problem


def structure(kind, where):
    """The structure of a type's name at an address."""
    return gdb.Value(where).cast(type_named(kind).pointer()).dereference()


def type_named(kind):
    """The type NAME, or struct _NAME if the typedef is not in the debug information."""
    try:
        return gdb.lookup_type(kind)
    except gdb.error:
        return gdb.lookup_type(f"struct _{kind}")


def offset_of(kind, field):
    """The offset of a structure's field, in bytes."""
    fields = type_named(kind).strip_typedefs().fields()
    return next(f.bitpos // 8 for f in fields if f.name == field)


def text(pointer):
    """A C string of the kernel; nothing for NULL."""
    return pointer.string(errors="replace") if number(pointer) else ""


def unicode(string):
    """The text of a UNICODE_STRING."""
    length, buffer = int(string["Length"]), number(string["Buffer"])
    if not length or not buffer:
        return ""
    return bytes(gdb.selected_inferior().read_memory(buffer, length)).decode("utf-16-le", "replace")


def symbol(where):
    """`name`, `driver!name`, `name+0x12`, or the number: what stands at an address."""
    where = number(where)
    answer = gdb.execute(f"info symbol {where:#x}", to_string=True)
    match = re.match(r"(\S+)(?: \+ (\d+))? in section", answer)
    if not match:
        return f"{where:#x}"
    driver = re.match(r"drivers/(\w+)/", file_of(where))
    return (f"{driver[1]}!" if driver else "") + match[1] + \
        (f"+{int(match[2]):#x}" if match[2] else "")


def source(where):
    """`file:line` of an address, or nothing."""
    place = gdb.find_pc_line(where)
    return f"{place.symtab.filename}:{place.line}" if place.symtab else ""


def file_of(where):
    """The source file of the function at an address, or nothing."""
    try:
        block = gdb.block_for_pc(where)
        while block and not block.function:
            block = block.superblock
        return block.function.symtab.filename if block else ""
    except (RuntimeError, gdb.error):
        return ""


# ---- lists ----

def entries(head, kind, field, what):
    """The structures on a LIST_ENTRY list; `what` names the list in the sentence of an error."""
    first = number(head.address)
    previous, entry = first, number(head["Flink"])
    offset = offset_of(kind, field)
    for _ in range(MOST_ENTRIES):
        if entry == first:
            return
        try:
            links = structure("LIST_ENTRY", entry)
            back, following = number(links["Blink"]), number(links["Flink"])
        except gdb.MemoryError as problem:
            raise Damaged(f"The list of {what} is damaged: its entry {previous:#x} leads to "
                          f"{entry:#x}, where there is no memory.") from problem
        if back != previous:
            raise Damaged(f"The list of {what} is damaged: entry {entry:#x} says that {back:#x} "
                          f"stands before it, but {previous:#x} leads to it.")
        yield structure(kind, entry - offset)
        previous, entry = entry, following
    raise Damaged(f"The list of {what} has more than {MOST_ENTRIES} entries; it may be a ring.")


# ---- processors, levels and vectors ----

def level(irql):
    """The name of an IRQL; levels 3 to 11 belong to devices."""
    return LEVELS.get(irql, "DIRQL" if 3 <= irql <= 11 else "no level")


def processors():
    """The blocks (KPRCB) of the processors that have been started, by number."""
    count = int(evaluate("KeNumberProcessors"))
    blocks = evaluate("KiProcessorBlock")
    return [blocks[n].dereference() for n in range(count)]


def monitor(command):
    """What QEMU's monitor answers."""
    return gdb.execute("monitor " + command, to_string=True)


class LocalApic:
    """What QEMU says of a processor's local APIC."""

    def __init__(self, processor):
        self.answer = monitor(f"info lapic {processor}")

    def vectors(self, name):
        """The vectors of a register: IRR, requested, or ISR, in service."""
        match = re.search(rf"^{name}\s+(.*)$", self.answer, re.M)
        return [int(n) for n in re.findall(r"\b\d+\b", match[1])] if match else []

    def remaining(self):
        """Counts that the timer still has to go; 0: it is not set."""
        match = re.search(r"current_count = (\d+)", self.answer)
        return int(match[1]) if match else 0


def at_each_processor(visit):
    """Calls visit(number, thread) with each processor's registers selected in turn."""
    selected = gdb.selected_thread()
    try:
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            thread.switch()
            visit(thread.num - 1, thread == selected)
    finally:
        selected.switch()


def service_routines(vector):
    """The names of the service routines that are connected to a device vector."""
    if not 0x30 <= vector <= 0xBF:
        return []
    names, link = [], evaluate("KiVectors")[vector - 0x30]["Chain"]
    while number(link) and len(names) < 64:
        names.append(symbol(link["ServiceRoutine"]))
        link = link["Next"]
    return names


def vector_name(vector):
    """What a vector is for."""
    names = {0x1F: "APC", 0x2F: "dispatch: timers, DPCs, threads", 0xD1: "clock", 0xE1: "IPI",
             0xFE: "APIC error", 0xFF: "APIC spurious", 2: "NMI"}
    if vector in names:
        return names[vector]
    if 0x30 <= vector <= 0xBF:
        return ", ".join(service_routines(vector)) or "device, nobody is connected"
    return "exception" if vector < 0x1F else "not used"


# ---- time ----

def interrupt_time():
    """The interrupt time now, in 100 ns, and whether it is exact.

    A local APIC's timer that is set says how far its deadline is: QEMU counts it at 1 GHz. When
    none is set (0: timers are due, and it only goes off again), what is left is the time page, which
    may be a tick old, or older after idling."""
    for block in processors():
        alarm = number(block["Clock"]["Alarm"])
        remaining = LocalApic(int(block["Number"])).remaining()
        if alarm not in (0, NEVER) and 0 < remaining < 0xFFFFFFFF:
            return alarm - remaining // 100, True
    page = gdb.selected_inferior().read_memory(INTERRUPT_TIME, 8)
    return int.from_bytes(bytes(page), "little"), False


def seconds(units):
    """An interval of 100 ns as text."""
    return f"{units / 10_000_000:.7f} s"


def due_in(due, now, exact):
    """How far off a due time is."""
    if due >= 1 << 62:
        return "never"
    about = "" if exact else "about "
    if due < now:
        return f"due since {about}{seconds(now - due)}"
    return f"in {about}{seconds(due - now)}"

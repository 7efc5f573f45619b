"""How `print` shows LIST_ENTRY, UNICODE_STRING, LARGE_INTEGER, KDPC and KTIMER."""

import gdb
import gdb.printing

from . import deferral, kernel
from .kernel import number, symbol

MOST_SHOWN = 100  # entries of a list that are counted


class ListEntry:
    """How many entries a list has, from any of its links; the raw links behind it."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        first = entry = number(self.value.address) if self.value.address is not None else 0
        links = f"Flink {number(self.value['Flink']):#x}, Blink {number(self.value['Blink']):#x}"
        if not first or not number(self.value["Flink"]):
            return f"{links}: in no list"
        for count in range(MOST_SHOWN):
            try:
                following = number(kernel.structure("LIST_ENTRY", entry)["Flink"])
                if number(kernel.structure("LIST_ENTRY", following)["Blink"]) != entry:
                    return f"{links}: damaged at {following:#x}"
            except gdb.MemoryError:
                return f"{links}: damaged behind {entry:#x}"
            entry = following
            if entry == first:
                return "empty list" if count == 0 else f"{links}: a ring of {count + 1} links"
        return f"{links}: more than {MOST_SHOWN} links"


class UnicodeString:
    """The text, with its length and room in bytes."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        length, room = int(self.value["Length"]), int(self.value["MaximumLength"])
        return f'L"{kernel.unicode(self.value)}" ({length} of {room} bytes)'


class LargeInteger:
    """The number, and what it is as an interval of 100 ns."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        value = int(self.value["QuadPart"])
        return f"{value} ({value / 10_000_000:.7f} s in units of 100 ns)"


class Dpc:
    """Routine, context and whether it is queued."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        kind = deferral.DPC_KINDS.get(int(self.value["Type"]), "not a")
        queued = "queued" if number(self.value["DpcData"]) else "not queued"
        return (f"{kind} DPC {symbol(self.value['DeferredRoutine'])}"
                f"({number(self.value['DeferredContext']):#x}), {queued}")


class Timer:
    """Kind, state, due time, period and DPC."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        header = self.value["Header"]
        kind = deferral.TIMER_KINDS.get(int(header["Type"]), "no timer")
        due = number(self.value["DueTime"]["QuadPart"])
        state = f"due at {kernel.seconds(due)}" if int(header["Inserted"]) else "not set"
        period, dpc = int(self.value["Period"]), number(self.value["Dpc"])
        every = f", every {period} ms" if period else ""
        calls = f", calls {symbol(self.value['Dpc']['DeferredRoutine'])}" if dpc else ""
        return f"{kind}, {state}{every}{calls}"


def register_commands():
    printers = gdb.printing.RegexpCollectionPrettyPrinter("metronome")
    for name, kind in (("LIST_ENTRY", ListEntry), ("UNICODE_STRING", UnicodeString),
                       ("U?LARGE_INTEGER", LargeInteger), ("KDPC", Dpc), ("KTIMER", Timer)):
        printers.add_printer(name, f"^_?{name}$", kind)
    gdb.printing.register_pretty_printer(None, printers, replace=True)

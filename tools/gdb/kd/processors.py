"""irql, pcr, prcb, interrupts, why: what each processor does, and what it is kept from doing."""

import re

import gdb

from . import kernel
from .kernel import Command, LocalApic, evaluate, level, number, register, symbol

INTERRUPT_FLAG = 0x200


def vector_list(vectors):
    return ", ".join(f"{v:#x} (IRQL {v >> 4}, {kernel.vector_name(v)})" for v in vectors)


class Irql(Command):
    """Shows CR8, the interrupt flag, and the vectors that are pending or in service, for each
processor."""

    name, kind = "irql", gdb.COMMAND_STATUS

    def run(self, arguments):
        kernel.at_each_processor(self.show)

    @staticmethod
    def show(processor, is_selected):
        irql = register("cr8")
        flag = "on" if register("eflags") & INTERRUPT_FLAG else "off"
        mark = "*" if is_selected else " "
        print(f"{mark} processor {processor}: CR8 = {irql}, {level(irql)}; "
              f"interrupts {flag}; at {symbol(register('pc'))}")
        apic = LocalApic(processor)
        for title, name in (("pending in the local APIC", "IRR"), ("in service", "ISR")):
            if apic.vectors(name):
                print(f"    {title}: {vector_list(apic.vectors(name))}")


def chosen_block(arguments, command):
    """The processor block that a command's argument names; without one, the current one's."""
    blocks = kernel.processors()
    text = arguments[0] if arguments else str(gdb.selected_thread().num - 1)
    if len(arguments) > 1 or not text.isdigit() or int(text) >= len(blocks):
        raise kernel.usage(f"{command} [PROCESSOR], 0 to {len(blocks) - 1}")
    return blocks[int(text)]


class Pcr(Command):
    """Shows a processor's control region, the structure behind GS. Usage: pcr [PROCESSOR]"""

    name = "pcr"

    def run(self, arguments):
        block = chosen_block(arguments, self.name)
        pcr = kernel.structure("KPCR", number(block.address) - kernel.offset_of("KPCR", "Prcb"))
        print(f"KPCR {number(pcr.address):#x} of processor {int(block['Number'])}")
        print(f"    Self         {number(pcr['Self']):#x}   gs:[18]")
        print(f"    CurrentPrcb  {number(pcr['CurrentPrcb']):#x}   gs:[20]")
        if number(pcr["Self"]) != number(pcr.address):
            print("    Self does not lead back here: the structure is damaged.")


def depth(queue):
    """How many DPCs are queued, as KiDpcQueueDepth counts them."""
    return int(queue["Inserted"]) - int(queue["Removed"]) - int(queue["Count"])


class Prcb(Command):
    """Shows a processor's block: threads, DPC queues, clock, counters. Usage: prcb [PROCESSOR]"""

    name = "prcb"

    def run(self, arguments):
        block = chosen_block(arguments, self.name)
        clock, dpcs = block["Clock"], block["DpcData"]
        now, exact = kernel.interrupt_time()
        print(f"KPRCB {number(block.address):#x} of processor {int(block['Number'])}")
        for title in ("CurrentThread", "NextThread", "IdleThread"):
            thread = number(block[title])
            print(f"    {title:14} {thread:#x}" if thread else f"    {title:14} none")
        routine = number(block["DpcRoutine"])
        print(f"    DPC routine    {symbol(routine) if routine else 'none runs'}")
        print(f"    DPC queue      {depth(dpcs)} ordinary, "
              f"{depth(block['ThreadedDpcData'])} threaded; "
              f"{int(dpcs['Count'])} routines so far")
        print(f"    interrupts     {int(block['InterruptCount'])}, "
              f"{int(block['DispatchCount'])} of them dispatch interrupts; "
              f"{int(block['InterruptDepth'])} under way")
        print(f"    switches       {int(block['SwitchCount'])}")
        alarm = number(clock["Alarm"])
        print(f"    next tick      {kernel.due_in(number(clock['NextTick']), now, exact)}")
        print("    clock set for  " + (kernel.due_in(alarm, now, exact) if alarm else
                                       "10 ms after it went off: timers are due"))


def io_apic_pins():
    """{vector: (pin, what QEMU says of it)} of the I/O APIC's lines."""
    pins = {}
    for line in kernel.monitor("info pic").splitlines():
        match = re.match(r"\s*pin (\d+)\s+0x[0-9a-f]+ dest=\S+ vec=(\d+) (.*)", line)
        if match:
            pins.setdefault(int(match[2]), (int(match[1]), match[3]))
    return pins


class Interrupts(Command):
    """Lists the connected interrupt service routines, and for each vector its line."""

    name = "interrupts"

    def run(self, arguments):
        vectors, pins, found = evaluate("KiVectors"), io_apic_pins(), False
        print("vector  IRQL  line            service routine             processor   served")
        for vector in range(0x30, 0xC0):
            link = vectors[vector - 0x30]["Chain"]
            for _ in range(64):
                if not number(link):
                    break
                found = True
                self.show(vector, link, vectors[vector - 0x30], pins)
                link = link["Next"]
        if not found:
            print("No service routine is connected.")

    @staticmethod
    def show(vector, interrupt, entry, pins):
        pin = f"pin {pins[vector][0]}" if vector in pins else "message"
        if "masked" in pins.get(vector, (0, ""))[1].split():
            pin += ", masked"
        active = "" if int(interrupt["Active"]) else "  (inactive)"
        print(f"{vector:#6x}  {int(interrupt['Irql']):4}  {pin:14}  "
              f"{symbol(interrupt['ServiceRoutine']):26}  {int(entry['Processor']):9}  "
              f"{int(interrupt['Count']):7}{active}")


class Why(Command):
    """Says why an interrupt does not arrive at this processor. Usage: why VECTOR

Looks in the order in which the hardware does: has anybody requested it, does the line let it
through, is one of its class in service, is it masked by CR8, are interrupts on at all?"""

    name, kind = "why", gdb.COMMAND_STATUS

    def run(self, arguments):
        if len(arguments) != 1:
            raise kernel.usage("why VECTOR, for example why 0x2f")
        vector = kernel.address(arguments[0], self.name)
        if not 0x10 <= vector <= 0xFF:
            raise kernel.usage("why VECTOR, 0x10 to 0xff; below are the processor's exceptions")
        processor = gdb.selected_thread().num - 1
        print(f"Vector {vector:#x} ({kernel.vector_name(vector)}) has IRQL {vector >> 4}, "
              f"{level(vector >> 4)}. Processor {processor}:")
        for sentence in self.reasons(vector, LocalApic(processor)):
            print("    " + sentence)

    @classmethod
    def reasons(cls, vector, apic):
        """Sentences, the outermost obstacle first."""
        if vector not in apic.vectors("IRR"):
            yield from cls.not_requested(vector)
            if vector in apic.vectors("ISR"):
                yield "It is in service: its handler has begun and has not sent the " \
                      "end-of-interrupt."
            return
        yield "It is requested: the local APIC holds it (IRR)."
        served = [v for v in apic.vectors("ISR") if v >> 4 >= vector >> 4]
        irql = register("cr8")
        if served:
            yield f"An interrupt of its class or a higher one is in service, {served[-1]:#x} " \
                  f"({kernel.vector_name(served[-1])}); the APIC delivers it after the " \
                  "end-of-interrupt."
        if irql >= vector >> 4:
            yield f"CR8 is {irql}, {level(irql)}: it masks IRQL {irql} and below. It arrives " \
                  f"when the IRQL falls below {vector >> 4}."
        if not register("eflags") & INTERRUPT_FLAG:
            yield "The interrupt flag is off: this processor takes no maskable interrupt now."
        if not served and irql < vector >> 4 and register("eflags") & INTERRUPT_FLAG:
            yield "Nothing holds it back: it is taken at the next instruction. (QEMU takes " \
                  "interrupts between blocks of instructions, and while GDB steps quietly, not " \
                  "at all: step-with-irqs.)"

    @staticmethod
    def not_requested(vector):
        yield "It is not requested: the local APIC does not hold it (IRR)."
        if not 0x30 <= vector <= 0xBF:
            return
        pin = io_apic_pins().get(vector)
        if pin is None:
            yield "No line of the I/O APIC leads to it: a message or nobody raises it."
        elif "masked" in pin[1].split():
            yield f"Its line, pin {pin[0]} of the I/O APIC, is masked."
        else:
            yield f"Its line, pin {pin[0]} of the I/O APIC, is open; the device has not raised " \
                  "it since it was last served."
        entry = evaluate("KiVectors")[vector - 0x30]
        if not number(entry["Chain"]):
            yield "No service routine is connected to it."
        elif pin is not None and int(entry["Processor"]) != gdb.selected_thread().num - 1:
            yield f"It is routed to processor {int(entry['Processor'])}, not to this one."


def register_commands():
    for command in (Irql, Pcr, Prcb, Interrupts, Why):
        command()

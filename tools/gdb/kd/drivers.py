"""drvobj, devobj, irp, irps, lm, pool: drivers, their devices, requests, images and memory."""

import gdb

from . import images, kernel
from .kernel import Command, evaluate, number, symbol

DEVICE, DRIVER, IRP = 3, 4, 6
MOST_DEVICES = 1000
MAJOR_FUNCTIONS = (
    "CREATE", "CREATE_NAMED_PIPE", "CLOSE", "READ", "WRITE", "QUERY_INFORMATION",
    "SET_INFORMATION", "QUERY_EA", "SET_EA", "FLUSH_BUFFERS", "QUERY_VOLUME_INFORMATION",
    "SET_VOLUME_INFORMATION", "DIRECTORY_CONTROL", "FILE_SYSTEM_CONTROL", "DEVICE_CONTROL",
    "INTERNAL_DEVICE_CONTROL", "SHUTDOWN", "LOCK_CONTROL", "CLEANUP", "CREATE_MAILSLOT",
    "QUERY_SECURITY", "SET_SECURITY", "POWER", "SYSTEM_CONTROL", "DEVICE_CHANGE", "QUERY_QUOTA",
    "SET_QUOTA", "PNP")


def loaded_drivers():
    """(LOADED_DRIVER) of each driver that is loaded."""
    return kernel.entries(evaluate("'kernel/io/driver.c'::Drivers"), "LOADED_DRIVER", "Links",
                          "drivers")


def devices_of(driver):
    """A driver's devices, the newest first."""
    device = driver["DeviceObject"]
    for _ in range(MOST_DEVICES):
        if not number(device):
            return
        yield device.dereference()
        device = device["NextDevice"]
    raise kernel.Damaged(f"The driver has more than {MOST_DEVICES} devices; the list may be a "
                         "ring.")


def find_driver(text, command):
    """The DRIVER_OBJECT of a name or an address."""
    for loaded in loaded_drivers():
        name = kernel.unicode(loaded["Object"]["DriverName"])
        if text.lower() in (name.lower(), name.lower().rsplit("\\", 1)[-1]):
            return loaded["Object"]
    return kernel.structure("DRIVER_OBJECT", kernel.address(text, command))


class DrvObj(Command):
    """Shows a driver object: its routines and its devices. Usage: drvobj NAME or ADDRESS"""

    name = "drvobj"

    def run(self, arguments):
        if len(arguments) != 1:
            raise kernel.usage("drvobj NAME or ADDRESS; `lm` lists the drivers")
        driver = find_driver(arguments[0], self.name)
        if int(driver["Type"]) != DRIVER:
            print(f"There is no driver object at {number(driver.address):#x}.")
            return
        print(f"DRIVER_OBJECT {number(driver.address):#x} {kernel.unicode(driver['DriverName'])}")
        start = number(driver["DriverStart"])
        print(f"    code           {start:#x} to {start + number(driver['DriverSize']):#x}")
        routines = [("DriverEntry", driver["DriverInit"]), ("Unload", driver["DriverUnload"]),
                    ("StartIo", driver["DriverStartIo"])]
        if number(driver["DriverExtension"]):
            routines.append(("AddDevice", driver["DriverExtension"]["AddDevice"]))
        for title, routine in routines:
            if number(routine):
                print(f"    {title:14} {symbol(routine)}")
        for major, name in enumerate(MAJOR_FUNCTIONS):
            routine = number(driver["MajorFunction"][major])
            if routine and not symbol(routine).startswith("Iop"):
                print(f"    {name:14} {symbol(routine)}")
        for device in devices_of(driver):
            print(f"    device         {number(device.address):#x}")


def named_devices():
    """(name, address) of each device that has a name."""
    for entry in kernel.entries(evaluate("'kernel/ob/names.c'::Names"), "NAME_ENTRY", "Links",
                                "names"):
        if number(entry["Object"]):
            yield kernel.unicode(entry["Name"]), number(entry["Object"])


def find_device(text, command):
    """The DEVICE_OBJECT of a name or an address. GDB has taken single backslashes out of TEXT."""
    wanted = text.lower().replace("\\", "")
    for name, where in named_devices():
        if wanted in (name.lower().replace("\\", ""), name.lower().rsplit("\\", 1)[-1]):
            return kernel.structure("DEVICE_OBJECT", where)
    return kernel.structure("DEVICE_OBJECT", kernel.address(text, command))


class DevObj(Command):
    """Shows a device object: its driver, stack, queue and timer. Usage: devobj NAME or ADDRESS

The name may be without the folder: Edu0 or \\Device\\Edu0."""

    name = "devobj"

    def run(self, arguments):
        if len(arguments) != 1:
            raise kernel.usage("devobj NAME or ADDRESS; `drvobj` shows a driver's devices")
        device = find_device(arguments[0], self.name)
        if int(device["Type"]) != DEVICE:
            print(f"There is no device object at {number(device.address):#x}: its type is "
                  f"{int(device['Type'])}, not {DEVICE}.")
            return
        print(f"DEVICE_OBJECT {number(device.address):#x} of "
              f"{kernel.unicode(device['DriverObject']['DriverName'])}")
        for name, where in named_devices():
            if where == number(device.address):
                print(f"    name           {name}")
        print(f"    extension      {number(device['DeviceExtension']):#x}")
        print(f"    flags          {number(device['Flags']):#x}; stack of "
              f"{int(device['StackSize'])}; {int(device['ReferenceCount'])} references")
        for title, field in (("attached above", "AttachedDevice"), ("current IRP", "CurrentIrp"),
                             ("IoTimer", "Timer")):
            if number(device[field]):
                print(f"    {title:14} {number(device[field]):#x}")
        queue = device["DeviceQueue"]
        waiting = list(kernel.entries(queue["DeviceListHead"], "KDEVICE_QUEUE_ENTRY",
                                      "DeviceListEntry", "the device queue"))
        print(f"    device queue   {'busy' if int(queue['Busy']) else 'not busy'}, "
              f"{len(waiting)} wait")
        if number(device["Dpc"]["DeferredRoutine"]):
            print(f"    DpcForIsr      {symbol(device['Dpc']['DeferredRoutine'])}")


class Lm(Command):
    """Lists the loaded images: the kernel and its drivers, with the range of their code.

Adds the symbols of drivers' files on the way, as `add-driver-symbols` does."""

    name = "lm"

    def run(self, arguments):
        start, end = (number(evaluate(f"&KiImage{edge}")) for edge in ("Start", "End"))
        print(f"{start:#018x} to {end:#018x}  metronome (the kernel)")
        images.add_all()
        for loaded in loaded_drivers():
            driver = loaded["Object"]
            first = number(driver["DriverStart"])
            print(f"{first:#018x} to {first + number(driver['DriverSize']):#018x}  "
                  f"{kernel.unicode(driver['DriverName'])}")


# ---- requests ----

def describe_irp(irp):
    """One line: what is asked for and of whom."""
    count, current = int(irp["StackCount"]), int(irp["CurrentLocation"])
    if not 1 <= current <= count:
        return f"{number(irp.address):#x}  not sent, or completed"
    location = irp["Tail"]["Overlay"]["CurrentStackLocation"].dereference()
    major = int(location["MajorFunction"])
    name = MAJOR_FUNCTIONS[major] if major < len(MAJOR_FUNCTIONS) else f"{major:#x}"
    device = location["DeviceObject"]
    driver = kernel.unicode(device["DriverObject"]["DriverName"]) if number(device) else "nobody"
    return (f"{number(irp.address):#x}  {name} at {driver}, device {number(device):#x}, location "
            f"{current} of {count}")


class Irps(Command):
    """Lists the requests: where each one is, for how long, and who has made it."""

    name = "irps"

    def run(self, arguments):
        now, _ = kernel.interrupt_time()
        count = 0
        for record in kernel.entries(evaluate("IopIrpList"), "IRP_RECORD", "Links", "requests"):
            count += 1
            print(describe_irp(record["Irp"].dereference()))
            since = number(record["Since"])
            if number(record["Driver"]):
                print(f"    with {kernel.unicode(record['Driver']['DriverName'])} for "
                      f"{kernel.seconds(max(now - since, 0))}, made in {symbol(record['Maker'])}")
            else:
                print(f"    made in {symbol(record['Maker'])}")
        print(f"{count} requests.")


class Irp(Command):
    """Shows a request: its state and its stack locations. Usage: irp ADDRESS"""

    name = "irp"

    def run(self, arguments):
        if len(arguments) != 1:
            raise kernel.usage("irp ADDRESS; `irps` lists the requests under way")
        irp = kernel.structure("IRP", kernel.address(arguments[0], self.name))
        if int(irp["Type"]) != IRP:
            print(f"There is no IRP at {number(irp.address):#x}: its type is {int(irp['Type'])}, "
                  f"not {IRP}.")
            return
        print(f"IRP {describe_irp(irp)}")
        print(f"    status         {int(irp['IoStatus']['Status']) & 0xFFFFFFFF:#x}, information "
              f"{number(irp['IoStatus']['Information'])}")
        print(f"    thread         {number(irp['Tail']['Overlay']['Thread']):#x}")
        print(f"    cancel         {'yes' if int(irp['Cancel']) else 'no'}; routine "
              f"{symbol(irp['CancelRoutine']) if number(irp['CancelRoutine']) else 'none'}")
        self.show_stack(irp)

    @staticmethod
    def show_stack(irp):
        first = number(irp.address) + kernel.type_named("IRP").sizeof
        locations = kernel.structure("IO_STACK_LOCATION", first).address
        current = int(irp["CurrentLocation"])
        for n in range(int(irp["StackCount"]), 0, -1):
            location = locations[n - 1]
            major = int(location["MajorFunction"])
            name = MAJOR_FUNCTIONS[major] if major < len(MAJOR_FUNCTIONS) else f"{major:#x}"
            routine = number(location["CompletionRoutine"])
            print(f"  {'>' if n == current else ' '} {n}  {name:14} device "
                  f"{number(location['DeviceObject']):#x}"
                  + (f"  completion {symbol(routine)}" if routine else "")
                  + ("  pending" if int(location["Control"]) & 1 else ""))


# ---- pool ----

STATE_ALLOCATED, STATE_PAGED, HEADER_BYTES = 0xA4, 1, 16
PAGE_BYTES = 4096
POOL_BLOCKS, POOL_LARGE = 4, 5  # MM_PAGE_STATE
MOST_BLOCKS = 200


def tag_text(tag):
    return bytes(tag >> 8 * n & 0xFF for n in range(4)).decode("ascii", "replace")


class Pool(Command):
    """Lists the pool blocks with a tag, as `irp` prints tags; without a tag, all tags in use.

Usage: pool [TAG], for example pool Devi"""

    name = "pool"

    def run(self, arguments):
        if len(arguments) > 1 or arguments and not 1 <= len(arguments[0]) <= 4:
            raise kernel.usage("pool [TAG], a tag of up to four characters")
        if not arguments:
            self.list_tags()
            return
        wanted = int.from_bytes(arguments[0].encode().ljust(4), "little")
        total = size = 0
        for where, count in self.blocks(wanted):
            total, size = total + 1, size + count
            if total <= MOST_BLOCKS:
                print(f"{where:#x}  {count} bytes")
        print(f"{total} blocks with tag '{arguments[0]}', {size} bytes.")

    @staticmethod
    def list_tags():
        rows = evaluate("ExpTagRows")
        print("tag    nonpaged           paged")
        for index in range(rows.type.range()[1] + 1):
            row = rows[index]
            blocks, size = ([int(row[f][n]) for n in (0, 1)] for f in ("Blocks", "Bytes"))
            if any(blocks):
                print(f"{tag_text(number(row['Word']) & 0xFFFFFFFF)}   {size[0]:8} in {blocks[0]:<5}"
                      f"  {size[1]:8} in {blocks[1]}")

    @classmethod
    def blocks(cls, tag):
        """(address, bytes) of the blocks with a tag, found by walking all pages' descriptors."""
        first, count = number(evaluate("MiFirstPage")), number(evaluate("MiPageCount"))
        kind, state_at = kernel.type_named("MM_PAGE"), kernel.offset_of("MM_PAGE", "State")
        memory = bytes(gdb.selected_inferior().read_memory(number(evaluate("MiPages")),
                                                           count * kind.sizeof))
        for page in range(count):
            state = memory[page * kind.sizeof + state_at]
            if state == POOL_BLOCKS:
                yield from cls.small(first + page * PAGE_BYTES, tag,
                                     memory[page * kind.sizeof + state_at + 1])
            elif state == POOL_LARGE:
                descriptor = evaluate("MiPages")[page]
                if number(descriptor["Tag"]) == tag:
                    yield first + page * PAGE_BYTES, number(descriptor["Bytes"])

    @staticmethod
    def small(page, tag, number_of_class):
        chosen = evaluate("ExpPoolClasses")[number_of_class]
        stride, at = int(chosen["Stride"]), int(chosen["First"])
        memory = bytes(gdb.selected_inferior().read_memory(page, PAGE_BYTES))
        while at + stride <= PAGE_BYTES:
            header = memory[at:at + HEADER_BYTES]
            word = int.from_bytes(header[:8], "little")
            check = int.from_bytes(header[8:], "little")
            if header[6] & ~STATE_PAGED == STATE_ALLOCATED and word & 0xFFFFFFFF == tag:
                if check != word ^ (page + at):
                    print(f"The header of the block at {page + at:#x} is damaged.")
                yield page + at + HEADER_BYTES, word >> 32 & 0xFFFF
            at += stride


def register_commands():
    for command in (DrvObj, DevObj, Lm, Irps, Irp, Pool):
        command()

"""add-driver-symbols, go-to-driver: the symbols of drivers that are loaded from files.

The kernel knows a file's bytes and not where the file is on this machine. ./run-qemu.sh --debug
writes that to the file driver-files in the folder of the builds.
"""

import os

import gdb

from . import kernel
from .kernel import Command, evaluate, number

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

added = {}  # file: the address where its image is, as GDB has been told


def host_files():
    """{driver's name: file}, of the latest run that was given drivers."""
    listing = os.path.join(ROOT, os.environ.get("BUILD_ROOT", "build"), "driver-files")
    if not os.path.exists(listing):
        return {}
    with open(listing, encoding="utf-8") as file:
        paths = [line.rstrip("\n") for line in file if line.strip()]
    return {driver_name(path): path for path in paths}


def driver_name(path):
    """timer.sys is the driver timer, as the kernel has it."""
    name = os.path.basename(path)
    return name[:-4] if name.lower().endswith(".sys") else name


def loaded_files():
    """(name, address of the image, address that it was linked for) of each loaded file."""
    files = evaluate("LdrFiles")
    for n in range(int(evaluate("LdrFileCount"))):
        base = number(files[n]["Base"])
        if base:
            yield (files[n]["Name"].string(), base, number(files[n]["Image"]["PreferredBase"]))


def add_symbols(path, base, preferred):
    """Tells GDB the symbols of a file whose image is at base; once, and again when it moves."""
    if added.get(path) == base:
        return False
    if path in added:
        gdb.execute(f"remove-symbol-file {path}", to_string=True)
    offset = (base - preferred) & kernel.MASK64
    gdb.execute(f"add-symbol-file {path} -o {offset:#x}", to_string=True)
    added[path] = base
    return True


def add_all(wanted=None, path=None):
    """Adds the symbols of all loaded files, or of one, whose file is known; returns the names."""
    names, files = [], host_files()
    for name, base, preferred in loaded_files():
        file = path or files.get(name)
        if wanted in (None, name) and file and os.path.exists(file):
            names.append(name)
            if add_symbols(file, base, preferred):
                print(f"{base:#018x}  {name}: symbols from {file}")
    return names


class AddDriverSymbols(Command):
    """Adds the symbols of drivers that were loaded from files, at the address of their images.

Usage: add-driver-symbols [NAME [FILE]]
Without NAME all of them. FILE is the driver's file on this machine; without it the one that
./run-qemu.sh --debug --driver was given. To be repeated after a driver was loaded."""

    name = "add-driver-symbols"

    def run(self, arguments):
        if len(arguments) > 2:
            raise kernel.usage("add-driver-symbols [NAME [FILE]]")
        wanted, path = (*arguments, None, None)[:2]
        if path and not os.path.exists(path):
            raise gdb.GdbError(f"There is no file {path}.")
        if not add_all(wanted, path and os.path.abspath(path)):
            names = [name for name, _, _ in loaded_files()]
            raise gdb.GdbError(
                "No driver is loaded from a file." if not names else
                f"No file is known for {wanted or 'any of them'}; loaded from files are: "
                f"{', '.join(names)}.")


class GoToDriver(Command):
    """Lets the machine run to the first instruction of a driver's DriverEntry, symbols added.

Usage: go-to-driver NAME, for a driver that ./run-qemu.sh --driver was given. Stops earlier if
something else stops the machine."""

    name = "go-to-driver"
    kind = gdb.COMMAND_RUNNING

    def run(self, arguments):
        if len(arguments) != 1 or "\"" in arguments[0] or "\\" in arguments[0]:
            raise kernel.usage("go-to-driver NAME")
        wanted = arguments[0]
        while True:
            # IopLoadImage is called with an image that is mapped, relocated and bound.
            gdb.execute("thbreak *IopLoadImage", to_string=True)
            gdb.execute("continue", to_string=True)
            if number(evaluate("$pc")) != number(evaluate("&IopLoadImage")):
                gdb.execute("frame")
                return
            if evaluate("*(char **)$rcx").string() == wanted:
                break
        entry = number(evaluate("((DRIVER_IMAGE *)$rcx)->DriverEntry"))
        add_all(wanted)
        gdb.execute(f"thbreak *{entry:#x}", to_string=True)
        gdb.execute("continue", to_string=True)
        gdb.execute("frame")


def register_commands():
    for command in (AddDriverSymbols, GoToDriver):
        command()

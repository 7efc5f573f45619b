"""What run-qemu.sh promises apart from what the kernel does: options, statuses, the terminal."""

import os
import pty
import re
import select
import shutil
import subprocess
import tempfile

SCRIPT = "./run-qemu.sh"

WRONG = [
    ["--smp", "0"], ["--smp", "65"], ["--smp", "x"], ["--smp", "-1"], ["--smp", "010"], ["--smp"],
    ["--memory", "1"], ["--memory", "much"], ["--machine", "foo"], ["--clock", "sundial"],
    ["--timeout", "0"], ["--timeout", "soon"], ["--serial", "/nonexistent/file"], ["--serial", "/"],
    ["--trace"], ["--trace", "/nonexistent/file"], ["--trace", "/"], ["--record", "a", "--trace", "b"],
    ["--suite", "a b"], ["--suite", ""], ["--device", "edu -S"], ["--device"], ["--build", "fast"],
    ["--driver"], ["--driver", "/nonexistent.sys"], ["--driver", "/dev/null"], ["--driver", "tests"],
    ["--driver", "tests/run", "--driver", "tests/run"], ["--no-such-option"], ["word"],
    ["--bench", "--smp", "2"], ["--verbose"],
    ["--test", "--smp", "2"], ["--icount", "--kvm"], ["--suite", "x", "--build", "free"],
    ["--replay", "/nonexistent"], ["--replay", "/tmp", "--smp", "2"], ["--record", "/tmp"],
    ["--record", "a,b"], ["--record", "a", "--debug"], ["--record", "a", "--replay", "b"],
    ["--", "k=\u00e4"], ["--", "x" * 1024],
]

OPTIONS = ["--test", "--suite", "--build", "--driver", "--debug", "--smp", "--memory", "--machine",
           "--clock", "--icount", "--kvm", "--display", "--serial", "--trace", "--device", "--timeout",
           "--dry-run", "--help"]

DRY_RUNS = [  # arguments, what the command must and must not contain
    ([], ["-smp 4", "-m 256", "q35", "-bios", "isa-debug-exit"], ["kvm", "-S ", "icount"]),
    (["--smp", "7", "--memory", "512"], ["-smp 7", "-m 512", "-device edu"], []),
    (["--machine", "pc"], ["-machine pc"], ["q35"]),
    (["--icount"], ["-icount", "-smp 1", "clock=vm"], ["-device edu"]),
    (["--device", "edu,addr=9", "--device", "e1000e"], ["-device edu\\,addr=9", "-device e1000e"],
     []),
    (["--icount", "--smp", "2"], ["-icount", "-smp 2"], []),
    (["--kvm"], ["kvm"], ["tcg"]),
    (["--debug"], ["-S ", "-gdb", "1234"], []),
    (["--serial", "/tmp/a b"], ["file:/tmp/a"], ["stdio"]),
    (["--trace", "/tmp/a"], ["memory-backend-file", "size=256M", "memory-backend=ram"], []),
    (["--timeout", "7"], ["timeout", " 7 "], []),
    (["--display"], [], ["-display none", "-qmp"]),
    (["--record", "a"], ["rr=record", "blkreplay", "-smp 1", "a/disk.qcow2"], ["fat:rw"]),
]

PROMPT_LIMIT = 60  # seconds until the prompt must be there


def tests(run, environment, esp_folder):
    """Yields (name, the builds that it needs, function that returns None or what is wrong)."""

    def script(arguments, limit=60, **variables):
        return run([SCRIPT, *arguments], limit, env=environment(**variables))

    def wrong_options():
        for arguments in WRONG:
            status, output = script(arguments)
            if status != 2 or len(output.splitlines()) != 1:
                return f"status {status} and not one sentence for {arguments}", output
        return None

    def help_names_options():
        status, output = script(["--help"])
        with open(SCRIPT, encoding="utf-8") as file:
            known = set(re.findall(r"--[a-z][a-z-]*(?= *\||\))", file.read()))
        missing = [o for o in {*OPTIONS, *known} if not re.search(rf"{o}\b", output)]
        if status != 0 or missing:
            return f"status {status}, it does not name {missing}", output
        return None

    def dry_run():
        for arguments, present, absent in DRY_RUNS:
            status, output = script(["--dry-run", *arguments], METRONOME_GDB_PORT="1234")
            bad = [p for p in present if p not in output] + [a for a in absent if a in output]
            if status != 0 or bad or len(output.splitlines()) != 1:
                return f"status {status}, {bad} for {arguments}", output
        return None

    def dry_run_of_test():
        status, output = script(["--dry-run", "--test"])
        return None if (status, output) == (0, "tests/run\n") else (f"status {status}", output)

    def other_distribution():
        """Without apt-get, one sentence names what is missing."""
        with tempfile.TemporaryDirectory() as folder:
            for tool in ("bash", "dirname", "cat"):
                os.symlink(shutil.which(tool), os.path.join(folder, tool))
            status, output = script([], PATH=folder)
        names = ["nasm", "make", "qemu-system-x86"]
        if status != 2 or len(output.splitlines()) != 1 or any(n not in output for n in names):
            return f"status {status}", output
        return None

    def no_window():
        """Without a desktop, or without QEMU's windows, one sentence."""
        status, output = script(["--display"], METRONOME_ESP=esp_folder("checked"), DISPLAY="",
                                WAYLAND_DISPLAY="", METRONOME_DISPLAY="")
        if status != 2 or len(output.splitlines()) != 1 or "METRONOME_DISPLAY" not in output:
            return f"status {status}", output
        return None

    def time_out():
        """At the prompt, the kernel waits for ever."""
        status, output = script(["--timeout", "10", "--", ""], METRONOME_ESP=esp_folder("checked"))
        return None if status == 124 and "time-out" in output else (f"status {status}", output)

    def temporary_folders():
        """Nothing is left behind."""
        with tempfile.TemporaryDirectory() as folder:
            status, output = script(["--timeout", "5"], METRONOME_ESP=esp_folder("checked"),
                                    TMPDIR=folder)
            left = os.listdir(folder)
        return None if not left else (f"status {status}, left behind: {left}", output)

    def serial_file():
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "serial log")
            status, output = script(["--timeout", "60", "--serial", path, "--", "demo=1"],
                                    METRONOME_ESP=esp_folder("checked"))
            with open(path, "rb") as file:
                written = file.read()
        if status != 0 or b"customtimer" not in written:
            return f"status {status}", output + written.decode("utf-8", "replace")
        return None

    def terminal():
        return on_terminal(environment(METRONOME_ESP=esp_folder("checked")),
                           [(b"kd> ", b"version\r"), (b"kd> ", b"interrupts\r"),
                            (b"serial!InterruptService", b""), (b"kd> ", b"unload serial\r"),
                            (b"it is in use", b""), (b"kd> ", b"unload echo\r"),
                            (b"Unloaded echo.", b""), (b"kd> ", b"load echo\r"),
                            (b"Loaded echo.", b""), (b"kd> ", b"open Echo\r"),
                            (b"File 1.", b""), (b"kd> ", b"write 1 hello world\r"),
                            (b"11 bytes.", b""), (b"kd> ", b"ioctl 1 222000\r"),
                            (b"0b 00 00 00", b""), (b"kd> ", b"unload echo\r"),
                            (b"it is in use", b""), (b"kd> ", b"read 1\r"),
                            (b"hello world", b""), (b"kd> ", b"read 1\r"),
                            (b"No answer yet", b""), (b"kd> ", b"irps\r"),
                            (b"READ              echo", b""), (b"kd> ", b"cancel 1\r"),
                            (b"it was cancelled", b""), (b"kd> ", b"objects\r"),
                            (b"link to \\Device\\Echo", b""), (b"kd> ", b"close 1\r"),
                            (b"kd> ", b"unload echo\r"), (b"Unloaded echo.", b""),
                            (b"kd> ", b"poweroff\r")], 0)

    def terminal_escape():
        return on_terminal(environment(METRONOME_ESP=esp_folder("checked")),
                           [(b"kd> ", b"\x01x")], 0)

    def terminal_reboot():
        return on_terminal(environment(METRONOME_ESP=esp_folder("checked")),
                           [(b"kd> ", b"reboot\r"), (b"Metronome loader", b""),
                            (b"kd> ", b"poweroff\r")], 0)

    def terminal_bug_check():
        return on_terminal(environment(METRONOME_ESP=esp_folder("checked")),
                           [(b"kd> ", b"bugcheck 0xE2 1 2 3 4\r")], 3)

    def driver_files():
        """Drivers from files at the prompt: named in lists, loaded, unloaded and loaded again."""
        folder = os.path.join(os.environ.get("BUILD_ROOT", "build"), "sdk", "sys")
        options = [word for name in ("systimer", "text")
                   for word in ("--driver", os.path.join(folder, f"{name}.sys"))]
        return on_terminal(
            environment(METRONOME_ESP=esp_folder("checked")),
            [(b"kd> ", b"drivers\r"), (b"  in its file", b"load systimer\r"),
             (b"Loaded systimer.", b"timers\r"), (b"1000 ms", b"devices\r"),
             (b"\\Device\\SysTimer", b"unload systimer\r"),
             (b"Unloaded systimer.", b"load text\r"), (b"text.sys is no image", b"load none\r"),
             (b"Cannot load none:", b"load systimer\r"),
             (b"Loaded systimer.", b"load systimer\r"),
             (b"it is loaded already", b"poweroff\r")], 0, [*options, "--", "drivers=none"])

    def new_driver():
        """tools/newdriver: what it makes builds with other headers, runs, answers and goes."""
        with tempfile.TemporaryDirectory() as folder:
            for command in (["tools/newdriver", "tick", folder], ["make", "-C", f"{folder}/tick"]):
                status, output = run(command, 120, env=environment())
                if status != 0:
                    return f"status {status} of {command}", output
            status, output = run(["tools/newdriver", "tick", folder], 10, env=environment())
            if status != 2 or len(output.splitlines()) != 1:
                return f"status {status} for a folder that is there already", output
            return on_terminal(
                environment(METRONOME_ESP=esp_folder("checked")),
                [(b"tick: loaded", b""), (b"kd> ", b"open tick\r"), (b"File 1.", b""),
                 (b"kd> ", b"read 1 4\r"), (b"4 bytes", b""), (b"kd> ", b"close 1\r"),
                 (b"kd> ", b"unload tick\r"), (b"Unloaded tick.", b""),
                 (b"kd> ", b"poweroff\r")], 0,
                ["--driver", f"{folder}/tick/tick.sys", "--", "drivers=files"])

    yield "wrong-options", set(), wrong_options
    yield "help", set(), help_names_options
    yield "dry-run", set(), dry_run
    yield "dry-run-of-test", set(), dry_run_of_test
    yield "other-distribution", set(), other_distribution
    yield "no-window", {"checked"}, no_window
    yield "time-out", {"checked"}, time_out
    yield "temporary-folders", {"checked"}, temporary_folders
    yield "serial-file", {"checked"}, serial_file
    yield "terminal", {"checked"}, terminal
    yield "terminal-escape", {"checked"}, terminal_escape
    yield "terminal-reboot", {"checked"}, terminal_reboot
    yield "driver-files", {"checked", "sys"}, driver_files
    yield "terminal-bug-check", {"checked"}, terminal_bug_check
    yield "new-driver", {"checked", "sys"}, new_driver


def on_terminal(variables, dialogue, wanted, options=()):
    """Runs the script on a terminal: waits for each text, then types the answer."""
    terminal, inside = pty.openpty()
    child = subprocess.Popen([SCRIPT, "--timeout", str(PROMPT_LIMIT), *options], env=variables, stdin=inside,
                             stdout=inside, stderr=inside, start_new_session=True)
    os.close(inside)
    output, seen = b"", 0
    dialogue = list(dialogue)
    while True:  # until the script's own time-out at the latest
        select.select([terminal], [], [])
        try:
            output += os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
        while dialogue and (found := output.find(dialogue[0][0], seen)) >= 0:
            seen = found + len(dialogue[0][0])
            os.write(terminal, dialogue.pop(0)[1])
    status = child.wait()
    os.close(terminal)
    if dialogue or status != wanted:
        text = output.decode("utf-8", "replace")
        return f"status {status}, waited for {dialogue}", text
    return None

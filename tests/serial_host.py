#!/usr/bin/env python3
"""The other end of the guest's second serial port: a megabyte both ways, compared byte by byte.

    tests/serial_host.py [ESP]      default: that of the test build

Boots the test build with the port connected to a socket and runs the suites serialhost*. One sends
a sequence of bytes and expects another one (tests/kernel/serial_host.c); now and then this side
stops reading, so that the guest has to wait. The other prints numbered lines while the console's
port is handed over to the driver (tests/kernel/serial_console.c). Ends with status 0 if every byte
and every line was right.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOTAL = 1 << 20
PAUSE = TOTAL // 4
LIMIT = 120  # seconds
MARK = b"<METRONOME>"


def sequence(seed):
    """The bytes that the side with this seed sends."""
    state, result = seed, bytearray(TOTAL)
    for n in range(TOTAL):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        result[n] = state >> 24
    return bytes(result)


def first_difference(one, other):
    return next((n for n in range(min(len(one), len(other))) if one[n] != other[n]),
                min(len(one), len(other)))


def await_mark(line):
    """The firmware may have written to the port before; then the kernel sends the mark. From then
    on it listens: earlier its UART would lose what comes."""
    received = b""
    while MARK not in received:
        part = line.recv(1)
        if not part:
            return False
        received = received[-64:] + part
    return True


def receive(line):
    """Everything that the guest sends, with pauses."""
    received, pauses = bytearray(), 0
    while len(received) < TOTAL:
        part = line.recv(65536)
        if not part:
            break
        received += part
        if len(received) // PAUSE > pauses:
            pauses = len(received) // PAUSE
            time.sleep(0.3)
    return bytes(received)


def send(line, data):
    try:
        line.sendall(data)
    except OSError:
        pass  # the guest has ended; what it says tells why


def wrong_lines(text):
    """What is wrong with the lines of the console's test: each source's numbers, in order."""
    for who, count in ((1, 200), (100, 204)):
        numbers = [int(n) for n in re.findall(rf"^line {who} (\d+) at .*$", text, re.M)]
        if numbers != list(range(count)):
            return f"lines of {who}: {len(numbers)} instead of {count}, or out of order"
    return None


def boot(path, esp):
    environment = dict(os.environ, METRONOME_SERIAL2=f"unix:{path},server=on,wait=off",
                       METRONOME_ESP=esp)
    return subprocess.Popen(
        [os.path.join(ROOT, "run-qemu.sh"), "--smp", "2", "--timeout", str(LIMIT), "--suite",
         "serialhost*", "--", "serialhost"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment)


def connect(path, guest):
    """The emulator makes the socket when it starts."""
    line = socket.socket(socket.AF_UNIX)
    for _ in range(LIMIT * 10):
        try:
            line.connect(path)
            return line
        except OSError:
            if guest.poll() is not None:
                break
            time.sleep(0.1)
    sys.exit("serial_host: the emulator did not offer its serial port")


def main():
    esp = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else os.path.join(
        ROOT, os.environ.get("BUILD_ROOT", "build"), "test", "esp")
    with tempfile.TemporaryDirectory(prefix="metronome.") as folder:
        path = os.path.join(folder, "serial2")
        guest = boot(path, esp)
        output = []
        reader = threading.Thread(target=lambda: output.append(guest.stdout.read()))
        reader.start()
        line = connect(path, guest)
        sender = threading.Thread(target=send,
                                  args=(line, sequence(2) if await_mark(line) else b""))
        sender.start()
        received = receive(line)
        status = guest.wait()
        line.close()
        sender.join()
        reader.join()

    text = output[0].decode("utf-8", "replace").replace("\r", "")
    print("\n".join(re.findall(r"^(?:PASS|FAIL|SKIP|serialhost:|\*\*\* STOP).*$", text, re.M)))
    expected = sequence(1)
    if received != expected:
        print(f"serial_host: {len(received)} of {TOTAL} bytes came; the first that is wrong or "
              f"missing is number {first_difference(received, expected)}")
        return 1
    if status != 0 or len(re.findall(r"^PASS serialhost\.", text, re.M)) != 2:
        print(text[-3000:])
        print(f"serial_host: the guest ended with status {status}")
        return 1
    problem = wrong_lines(text)
    if problem:
        print(f"serial_host: {problem}")
        return 1
    print(f"serial_host: {TOTAL} bytes both ways and every line of the console, all right")
    return 0


if __name__ == "__main__":
    sys.exit(main())

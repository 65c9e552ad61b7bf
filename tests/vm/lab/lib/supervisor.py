"""The process behind a running lab: cables, hubs and virtual machines.

One per lab, started by `vmlab up`. It owns every QEMU as a child (they die with
it), carries Ethernet frames and serial bytes between them, cuts and heals these
on request, and ends everything when the lab's lifetime is over.

    guest eth0 --unix socket--> hub "lan"  --> all other guests on "lan"
    guest ttyS1 --pty--> cable "a:b" --pty--> guest ttyS1, lines by lib/modem.c

A cut has a direction: `out` stops what the guest sends, `in` what it receives.
"""

import asyncio
import ctypes
import errno
import json
import os
import pathlib
import pty
import random
import signal
import struct
import subprocess
import sys
import time
import tty

FRAME_MAX = 65536
QUEUE_MAX = 4 << 20  # bytes waiting for a guest that does not read; then frames are dropped
LATE_MAX = 0.1  # seconds that this process may be late without slowing a cable down


class Hub:
    """One Ethernet segment. Each guest has one socket; a frame goes to all others."""

    def __init__(self, label, folder):
        self.label, self.folder = label, folder
        self.writers, self.cut, self.loss, self.frames = {}, {}, {}, 0

    async def open_port(self, name):
        path = self.folder / f"{self.label}-{name}.sock"
        path.unlink(missing_ok=True)
        await asyncio.start_unix_server(lambda r, w: self.serve(name, r, w), path=path)
        return path

    async def serve(self, name, reader, writer):
        self.writers[name] = writer
        try:
            while True:
                (length,) = struct.unpack("!I", await reader.readexactly(4))
                if length > FRAME_MAX:
                    break
                self.deliver(name, await reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the guest or the lab ended
        finally:
            if self.writers.get(name) is writer:
                del self.writers[name]
            writer.close()

    def deliver(self, sender, frame):
        self.frames += 1
        if self.cut.get(sender) in ("out", "both"):
            return
        packet = struct.pack("!I", len(frame)) + frame
        for name, writer in list(self.writers.items()):
            if name == sender or self.cut.get(name) in ("in", "both"):
                continue
            if random.random() * 100 < self.loss.get(name, 0):
                continue
            if writer.transport.get_write_buffer_size() < QUEUE_MAX:
                writer.write(packet)


class Cable:
    """A null-modem cable: two pseudo terminals and the file with their modem lines.

    Bytes pass at the cable's baud rate whatever the guests set. A guest still
    believes to send faster: the pseudo terminal takes some 4 KB at once.
    """

    def __init__(self, label, folder, baud):
        self.label, self.baud = label, baud
        self.lines = folder / f"cable-{label.replace(':', '-')}"
        self.lines.write_bytes(b"\0\0\1\0")
        self.masters, self.ttys, self.joined, self.bytes, self.idle_at = [], [], True, 0, [0, 0]
        for side in (0, 1):
            master, slave = pty.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            path = os.ttyname(slave)
            link = folder / path.rsplit("/", 1)[1]
            link.unlink(missing_ok=True)
            link.symlink_to(f"{self.lines.name}:{side}")
            self.masters.append(master)
            self.ttys.append((path, slave))  # kept open, so that a dead guest is no hang-up

    def listen(self, loop, side):
        loop.add_reader(self.masters[side], self.carry, loop, side)

    def carry(self, loop, side):
        """Takes what fits into 10 ms of line time; it arrives, and more is taken, when that time is over."""
        loop.remove_reader(self.masters[side])
        try:
            data = os.read(self.masters[side], max(1, self.baud // 1000))
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EIO):
                raise
            data = b""
        # Who wakes up late goes on as if it had not.
        began = max(self.idle_at[side], loop.time() - LATE_MAX)
        self.idle_at[side] = began + max(0.001, len(data) * 10 / self.baud)
        loop.call_at(self.idle_at[side], self.pass_on, loop, side, data)

    def pass_on(self, loop, side, data):
        if not self.joined:
            data = b""
        try:
            sent = os.write(self.masters[1 - side], data) if data else 0
        except BlockingIOError:
            sent = 0
        self.bytes += sent
        if sent < len(data):  # nobody reads at the other end: the line waits, as with flow control
            loop.call_later(0.01, self.pass_on, loop, side, data[sent:])
        else:
            self.listen(loop, side)

    def write_byte(self, offset, value):
        with open(self.lines, "r+b") as file:
            file.seek(offset)
            file.write(bytes([value]))

    def set_joined(self, joined):
        self.joined = joined
        self.write_byte(2, 1 if joined else 0)

    def flicker(self, span):
        self.set_joined(False)
        asyncio.get_running_loop().call_later(span, self.set_joined, True)

    def power_off(self, side):
        self.write_byte(side, 0)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Machine:
    """One guest: its QEMU command line and process."""

    def __init__(self, lab, name, index):
        self.lab, self.name, self.index = lab, name, index
        self.process = None

    def argv(self):
        lab, plan, folder = self.lab, self.lab.plan, self.lab.folder
        image = pathlib.Path(plan["image"])
        hosts = ",".join(f"{m.name}:{m.index}" for m in lab.machines.values())
        append = [
            "console=ttyS0", "quiet", "panic=-1", "mitigations=off", "nokaslr", "random.trust_cpu=on", "audit=0",
            f"vmlab.name={self.name}", f"vmlab.index={self.index}", f"vmlab.hosts={hosts}",
            "vmlab.nets=" + ",".join(plan["nets"]), *plan["kernel_args"],
        ]
        out = [
            "qemu-system-x86_64", "-name", self.name, "-nodefaults", "-display", "none", "-no-user-config",
            "-machine", plan["machine"], "-accel", "tcg,thread=multi,tb-size=64", "-cpu", plan["cpu"], "-smp", str(plan["cpus"]),
            "-m", str(plan["memory"]), "-rtc", "clock=host,base=utc",
            "-kernel", image / "vmlinux", "-initrd", folder / "initramfs",
            "-qmp", f"unix:{folder}/{self.name}.qmp,server=on,wait=off",
            "-chardev", f"file,id=console,path={folder}/{self.name}.log,append=on", "-serial", "chardev:console",
            "-device", "virtio-rng-pci",
            "-drive", f"if=none,id=root,file={image}/root.img,format=raw,readonly=on,file.locking=off",
            "-device", "virtio-blk-pci,drive=root",
            "-device", "virtio-serial-pci,max_ports=16",
        ]
        for number in range(plan["channels"]):
            out += ["-chardev", f"socket,id=cmd{number},path={folder}/{self.name}.cmd{number},server=on,wait=off",
                    "-device", f"virtserialport,chardev=cmd{number},name=cmd{number}"]
        for number, label in enumerate(plan["nets"]):
            mac = f"52:54:00:77:{number:02x}:{self.index:02x}"
            out += ["-netdev", f"stream,id=net{number},server=off,addr.type=unix,addr.path={folder}/{label}-{self.name}.sock",
                    "-device", f"virtio-net-pci,netdev=net{number},mac={mac},romfile="]
        usb = False
        for cable in lab.cables.values():
            for side, end in enumerate(cable.label.split(":")):
                if end == self.name:
                    label = f"tty-{cable.label.replace(':', '-')}"
                    out += ["-chardev", f"serial,id={label},path={cable.ttys[side][0]}"]
                    if plan["serial_kind"] == "usb":
                        out += [] if usb else ["-device", "qemu-xhci"]
                        usb = True
                        out += ["-device", f"usb-serial,chardev={label},always-plugged=on"]
                    elif plan["serial_kind"] == "pci":
                        out += ["-device", f"pci-serial,chardev={label}"]
                    else:
                        out += ["-serial", f"chardev:{label}"]
        if plan["watchdog"]:
            out += ["-device", "i6300esb", "-action", "watchdog=reset"]
        if plan["share"]:
            out += ["-fsdev", f"local,id=share,path={plan['share']},security_model=none,readonly=on",
                    "-device", "virtio-9p-pci,fsdev=share,mount_tag=share"]
            append.append("vmlab.share=1")
        return [str(word) for word in out + plan["qemu_args"] + ["-append", " ".join(append)]]

    def start(self):
        if self.running():
            return
        environment = dict(os.environ)
        if self.lab.plan["modem_library"]:
            environment.update(LD_PRELOAD=self.lab.plan["modem_library"], VMLAB_MODEM=str(self.lab.folder))
        with open(self.lab.folder / f"{self.name}.qemu", "ab") as errors:
            self.process = subprocess.Popen(
                self.argv(), stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, env=environment, preexec_fn=die_with_parent)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """Pulls the plug."""
        if self.running():
            self.process.kill()
            self.process.wait()
        for cable in self.lab.cables.values():
            for side, end in enumerate(cable.label.split(":")):
                if end == self.name:
                    cable.power_off(side)

    def freeze(self, frozen):
        if self.running():
            self.process.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)


class Lab:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.plan = json.loads((self.folder / "plan.json").read_text())
        self.hubs = {label: Hub(label, self.folder) for label in self.plan["nets"]}
        self.cables = {label: Cable(label, self.folder, self.plan["baud"]) for label in self.plan["cables"]}
        self.machines = {}
        for index, name in enumerate(self.plan["vms"]):
            self.machines[name] = Machine(self, name, index + 1)
        self.stopped = asyncio.Event()

    async def run(self):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self.stopped.set)
        if self.plan["owner"]:
            loop.add_reader(os.pidfd_open(self.plan["owner"]), self.stopped.set)
        for cable in self.cables.values():
            cable.listen(loop, 0)
            cable.listen(loop, 1)
        for hub in self.hubs.values():
            for name in self.machines:
                await hub.open_port(name)
        for machine in self.machines.values():
            machine.start()
        await asyncio.start_unix_server(self.serve, path=self.folder / "control.sock")
        try:
            await asyncio.wait_for(self.stopped.wait(), self.plan["lifetime"])
        except asyncio.TimeoutError:
            print(f"vmlab: lifetime of {self.plan['lifetime']} s is over", file=sys.stderr, flush=True)
        for machine in self.machines.values():
            machine.kill()

    async def serve(self, reader, writer):
        try:
            answer = self.obey(json.loads(await reader.readline()))
        except Exception as error:  # the reply carries it to the user
            answer = {"error": f"{type(error).__name__}: {error}"}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()

    def machine(self, request):
        if request["vm"] not in self.machines:
            raise ValueError(f"no guest called {request['vm']}; there are {', '.join(self.machines)}")
        return self.machines[request["vm"]]

    def obey(self, request):
        match request["verb"]:
            case "status":
                return {
                    "vms": {m.name: {"pid": m.process.pid if m.running() else None, "address": f"10.77.0.{m.index}"} for m in self.machines.values()},
                    "nets": {h.label: {"frames": h.frames, "cut": h.cut, "loss": h.loss} for h in self.hubs.values()},
                    "cables": {c.label: {"bytes": c.bytes, "joined": c.joined, "lines": list(c.lines.read_bytes()[:2])} for c in self.cables.values()},
                }
            case "kill":
                self.machine(request).kill()
            case "start":
                self.machine(request).start()
            case "freeze":
                self.machine(request).freeze(True)
            case "thaw":
                self.machine(request).freeze(False)
            case "flicker":
                self.cable(request).flicker(request["span"])
            case "cut" | "heal" | "loss":
                self.change_link(request)
            case "down":
                self.stopped.set()
            case other:
                raise ValueError(f"unknown verb {other}")
        return {"done": time.time_ns()}

    def cable(self, request):
        if request["link"] not in self.cables:
            raise ValueError(f"no cable called {request['link']}; there are {', '.join(self.cables)}")
        return self.cables[request["link"]]

    def change_link(self, request):
        label, verb = request["link"], request["verb"]
        if label in self.cables and verb != "loss":
            return self.cables[label].set_joined(verb == "heal")
        if label not in self.hubs:
            raise ValueError(f"no net or cable called {label}; there are {', '.join([*self.hubs, *self.cables])}")
        hub, names = self.hubs[label], [request["vm"]] if request.get("vm") else list(self.machines)
        for name in names:
            if name not in self.machines:
                raise ValueError(f"no guest called {name}")
            match verb:
                case "cut":
                    hub.cut[name] = request.get("way") or "both"
                case "heal":
                    hub.cut.pop(name, None)
                    hub.loss.pop(name, None)
                case "loss":
                    hub.loss[name] = float(request["percent"])


def main(folder):
    asyncio.run(Lab(folder).run())


if __name__ == "__main__":
    main(sys.argv[1])

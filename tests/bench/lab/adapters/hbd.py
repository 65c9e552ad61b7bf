"""hbd: manager two_node, one address, broadcast on one link, no failback.

The programs are those of the release build of this tree, or of the directory in HBD_PROGRAMS.
"""
import json, os, socket, subprocess
from pathlib import Path
from base import Adapter, VIP

PROGRAMS = Path(os.environ.get("HBD_PROGRAMS", Path(__file__).resolve().parents[4] / "target/release"))
GROUP = f"{VIP}/24/eth0"


class Hbd(Adapter):
    name, tag = "hbd", "rs"
    profiles = {
        "default": {"keepalive": "1", "warntime": "2", "deadtime": "3", "initdead": "10"},
        "fast": {"keepalive": "20ms", "warntime": "40ms", "deadtime": "60ms", "initdead": "5"},
        "min": {"keepalive": "10ms", "warntime": "20ms", "deadtime": "30ms", "initdead": "5"},
        "cost": {"keepalive": "100ms", "warntime": "300ms", "deadtime": "500ms", "initdead": "5"},
    }

    @staticmethod
    def _ms(v):
        return float(v[:-2]) if v.endswith("ms") else float(v) * 1000

    def available(self):
        return None if (PROGRAMS / "hbd").exists() else "cargo build --release"

    def detect_ms(self, profile, survivor):
        return self._ms(self.profiles[profile]["deadtime"])

    def interval_ms(self, profile):
        return self._ms(self.profiles[profile]["keepalive"])

    def settings(self, profile):
        return {**self.profiles[profile], "link": "bcast eth0", "auth": "sha1", "auto_failback": "off",
                "haresources": f"node1 {GROUP}"}

    def node_setup(self, node):
        d, p = node.dir, self.profiles[node.lab.profile]
        for name in ("ha.d", "state"):
            (d / name).mkdir(exist_ok=True)
        (d / "ha.d/ha.cf").write_text(
            "logfacility none\n" + "".join(f"{k} {v}\n" for k, v in p.items()) +
            "bcast eth0\nauto_failback off\nnode node1 node2\n")
        (d / "ha.d/hbd.cf").write_text("selffence /bin/true\n")
        (d / "ha.d/haresources").write_text(f"node1 {GROUP}\n")
        (d / "ha.d/authkeys").write_text("auth 1\n1 sha1 lab-secret\n")
        (d / "ha.d/authkeys").chmod(0o600)
        return "install -d -m 755 /run/hbd\n"

    def start(self, node):
        node.spawn(str(PROGRAMS / "hbd"), "--config", str(node.dir / "ha.d"), "--state", str(node.dir / "state"),
                   "--run", str(self.run_directory(node)), log="hbd.log")

    def run_directory(self, node):
        # Seen from outside too: a run directory of its own for each boot.
        run = node.dir / f"run{node.boots}"
        run.mkdir(exist_ok=True)
        return run

    def ask(self, node, request):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(5)
            s.connect(str(self.run_directory(node) / "hbd.sock"))
            lines = s.makefile("rw")
            lines.readline()
            lines.write(json.dumps({"id": 1, "request": request}) + "\n")
            lines.flush()
            return json.loads(lines.readline())

    def view(self, node):
        return self.ask(node, "snapshot")["ok"]["snapshot"]["view"]

    def ready(self, lab, active, standby):
        try:
            views = [self.view(active), self.view(standby)]
        except (OSError, KeyError, ValueError):
            return False
        members = all(n["status"] == "active" for v in views for n in v["nodes"].values())
        holders = [{k: on["state"] for k, on in v.get("groups", {}).get(GROUP, {}).get("nodes", {}).items()} for v in views]
        return members and holders == [{active.name: "started"}] * 2

    def move_words(self):
        return "hactl move (request `order` on the control socket of the active node)"

    def move(self, lab, src, dst):
        # It ends after a second, so that nothing of it is left.
        verb = {"move": {"groups": "all", "to": dst.name, "lasts": {"secs": 1, "nanos": 0}}}
        reply = self.ask(src, {"order": {"verb": verb, "dry_run": False}})
        if "ok" not in reply:
            raise RuntimeError(reply)

    def version(self):
        return subprocess.run([PROGRAMS / "hbd", "--version"], capture_output=True, text=True).stdout.strip()


ADAPTER = Hbd()

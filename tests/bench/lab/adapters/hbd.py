"""hbd: left out of every run, because it takes no resources over yet and so has no address to fail over.

The daemon's side is known: `hbd --config DIR --state DIR --run DIR --node NAME`, in the foreground, with the
control socket RUN/hbd.sock.  What a planned move and "the standby would take over" look like is not.
"""
from base import Adapter


class Hbd(Adapter):
    name, tag = "hbd", "rs"
    profiles = {"default": {}, "fast": {}, "cost": {}}

    def available(self):
        return "hbd takes no resources over yet"


ADAPTER = Hbd()

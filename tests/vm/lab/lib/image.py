"""Builds what the guests boot: a kernel, a tiny initramfs and a read-only root image.

    apt-get download  ->  debs/   ->  dpkg-deb --fsys-tarfile  ->  root/  ->  mke2fs -d  ->  root.img
    linux-image       ->  vmlinuz ->  decompressed ELF         ->  vmlinux (booted through its PVH entry)

Nothing is installed on the host and no maintainer script runs. Everything lies
in one cache folder; its name is a hash of the inputs, so a change of a package
list makes a new image and an unchanged one is reused. The guest scripts are not
in it: they are added to the initramfs of each lab.
"""

import fcntl
import fnmatch
import hashlib
import lzma
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
GUEST = HERE.parent / "guest"

# Dependencies that only matter to maintainer scripts, init systems and mail.
EXCLUDED = re.compile(
    r"^(systemd.*|libsystemd-shared|init-system-helpers|debconf.*|cdebconf|dpkg|adduser|passwd|login|"
    r"sysvinit-utils|lsb-base|ucf|sensible-utils|python3.*|libpython.*|cron.*|exim.*|"
    r".*mail-transport-agent|bsd-mailx|s-nail|libsasl2-modules.*|udev|dmsetup|perl-modules-.*-doc|"
    r"perl-openssl-defaults|media-types|tzdata|openssl|ca-certificates|logsave|coreutils|debianutils|"
    r"findutils|sed|tar|gzip|hostname|ncurses-base|base-passwd|corosync|pacemaker|"
    r"install-info|netbase-doc|heirloom-mailx|mailutils)$"
)

INITRAMFS_MODULES = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4", "overlay"]
HOST_PROGRAMS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "mke2fs": "e2fsprogs",
    "depmod": "kmod",
    "cpio": "cpio",
    "tar": "tar",
}


class LabError(Exception):
    """Says what failed, on what, and what to do about it."""


def words(path):
    lines = [line.split("#")[0] for line in path.read_text().splitlines()]
    return [word for line in lines for word in line.split()]


def search_path():
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def program(name):
    found = shutil.which(name, path=search_path())
    if not found:
        raise LabError(f"{name} is missing; apt-get install {HOST_PROGRAMS.get(name, name)}")
    return found


def require_host_programs():
    missing = sorted({pkg for name, pkg in HOST_PROGRAMS.items() if not shutil.which(name, path=search_path())})
    if missing:
        raise LabError("missing on this machine; apt-get install " + " ".join(missing))


def call(*argv, cwd=None):
    done = subprocess.run([str(a) for a in argv], cwd=cwd, text=True, capture_output=True, timeout=400)
    if done.returncode:
        raise LabError(f"{argv[0]} {argv[1]} failed ({done.returncode}): {done.stderr.strip()[-500:]}")
    return done.stdout


def cache_root():
    given = os.environ.get("VMLAB_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(given) if given else pathlib.Path(base) / "vmlab"


def kernel_package():
    """The package that the meta package `linux-image-amd64` stands for today."""
    for line in call("apt-cache", "depends", "linux-image-amd64").splitlines():
        if match := re.match(r"\s+Depends: (linux-image-\S+)", line):
            return match.group(1)
    raise LabError("apt-cache knows no linux-image-amd64; run apt-get update")


def closure(wanted):
    """All packages needed for `wanted`: first alternatives only, EXCLUDED left out."""
    found, queue = set(), list(wanted)
    while queue:
        batch = sorted({name for name in queue if name not in found and not EXCLUDED.match(name)})
        queue = []
        if not batch:
            break
        found.update(batch)
        text = call("apt-cache", "depends", "--important", *batch)
        skip_alternative = virtual = False
        for line in text.splitlines():
            match = re.match(r"^\s([\s|])(?:Pre)?Depends: (\S+)", line)
            if match:
                bar, name = match.groups()
                virtual = name.startswith("<") and not skip_alternative
                if not skip_alternative and not virtual:
                    queue.append(name)
                skip_alternative = bar == "|"
            elif line.startswith("    ") and virtual:
                queue.append(line.strip())
                virtual = False
    return sorted(found)


def download(packages, debs):
    """Brings the .deb files that are not there yet; returns one path per package."""
    debs.mkdir(parents=True, exist_ok=True)
    have = {path.name.split("_")[0]: path for path in sorted(debs.glob("*.deb"))}
    missing = [name for name in packages if name not in have]
    if missing:
        call("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *missing, cwd=debs)
        have = {path.name.split("_")[0]: path for path in sorted(debs.glob("*.deb"))}
    return [have[name] for name in packages]


def unpack(deb, root, *only):
    tar = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE)
    argv = ["tar", "-x", "--keep-directory-symlink", "--no-same-owner", "-C", str(root)]
    argv += ["--exclude=./usr/share/" + name for name in ("doc", "man", "locale", "info", "lintian")]
    done = subprocess.run(argv + list(only), stdin=tar.stdout, capture_output=True, text=True)
    tar.stdout.close()
    if tar.wait() or done.returncode:
        raise LabError(f"cannot unpack {deb.name}: {done.stderr.strip()[-300:]}")


def decompressed_kernel(vmlinuz):
    """The ELF inside a Debian bzImage. Under TCG, letting the guest unpack it costs 4 s per boot."""
    data = vmlinuz.read_bytes()
    for match in re.finditer(b"\xfd7zXZ\x00", data):
        try:
            elf = lzma.LZMADecompressor(format=lzma.FORMAT_XZ).decompress(data[match.start():])
        except lzma.LZMAError:
            continue
        if elf[:4] == b"\x7fELF":
            return elf
    return None


def module_order(tree, patterns):
    """Paths of the modules matching `patterns`, each after those it needs."""
    needs = {}
    for line in (tree / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    order, unknown = [], []

    def name_of(path):
        return re.sub(r"\.ko.*$", "", os.path.basename(path)).replace("-", "_")

    def add(path):
        for need in needs[path]:
            if need not in order:
                add(need)
        if path not in order:
            order.append(path)

    for pattern in patterns:
        hits = [path for path in needs if fnmatch.fnmatch(name_of(path), pattern)]
        if not hits:
            unknown.append(pattern)
        for path in hits:
            add(path)
    if unknown:
        print("vmlab: modules not in this kernel: " + " ".join(unknown), file=sys.stderr)
    return order


def copy_modules(tree, release, root, patterns):
    target = root / "usr/lib/modules" / release
    for path in module_order(tree, patterns):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(tree / path, target / path)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy2(tree / name, target / name)
    call(program("depmod"), "-b", root / "usr", release)


def make_initramfs(tree, root, out, scratch):
    for name in ("bin", "proc", "sys", "dev", "ro", "rw", "new", "modules"):
        (scratch / name).mkdir(parents=True)
    shutil.copy2(root / "usr/bin/busybox", scratch / "bin/busybox")
    names = []
    for path in module_order(tree, INITRAMFS_MODULES):
        shutil.copy2(tree / path, scratch / "modules")
        names.append(os.path.basename(path))
    (scratch / "modules/order").write_text("".join(name + "\n" for name in names))
    archive(scratch, out)


def archive(folder, out):
    listing = "\n".join(str(p.relative_to(folder)) for p in sorted(folder.rglob("*")))
    with open(out, "wb") as file:
        done = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], input=listing.encode(), stdout=file, cwd=folder)
    if done.returncode:
        raise LabError(f"cpio could not write {out}")


def initramfs_with_scripts(built, out, scratch):
    """The built initramfs, and after it an archive of the guest scripts as they are now."""
    (scratch / "guest").mkdir(parents=True)
    for script in GUEST.iterdir():
        name = "init" if script.name == "initramfs-init" else f"guest/vmlab-{script.name}"
        shutil.copyfile(script, scratch / name)
        (scratch / name).chmod(0o755)
    archive(scratch, scratch.parent / "scripts.cpio")
    out.write_bytes((built / "initramfs").read_bytes() + (scratch.parent / "scripts.cpio").read_bytes())


def make_root(root, debs):
    for name in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "proc", "sys", "dev", "run", "tmp", "root", "mnt", "etc", "var/lib"):
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to("usr/" + name)
    for deb in debs:
        unpack(deb, root)
    busybox = root / "usr/bin/busybox"
    for applet in call(busybox, "--list").split():
        if not any((root / folder / applet).is_symlink() or (root / folder / applet).exists() for folder in ("usr/bin", "usr/sbin")):
            (root / "usr/bin" / applet).symlink_to("busybox")
    if not (root / "usr/bin/sh").exists():
        (root / "usr/bin/sh").symlink_to("dash")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nhbd-core:x:900:900::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n")
    (root / "etc/group").write_text("root:x:0:\ntty:x:5:\ndisk:x:6:\nhbd-core:x:900:\nnogroup:x:65534:\n")
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\nservices: files\nprotocols: files\n")
    call("ldconfig" if shutil.which("ldconfig") else "/sbin/ldconfig", "-r", root)


def inputs_hash(kernel):
    digest = hashlib.sha256(kernel.encode())
    for path in [HERE / "packages.txt", HERE / "modules.txt", HERE / "image.py"]:
        digest.update(path.name.encode() + path.read_bytes())
    digest.update(os.environ.get("VMLAB_EXTRA_PACKAGES", "").encode())
    return digest.hexdigest()[:12]


def build(force=False, say=print):
    """Returns the folder with `vmlinux`, `initramfs` and `root.img`, made now or earlier."""
    require_host_programs()
    kernel = kernel_package()
    cache = cache_root()
    cache.mkdir(parents=True, exist_ok=True)
    final = cache / inputs_hash(kernel)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if final.exists() and not force:
            return final
        started = time.monotonic()
        work = cache / "building"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        packages = closure(words(HERE / "packages.txt") + os.environ.get("VMLAB_EXTRA_PACKAGES", "").split())
        say(f"vmlab: {len(packages)} packages and {kernel}")
        debs = download(packages + [kernel], cache / "debs")
        root, boot, out = work / "root", work / "kernel", work / "out"
        for path in (root, boot, out):
            path.mkdir()
        unpack(debs[-1], boot)
        release = next((boot / "lib/modules").iterdir()).name
        tree = boot / "lib/modules" / release
        call(program("depmod"), "-b", boot, release)
        vmlinuz = next((boot / "boot").glob("vmlinuz-*"))
        (out / "vmlinux").write_bytes(decompressed_kernel(vmlinuz) or vmlinuz.read_bytes())
        make_root(root, debs[:-1])
        copy_modules(tree, release, root, words(HERE / "modules.txt"))
        make_initramfs(tree, root, out / "initramfs", work / "initramfs")
        size = int(call("du", "-s", "-k", "--apparent-size", root).split()[0])
        call(program("mke2fs"), "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-N", "40000", "-d", root, out / "root.img", f"{int(size * 1.3) + 32768}k")
        shutil.rmtree(final, ignore_errors=True)
        out.rename(final)
        older = sorted((p for p in cache.iterdir() if re.fullmatch(r"[0-9a-f]{12}", p.name) and p != final), key=lambda p: p.stat().st_mtime)
        for path in older[:-1]:  # one more is kept: a running lab may need it
            shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(work, ignore_errors=True)
        say(f"vmlab: image built in {time.monotonic() - started:.0f} s ({size // 1024} MiB of files): {final}")
    return final

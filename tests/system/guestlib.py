"""What the system tests in Python share: where guests are, initial RAM disks with a script of ours, runs of Elara."""
import glob, gzip, os, re, subprocess, sys, tarfile

SKIP = 77
top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
guests = os.environ.get("ELARA_GUESTS") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "elara/guests")
elara = os.environ.get("ELARA") or os.path.join(top, "build/release/elara")

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /mnt /bin /sbin /usr/bin /usr/sbin /etc
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev 2>/dev/null
/bin/busybox --install -s /bin 2>/dev/null
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
for m in virtio_mmio virtio_pci virtio_blk virtio_net nvme crc32c_generic ext4; do modprobe -q $m; done
echo 1 > /proc/sys/kernel/printk
%s
echo SCRIPT-END
poweroff -f
sleep 60
"""


def need(*tools, modules=("virtio_blk", "virtio_net", "nvme")):
    for f in ("Image", "initrd.cpio.gz"):
        if not os.path.exists(os.path.join(guests, f)):
            print(f"skipped: no {f} in {guests} (tools/fetch-guests)")
            sys.exit(SKIP)
    with gzip.open(os.path.join(guests, "initrd.cpio.gz")) as f:
        names = f.read()
    for m in modules:
        if b"/%s.ko\0" % m.encode() not in names:
            print(f"skipped: no {m}.ko in the initrd of {guests} (run tools/fetch-guests)")
            sys.exit(SKIP)
    for t in tools:
        if subprocess.run(["sh", "-c", "command -v " + t], stdout=subprocess.DEVNULL,
                          env={"PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}).returncode:
            print("skipped: no", t)
            sys.exit(SKIP)


def modules(*names):
    """Modules of the kernel's package, {NAME.ko: bytes}; unpacked in one pass, which takes its time."""
    found = {}
    with gzip.open(os.path.join(guests, "initrd.cpio.gz")) as f:
        release = re.search(rb"lib/modules/([^/\0]+)[/\0]", f.read())
    debs = glob.glob(os.path.join(guests, f"debs/linux-image-{release[1].decode()}_*.deb")) if release else []
    if debs and names:
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", debs[0]], stdout=subprocess.PIPE) as p, \
                tarfile.open(fileobj=p.stdout, mode="r|") as t:
            for f in t:
                name = os.path.basename(f.name)
                if name.endswith(".ko") and name[:-3] in names:
                    found[name] = t.extractfile(f).read()
    for n in names:
        if n + ".ko" not in found:
            print(f"skipped: no {n}.ko in {guests}/debs (tools/fetch-guests)")
            sys.exit(SKIP)
    return found


def cpio(files):
    """A newc archive of {name: (mode, bytes)}."""
    out = b""
    for ino, (name, (mode, data)) in enumerate(list(files.items()) + [("TRAILER!!!", (0, b""))]):
        head = "070701" + "".join("%08X" % v for v in (
            ino + 1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0))
        part = head.encode() + name.encode() + b"\0"
        out += part + b"\0" * (-len(part) % 4) + data + b"\0" * (-len(data) % 4)
    return out


def initrd(path, script, **files):
    """The guests' initial RAM disk with our init behind it, which runs script."""
    extra = {"init": (0o100755, (INIT % script).encode())}
    extra.update({n: (0o100755, d) for n, d in files.items()})
    with open(path, "wb") as f, open(os.path.join(guests, "initrd.cpio.gz"), "rb") as g:
        base = g.read()
        f.write(base + gzip.compress(cpio(extra), 1))


def command(ird, *args, params=""):
    return [elara, "run", os.path.join(guests, "Image"), "-i", ird, "-m", "512M", "--el", "1", "-p",
            "console=ttyAMA0 quiet " + params, "-q", "--host-timeout", "1500", *args]


def run(cmd, log, timeout=1600):
    with open(log, "wb") as f:
        r = subprocess.run(cmd, stdin=subprocess.DEVNULL, stdout=f, stderr=subprocess.STDOUT, timeout=timeout)
    text = open(log, "rb").read().decode(errors="replace")
    return r.returncode, text

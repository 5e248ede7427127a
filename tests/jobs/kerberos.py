"""A real MIT KDC for tests, of Debian's packages, unpacked beside the project: no root, nothing installed."""

from __future__ import annotations

import fcntl
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "kerberos"
PACKAGES = (
    *("krb5-admin-server", "krb5-kdc", "krb5-user"),
    *("libgssapi-krb5-2", "libgssrpc4", "libk5crypto3", "libkrb5-3", "libkrb5support0"),
    *("libkadm5clnt-mit12", "libkadm5srv-mit12", "libkdb5-10", "libverto1", "libverto-libev1", "libev4"),
)
"""The server, its tools and the libraries of Debian 12; what they need beyond is in every Debian."""


class NoKerberos(Exception):
    """There is no KDC on this machine; the message says why."""


def unpacked() -> Path:
    """Where the packages lie unpacked, fetched once."""
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        raise NoKerberos("no apt-get and dpkg: the KDC comes from Debian's packages")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = CACHE / "root"
        if not (root / "usr/sbin/krb5kdc").exists():
            packages = CACHE / "packages"
            packages.mkdir(exist_ok=True)
            fetched = subprocess.run(["apt-get", "download", *PACKAGES], cwd=packages, capture_output=True, text=True)
            if fetched.returncode:
                raise NoKerberos(f"apt-get download: {fetched.stderr.strip().splitlines()[-1]}")
            for package in sorted(packages.glob("*.deb")):
                subprocess.run(["dpkg", "-x", package, root], check=True)
    return root


@dataclass(frozen=True)
class Kdc:
    """A KDC that answers, and the environment of its clients."""

    realm: str
    directory: Path
    environment: dict[str, str]

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a client of the KDC; raise when it fails."""
        return subprocess.run(command, env=self.environment | more, capture_output=True, text=True, check=True)

    def keytab(self, name: str, *principals: str) -> Path:
        """Make principals with random keys, and a keytab that holds them."""
        path = self.directory / name
        for principal in principals:
            self.run("kadmin.local", "addprinc", "-randkey", principal)
            self.run("kadmin.local", "ktadd", "-k", str(path), principal)
        return path


@contextmanager
def running_kdc(realm: str, directory: Path, *, ticket_lifetime: str = "1h") -> Generator[Kdc]:
    """Run a KDC of `realm` with its files in `directory`."""
    root = unpacked()
    libraries = next(root.glob("usr/lib/*-linux-gnu"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (directory / "krb5.conf").write_text(
        f"""\
[libdefaults]
  default_realm = {realm}
  dns_lookup_kdc = false
  dns_lookup_realm = false
  rdns = false
  udp_preference_limit = 1
  ticket_lifetime = {ticket_lifetime}
[realms]
  {realm} = {{
    kdc = 127.0.0.1:{port}
  }}
"""
    )
    (directory / "kdc.conf").write_text(
        f"""\
[kdcdefaults]
  kdc_listen = ""
  kdc_tcp_listen = 127.0.0.1:{port}
[realms]
  {realm} = {{
    database_name = {directory}/principal
    key_stash_file = {directory}/stash
    acl_file = {directory}/acl
  }}
[dbmodules]
  db_module_dir = {libraries}/krb5/plugins/kdb
"""
    )
    environment = {
        "PATH": f"{root}/usr/sbin:{root}/usr/bin:/usr/bin:/bin",
        "LD_LIBRARY_PATH": str(libraries),
        "KRB5_CONFIG": str(directory / "krb5.conf"),
        "KRB5_KDC_PROFILE": str(directory / "kdc.conf"),
        "TMPDIR": str(directory),
    }
    kdc = Kdc(realm, directory, environment)
    kdc.run("kdb5_util", "create", "-s", "-r", realm, "-P", "of-the-test")
    with (directory / "kdc.log").open("w") as log:
        process = subprocess.Popen(
            ["krb5kdc", "-n", "-r", realm],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        while not _listens(port):
            if process.poll() is not None:
                raise NoKerberos(f"krb5kdc ended: {(directory / 'kdc.log').read_text()[-500:]}")
            time.sleep(0.02)
        yield kdc
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

"""Make everything a fresh machine needs, inside the project: ``.venv`` and ``.cache``. Run by `make setup`.

Standard library only: it runs before anything is installed. Each step looks first and does nothing when it is done, so
that the second run takes a second. The user's own Pulumi login, stacks and AWS configuration are not read.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
PULUMI = CACHE / "pulumi"
SPARK_JARS = CACHE / "spark-jars"

UV_VERSION = "0.13.9"
PULUMI_VERSION = "3.259.0"
"""Version that is installed or built; `tools/pulumi/go.mod` names the same."""
OLDEST_PULUMI = (3, 229, 0)
"""Oldest CLI on PATH that is taken: resource hooks and policy packs run by the language host."""
INSTALLER = "https://get.pulumi.com"
JAVA_VERSIONS = (8, 11, 17)
"""Java releases that Spark 3.3 runs on (Spark documentation, "Downloading")."""


class SetupError(Exception):
    """Something that the person must do; the message says what."""


def say(text: str) -> None:
    """Tell the person one line of progress."""
    print(f"set-up: {text}", flush=True)


def run(
    command: Sequence[str], what: str, *, cwd: Path | None = None, environment: Mapping[str, str] | None = None
) -> str:
    """Run a command, saying every 20 seconds that it still does; its output is shown only when it fails.

    Raises:
        SetupError: with the end of the output.
    """
    started = time.monotonic()
    done = threading.Event()

    def tick() -> None:
        while not done.wait(20):
            say(f"{what}: still at it ({time.monotonic() - started:.0f} s)")

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        process = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError as error:
        raise SetupError(f"{what} failed: {error}") from None
    finally:
        done.set()
        ticker.join()
    if process.returncode:
        tail = "\n".join(process.stdout.strip().splitlines()[-15:])
        raise SetupError(f"{what} failed (exit {process.returncode}):\n{tail}")
    return process.stdout


@contextmanager
def locked() -> Generator[None]:
    """Let one set-up run at a time; another waits, and then finds everything done."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "setup.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another set-up is running; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _uv() -> str:
    """`uv` of PATH, or one of our own in ``.cache/uv``."""
    found = shutil.which("uv")
    if found:
        return found
    own = CACHE / "uv" / "bin" / "uv"
    if not own.exists():
        say(f"installing uv {UV_VERSION} into .cache/uv")
        run([sys.executable, "-m", "venv", "--clear", str(CACHE / "uv")], "making a virtual environment for uv")
        run([str(CACHE / "uv" / "bin" / "pip"), "install", "-q", f"uv=={UV_VERSION}"], "installing uv")
    return str(own)


def python_environment() -> None:
    """Make ``.venv`` hold exactly what requirements.lock says."""
    stamp = VENV / "lock.sha256"
    wanted = f"{digest(LOCK)} {sys.version_info.major}.{sys.version_info.minor}"
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == wanted:
        say(".venv is up to date")
        return
    say("installing the locked packages into .venv (300 MB of Spark among them)")
    uv = _uv()
    if not PYTHON.exists():
        run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(VENV)], "making .venv")
    run(
        # Compiled now: pulumi_aws alone takes seconds, and every process here would pay them again where Python writes
        # no bytecode (PYTHONDONTWRITEBYTECODE, as many images set it).
        [uv, "pip", "sync", "-q", "--compile-bytecode", "--python", str(PYTHON), "--require-hashes", str(LOCK)],
        "installing the locked packages",
    )
    stamp.write_text(wanted)


def java() -> str:
    """Find a Java that Spark 3.3 runs on, and return its command.

    Raises:
        SetupError: when there is none, or a newer one.
    """
    home = os.environ.get("JAVA_HOME")
    command = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if not command or not Path(command).exists():
        where = f"JAVA_HOME is {home}, where there is none" if home else "there is none on PATH"
        raise SetupError(f"Java 17 is needed for Spark 3.3.0, and {where}: install a JDK or JRE 17 and run again")
    text = run([command, "-version"], "asking Java for its version")
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    version = int(match.group(1)) if match else 0
    if version not in JAVA_VERSIONS:
        raise SetupError(
            f"Java {version or '?'} at {command} does not run Spark 3.3.0, which takes Java 8, 11 or 17: "
            "install Java 17 and point JAVA_HOME at it"
        )
    say(f"Java {version} at {command}")
    return command


def spark_jars() -> None:
    """Fetch the S3 file system for Spark with Spark's own resolver, once, and check what came."""
    pinned = json.loads((ROOT / "tools" / "spark_jars.json").read_text())
    wanted: dict[str, str] = pinned["sha256"]
    if all((SPARK_JARS / name).exists() for name in wanted):
        say("Spark's S3 file system is there")
        return
    say(f"fetching {pinned['package']} for Spark (230 MB)")
    ivy = CACHE / "ivy"
    nothing = CACHE / "nothing.py"
    nothing.write_text("")
    command = [
        str(VENV / "bin" / "spark-submit"),
        *("--packages", pinned["package"]),
        *("--conf", f"spark.jars.ivy={ivy}"),
        str(nothing),
    ]
    environment = {"PYSPARK_PYTHON": str(PYTHON), "SPARK_LOCAL_IP": "127.0.0.1"}
    for attempt in (1, 2, 3):
        try:
            run(command, "fetching Spark's S3 file system", environment=environment)
            break
        except SetupError:
            if attempt == 3:
                raise
            say(f"that did not work; trying again in {5 * attempt} s")
            time.sleep(5 * attempt)
    SPARK_JARS.mkdir(exist_ok=True)
    for name, expected in wanted.items():
        fetched = ivy / "jars" / name
        if not fetched.exists():
            raise SetupError(f"{name} did not come with {pinned['package']}: tools/spark_jars.json is out of date")
        if digest(fetched) != expected:
            raise SetupError(
                f"{name} is not the file that tools/spark_jars.json pins (sha256 {expected}); nothing used"
            )
        fetched.replace(SPARK_JARS / name)
    shutil.rmtree(ivy)
    nothing.unlink()


def _cli_version(command: str) -> tuple[int, ...] | None:
    """Version of a Pulumi CLI, or nothing when it does not say one."""
    try:
        output = subprocess.run(
            [command, "version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true", "PULUMI_HOME": str(CACHE / "pulumi-home")},
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"v?(\d+)\.(\d+)\.(\d+)", output.strip())
    return tuple(int(part) for part in match.groups()) if match else None


def _cli_on_path() -> Path | None:
    """Directory of a fitting CLI on PATH, with a language host for Python beside it or on PATH."""
    outside = os.pathsep.join(
        entry for entry in os.environ.get("PATH", "").split(os.pathsep) if Path(entry) != PULUMI / "bin"
    )
    command = shutil.which("pulumi", path=outside)
    if not command:
        return None
    version = _cli_version(command)
    if version is None or not OLDEST_PULUMI <= version < (4,):
        shown = ".".join(map(str, version)) if version else "of unknown version"
        say(f"the Pulumi CLI on PATH ({command}, {shown}) is not 3.229 to 3.x; not taking it")
        return None
    directory = Path(command).resolve().parent
    if not (directory / "pulumi-language-python").exists() and not shutil.which("pulumi-language-python", path=outside):
        say(f"the Pulumi CLI on PATH ({command}) has no pulumi-language-python; not taking it")
        return None
    return directory


def _install_cli() -> None:
    """Run the official installer into ``.cache/pulumi``.

    Raises:
        SetupError: when its site cannot be reached or it fails.
    """
    script = CACHE / "install-pulumi.sh"
    try:
        with urllib.request.urlopen(INSTALLER, timeout=15) as response:
            script.write_bytes(response.read())
    except (urllib.error.URLError, OSError) as error:
        raise SetupError(f"{INSTALLER} cannot be reached ({getattr(error, 'reason', error)})") from None
    command = ["sh", str(script), "--version", PULUMI_VERSION, "--install-root", str(PULUMI), "--no-edit-path"]
    run(command, "the official installer")


def _build_cli() -> None:
    """Build the CLI from Go modules into ``.cache/pulumi/bin``, and put our language host beside it.

    Raises:
        SetupError: when there is no Go, or the build fails.
    """
    if not shutil.which("go"):
        raise SetupError("building the Pulumi CLI needs Go 1.26 or newer, and there is none on PATH")
    say("building the Pulumi CLI from Go modules: 3 to 6 minutes the first time, and quick from Go's cache afterwards")
    version = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=v{PULUMI_VERSION}"
    run(
        ["go", "install", "-ldflags", f"-s -w {version}", "tool"],
        "building the Pulumi CLI",
        cwd=ROOT / "tools" / "pulumi",
        environment={"GOBIN": str(PULUMI / "bin")},
    )
    launcher = PULUMI / "bin" / "pulumi-language-python"
    launcher.write_text(f'#!/bin/sh\nexec "{PYTHON}" "{ROOT / "tools" / "language_host.py"}" "$@"\n')
    launcher.chmod(0o755)


def pulumi_cli() -> None:
    """Find, install or build the Pulumi CLI, and remember where it is in ``.cache/pulumi-cli.json``."""
    record = CACHE / "pulumi-cli.json"
    if record.exists():
        known = json.loads(record.read_text())
        cli = Path(known["directory"]) / "pulumi"
        if known["root"] == str(ROOT) and cli.exists() and cli.stat().st_mtime_ns == known["modified"]:
            say(f"Pulumi CLI {known['version']} ({known['source']}) at {cli}")
            return
    directory = _cli_on_path()
    source = "of PATH"
    if directory is None:
        directory = PULUMI / "bin"
        try:
            _install_cli()
            source = "from the official installer"
        except SetupError as no_installer:
            say(f"{no_installer}; building the CLI instead")
            try:
                _build_cli()
                source = "built from Go modules"
            except SetupError as no_build:
                raise SetupError(
                    f"no Pulumi CLI: none fits on PATH; {no_installer}; {no_build}.\n"
                    "Install the Pulumi CLI (3.229 or newer) or Go 1.26 or newer, and run again."
                ) from None
    cli = directory / "pulumi"
    version = _cli_version(str(cli))
    if version is None:
        raise SetupError(f"the Pulumi CLI {source} at {cli} does not answer 'pulumi version'")
    shown = ".".join(map(str, version))
    record.write_text(
        json.dumps(
            {
                "root": str(ROOT),
                "directory": str(directory),
                "source": source,
                "version": shown,
                "modified": cli.stat().st_mtime_ns,
            }
        )
    )
    say(f"Pulumi CLI {shown} ({source}) at {cli}")


def main() -> int:
    """Run every step; expected failures are one clear message."""
    if sys.version_info < (3, 11):  # noqa: UP036 (an older Python may well run this file)
        print(f"set-up: Python 3.11 or newer is needed; this is {sys.version.split()[0]}", file=sys.stderr)
        return 1
    try:
        with locked():
            java()
            python_environment()
            spark_jars()
            pulumi_cli()
    except SetupError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: interrupted; run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

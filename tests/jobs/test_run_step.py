"""The step's wrapper: against a real KDC where one can be had, with commands that tell how they were called."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.kerberos import Kdc, NoKerberos, running_kdc

SCRIPT = Path(__file__).resolve().parents[2] / "jobs" / "run_step.sh"
REALM = "EU-WEST-1.COMPUTE.INTERNAL"
TAG = "0123456789abcdef0123456789abcdef01234567-2"
HOST = "ip-10-20-0-4.eu-west-1.compute.internal"
LISTED = """\
Total number of applications (application-types: [], states: [RUNNING] and tags: [x]):1
                Application-Id\tApplication-Name
application_1700000000000_0007\t               job\t               SPARK
"""


class Node:
    """A node's commands and keytab."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.commands = directory / "bin"
        self.commands.mkdir()
        self.told = directory / "told"
        self.environment = {
            "PATH": f"{self.commands}:/usr/bin:/bin",
            "TMPDIR": str(directory),
            "TOLD": str(self.told),
            "KRB5_KTNAME": str(directory / "absent.keytab"),
        }
        self.command("hostname", f"echo {HOST}")
        self.command("kinit", 'echo "kinit $*" >>"$TOLD"; touch "$KRB5CCNAME"')
        self.command("klist", 'echo "klist: nothing in here" >&2; exit 1')
        self.command("spark-submit", 'printf "%s\\n" spark-submit "$@" >>"$TOLD"')
        self.command("yarn", f'echo "yarn $*" >>"$TOLD"; [[ $2 != -list ]] || cat <<"END"\n{LISTED}END')

    def command(self, name: str, body: str) -> None:
        path = self.commands / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)

    def with_kdc(self, kdc: Kdc, keytab: Path) -> None:
        """Let the node's Kerberos commands be the real ones."""
        for name in ("kinit", "klist"):
            (self.commands / name).unlink()
        self.environment |= kdc.environment | {
            "PATH": f"{self.commands}:{kdc.environment['PATH']}",
            "KRB5_KTNAME": str(keytab),
            "TMPDIR": str(self.directory),
        }

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", str(SCRIPT), *arguments],
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell cannot trap what it is born to ignore, and whoever runs the tests with nohup ignores this.
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        )

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Status and what was said."""
        process = self.start(*arguments, **environment)
        _, said = process.communicate(timeout=60)
        return process.returncode, said

    def lines(self) -> list[str]:
        return self.told.read_text().splitlines() if self.told.exists() else []

    def wait_for(self, line: str, times: int = 1) -> None:
        deadline = time.monotonic() + 60
        while self.lines().count(line) < times:
            assert time.monotonic() < deadline, f"{line!r} was not told {times} times: {self.lines()}"
            time.sleep(0.02)

    def left_behind(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir() if path.name.startswith("tmp."))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_the_script_is_clean_to_shellcheck() -> None:
    found = subprocess.run([Path(sys.executable).parent / "shellcheck", str(SCRIPT)], capture_output=True, text=True)
    assert found.returncode == 0, f"nobody can try this script on a node before it ships:\n{found.stdout}"


def test_the_arguments_reach_spark_submit_untouched_behind_the_tag(node: Node) -> None:
    told = ["--conf", "a=b c", "s3://x/$(id)'\".json", ""]
    assert node.run(REALM, TAG, *told)[0] == 0
    ticket, *submitted = node.lines()
    assert ticket == f"kinit -k -t {node.environment['KRB5_KTNAME']} hadoop/{HOST}@{REALM}", "first of all, a ticket"
    assert submitted == ["spark-submit", "--conf", f"spark.yarn.tags={TAG}", *told]
    assert node.left_behind() == [], "the ticket goes with the step"


def test_the_status_is_that_of_the_application(node: Node) -> None:
    node.command("spark-submit", "exit 3")
    assert node.run(REALM, TAG, "job.py")[0] == 3, "EMR judges the step by it"


def test_without_a_ticket_nothing_is_submitted(node: Node) -> None:
    node.command("kinit", "echo 'kinit: no' >&2; exit 1")
    status, said = node.run(REALM, TAG, "job.py")
    assert status == 77
    assert f"no Kerberos ticket for hadoop/{HOST}@{REALM}" in said
    assert "the keytab cannot be read: klist: nothing in here" in said, "the next question is what the keytab holds"
    assert node.lines() == [], "an application without identity must not start"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "the realm and the tag are missing"),
        ((REALM,), "the realm and the tag are missing"),
        (("realm.lower", TAG, "job.py"), "realm 'realm.lower': upper-case"),
        ((REALM, "Tag", "job.py"), "tag 'Tag'"),
        ((REALM, "t" * 101, "job.py"), "1 to 100"),
        ((REALM, "a,b", "job.py"), "tag 'a,b'"),
        ((REALM, TAG), "nothing to submit"),
        ((REALM, TAG, "--conf", "spark.yarn.tags=mine", "job.py"), "the tag is given once"),
    ],
)
def test_a_wrong_call_is_refused_in_words(node: Node, arguments: tuple[str, ...], reason: str) -> None:
    status, said = node.run(*arguments)
    assert status == 64
    assert reason in said
    assert node.lines() == [], "a wrong call does nothing"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_cancelled_step_takes_its_application_along(node: Node, number: signal.Signals) -> None:
    node.command(
        "spark-submit",
        'trap \'echo "client ended" >>"$TOLD"; exit 1\' TERM; echo started >>"$TOLD"\nwhile sleep 0.1; do :; done',
    )
    process = node.start(REALM, TAG, "job.py")
    node.wait_for("started")
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number, "the step tells which signal ended it"
    after = node.lines()[node.lines().index("started") + 1 :]
    assert after[0] == "client ended", "a client that lives could submit after the applications were listed"
    assert after[1] == f"yarn application -list -appTags {TAG} -appStates NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING"
    assert after[2] == "yarn application -kill application_1700000000000_0007", "in cluster mode it would live on"
    assert f"applications with tag {TAG}" in said
    assert node.left_behind() == []


def test_a_signal_finds_the_client_that_was_begun_just_now(node: Node) -> None:
    node.command("spark-submit", "while sleep 0.1; do :; done")
    before = node.directory / "before_each_command"
    # The signal comes between the client's start and the assignment of its number.
    before.write_text("""trap '[[ $BASH_COMMAND != "client=\\$!" ]] || kill -HUP $$' DEBUG\n""")
    status, _ = node.run(REALM, TAG, "job.py", BASH_ENV=str(before))
    assert status == 128 + signal.SIGHUP, "a client that nobody ends would keep the step's output open"
    assert node.lines()[-1] == "yarn application -kill application_1700000000000_0007"


def test_an_application_that_cannot_be_listed_is_told(node: Node) -> None:
    node.command("yarn", "exit 1")
    status, said = node.run("--stop", REALM, TAG)
    assert status == 1, "whoever stops must know that something may still run"
    assert "may still run" in said


def test_stopping_kills_what_the_tag_finds_and_submits_nothing(node: Node) -> None:
    assert node.run("--stop", REALM, TAG)[0] == 0
    assert [line for line in node.lines() if "-kill" in line] == [
        "yarn application -kill application_1700000000000_0007"
    ]
    assert "spark-submit" not in node.lines()


def test_the_ticket_is_taken_anew_while_the_application_runs(node: Node) -> None:
    node.command("spark-submit", 'until [[ $(grep -c kinit "$TOLD") -ge 3 ]]; do sleep 0.05; done')
    assert node.run(REALM, TAG, "job.py", TICKET_SECONDS="0.1")[0] == 0, "a job may outlive its ticket"


# --- against a KDC


@pytest.fixture(scope="module")
def kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    try:
        with running_kdc(REALM, tmp_path_factory.mktemp("kdc"), ticket_lifetime="3s") as kdc:
            yield kdc
    except NoKerberos as reason:
        pytest.skip(f"no KDC to test against: {reason}")


@pytest.fixture(scope="module")
def keytab(kdc: Kdc) -> Path:
    return kdc.keytab("hadoop.keytab", f"hadoop/{HOST}@{REALM}")


def test_the_kdc_gives_the_node_its_ticket(node: Node, kdc: Kdc, keytab: Path) -> None:
    node.with_kdc(kdc, keytab)
    node.command("spark-submit", 'klist -s && klist | grep Default >>"$TOLD"')
    status, said = node.run(REALM, TAG, "job.py")
    assert status == 0, said
    assert node.lines() == [f"Default principal: hadoop/{HOST}@{REALM}"]


def test_an_expired_ticket_is_followed_by_a_good_one(node: Node, kdc: Kdc, keytab: Path) -> None:
    node.with_kdc(kdc, keytab)
    # Tickets live 3 s here. The application outlives the first, without a new one and with.
    node.command(
        "spark-submit",
        'tell() { klist -s && echo good || echo expired; }; tell >>"$TOLD"; sleep 3.5; tell >>"$TOLD"',
    )
    assert node.run(REALM, TAG, "job.py", TICKET_SECONDS="60")[0] == 0
    assert node.lines() == ["good", "expired"], "the test means nothing if tickets do not run out"
    node.told.unlink()
    status, said = node.run(REALM, TAG, "job.py", TICKET_SECONDS="1")
    assert status == 0, said
    assert node.lines() == ["good", "good"]


def test_another_clusters_realm_is_refused_in_words(node: Node, kdc: Kdc, keytab: Path) -> None:
    node.with_kdc(kdc, keytab)
    status, said = node.run("EC2.INTERNAL", TAG, "job.py")
    assert status == 77
    assert f"no Kerberos ticket for hadoop/{HOST}@EC2.INTERNAL" in said
    assert f"the keytab holds: hadoop/{HOST}@{REALM}" in said
    assert "realm EC2.INTERNAL is not this cluster's" in said
    assert node.lines() == [], "nothing was submitted"


def test_a_key_that_the_kdc_no_longer_takes_is_refused(node: Node, kdc: Kdc) -> None:
    node.with_kdc(kdc, kdc.keytab("old.keytab", f"hadoop/other@{REALM}"))
    node.command("hostname", "echo other")
    kdc.run("kadmin.local", "change_password", "-randkey", f"hadoop/other@{REALM}")
    status, said = node.run(REALM, TAG, "job.py")
    assert status == 77
    assert "no Kerberos ticket for hadoop/other" in said
    assert "is not this cluster's" not in said, "the realm is right; blaming it would mislead"


def test_two_steps_at_once_have_a_ticket_each(node: Node, kdc: Kdc, keytab: Path) -> None:
    node.with_kdc(kdc, keytab)
    node.command(
        "spark-submit", 'echo "$KRB5CCNAME" >>"$TOLD"; until [[ $(wc -l <"$TOLD") -ge 2 ]]; do sleep 0.05; done'
    )
    both = [node.start(REALM, TAG, "job.py"), node.start(REALM, TAG, "job.py")]
    for process in both:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    assert len(set(node.lines())) == 2, "steps that share a cache write each other's tickets"

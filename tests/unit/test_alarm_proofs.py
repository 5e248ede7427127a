"""For each alarm the data that trips it and the data that does not, judged by CloudWatch's rules against what the
program deploys: its recorded inputs, for the production stack and with every part that a stack can have."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pulumi_aws as aws
import pytest

from components.alarms import PipelineAlarms
from sandbox.alarm_evaluation import Gather, Series, State, aggregate, composite, evaluate
from sandbox.providers.services.cloudwatch import alarm_members
from settings import DatasetSettings
from tests.policies import program
from tests.unit.harness import deploy
from tests.unit.test_alarms import ARGS

Samples = Sequence[float | Sequence[float] | None]
"""Samples of each period, the latest last: one, several, or none."""
Data = Mapping[str, Samples]
"""By the metric's name."""

NOW = 1_800_000_000
BUSY, IDLE = [0] * 8, [1] * 8


@dataclass(frozen=True)
class Proof:
    """Data for one kind of alarm."""

    trips: Data
    quiet: tuple[Data, ...]
    history: Mapping[str, Sequence[float]] = field(default_factory=dict[str, Sequence[float]])
    """Of the two weeks before, for a band."""
    subject: str = ""
    """The one alarm that the data is for, where others of the kind have other limits."""


def flat(value: float, periods: int = 30) -> list[float]:
    return [value] * periods


DAILY = [1000, 1010, 990, 1005, 995] * 4
PROOFS: dict[str, Proof] = {
    "cluster-silent": Proof({}, ({"IsIdle": BUSY}, {"IsIdle": [None, None, None, None, 1, None]})),
    "cluster-idle": Proof(
        {"IsIdle": IDLE, "ApproximateNumberOfMessagesVisible": flat(3, 8)},
        (
            {"IsIdle": IDLE, "ApproximateNumberOfMessagesVisible": flat(0, 8)},
            {"IsIdle": IDLE},
            {"IsIdle": [1, 1, 1, [1, 0], 1, 1, 1, 1], "ApproximateNumberOfMessagesVisible": flat(3, 8)},
        ),
    ),
    "hdfs-full": Proof({"HDFSUtilization": [80, 85, 90]}, ({"HDFSUtilization": [79, 85, 90]}, {})),
    "hdfs-blocks-missing": Proof({"MissingBlocks": [1, 1]}, ({"MissingBlocks": [0, 1]}, {})),
    "nodes-unhealthy": Proof({"MRUnhealthyNodes": [1, 1, 2]}, ({"MRUnhealthyNodes": [0, 1, 1]}, {})),
    "nodes-lost": Proof({"MRLostNodes": [1, 1, 1]}, ({"MRLostNodes": [1, 1, 0]}, {})),
    "yarn-memory-low": Proof(
        {"YARNMemoryAvailablePercentage": flat(5, 8)},
        ({"YARNMemoryAvailablePercentage": [5, 5, 5, 5, 5, 5, 10, 5]}, {}),
    ),
    "containers-pending": Proof(
        {"ContainerPendingRatio": flat(2, 8)}, ({"ContainerPendingRatio": [2, 2, 2, 1, 2, 2]}, {})
    ),
    "applications-failing": Proof({"AppsFailed": [[1, 0, 2]]}, ({"AppsFailed": [[1, 1]]}, {})),
    "scaling-at-maximum": Proof(
        {"CoreNodesRunning": flat(8), "ContainerPending": flat(5)},
        (
            {"CoreNodesRunning": flat(7), "ContainerPending": flat(5)},
            {"CoreNodesRunning": flat(8), "ContainerPending": [*flat(5), 0]},
            {},
        ),
        subject="core",
    ),
    "executions-failing": Proof({"ExecutionsFailed": [[1, 1, 1]]}, ({"ExecutionsFailed": [[1, 1]]}, {})),
    "executions-throttled": Proof({"ExecutionThrottled": [1, 1, 1]}, ({"ExecutionThrottled": [1, 1]}, {})),
    "executions-slow": Proof(
        {"ExecutionTime": [9000, 9000]},
        ({"ExecutionTime": [1000, 9000]}, {"ExecutionTime": [10, 10]}, {}),
        history={"ExecutionTime": DAILY},
    ),
    "execution-logs-silent": Proof(
        {"ExecutionsStarted": [1, 1]},
        (
            {"ExecutionsStarted": [1, 1], "IncomingLogEvents": [0, 40]},
            {"ExecutionsStarted": [None, 1]},
            {"IncomingLogEvents": [40, 40]},
        ),
    ),
    "dataset-stale": Proof(
        {"SecondsSinceSuccess": [26 * 3600 + 1]}, ({"SecondsSinceSuccess": [26 * 3600]}, {}), subject="flights"
    ),
    "rows-few": Proof({"RowsIn": [[100, 200]]}, ({"RowsIn": [[300, 200]]}, {})),
    "rows-many": Proof({"RowsIn": [[3000, 1]]}, ({"RowsIn": [[3000]]}, {})),
    "rows-anomalous": Proof({"RowsIn": [100]}, ({"RowsIn": [1000]}, {}), history={"RowsIn": DAILY}, subject="flights"),
    "records-set-aside": Proof(
        {"RowsIn": [1000], "RowsSetAside": [6]},
        ({"RowsIn": [1000], "RowsSetAside": [5]}, {"RowsIn": [0], "RowsSetAside": [0]}, {}),
    ),
    "dead-letters-waiting": Proof(
        {"ApproximateNumberOfMessagesVisible": [1]}, ({"ApproximateNumberOfMessagesVisible": [0]}, {})
    ),
    "intake-old": Proof({"ApproximateAgeOfOldestMessage": [1800]}, ({"ApproximateAgeOfOldestMessage": [1799]}, {})),
    "dispatcher-errors": Proof({"Errors": [1, 1]}, ({"Errors": [0, 1]}, {"Errors": [1]})),
    "dispatcher-throttled": Proof({"Throttles": [1, 1, 1]}, ({"Throttles": [1, 0, 1]}, {})),
    "events-undeliverable": Proof({"FailedInvocations": [1]}, ({"FailedInvocations": [0]}, {})),
    "metrics-lost": Proof({"EMFValidationErrors": [1]}, ({"EMFValidationErrors": [0], "EMFParsingErrors": [0]}, {})),
    "nat-ports-exhausted": Proof({"ErrorPortAllocation": [1, 5]}, ({"ErrorPortAllocation": [1, 0]}, {})),
    "endpoint-packets-dropped": Proof({"PacketsDropped": [1, 1, 1]}, ({"PacketsDropped": [1, 0, 1]}, {})),
    "flow-logs-silent": Proof({}, ({"IncomingLogEvents": flat(500, 14)}, {"IncomingLogEvents": [500]})),
    "notifications-undelivered": Proof(
        {"ApproximateNumberOfMessagesVisible": [2]}, ({"ApproximateNumberOfMessagesVisible": [0]}, {})
    ),
    "notifications-failing": Proof({"NumberOfNotificationsFailed": [1]}, ({"NumberOfNotificationsFailed": [0]}, {})),
    "housekeeping-silent": Proof({}, ({"HousekeepingRuns": [1, 1, 1, 1]}, {"HousekeepingRuns": [1, None, None]})),
    "manifests-waiting": Proof({"OldestPlannedSeconds": [3600]}, ({"OldestPlannedSeconds": [3599]}, {})),
    "executions-unsettled": Proof({"UnsettledExecutions": [1, 1, 2, 1]}, ({"UnsettledExecutions": [1, 0, 1, 1]}, {})),
    "certificate-ends": Proof({"CertificateDaysLeft": [89]}, ({"CertificateDaysLeft": [90]}, {})),
    "certificate-ends-soon": Proof({"CertificateDaysLeft": [13]}, ({"CertificateDaysLeft": [14]}, {})),
    "release-support-ends": Proof({"ReleaseSupportDaysLeft": [179]}, ({"ReleaseSupportDaysLeft": [180]}, {})),
    "subscriptions-unconfirmed": Proof(
        {"UnconfirmedSubscriptions": flat(1)}, ({"UnconfirmedSubscriptions": [*flat(1, 29), 0]}, {})
    ),
}


@functools.cache
def definitions() -> dict[str, dict[str, Any]]:
    """The deployed definitions by id: those of the production stack, and beside them what only other stacks have."""
    everything = deploy(lambda: PipelineAlarms("alarms", ARGS))
    production = program._run("prod", False)  # pyright: ignore[reportPrivateUsage]
    return {
        entry.name.removeprefix("alarms-"): alarm_members(entry.inputs)
        for deployment in (everything, production)
        for entry in deployment.all(aws.cloudwatch.MetricAlarm)
    }


def subjects(kind: str) -> list[str]:
    """Ids of the alarms of a kind."""
    proof = PROOFS[kind]
    wanted = f"{kind}-{proof.subject}" if proof.subject else None
    others = [other for other in PROOFS if other != kind and other.startswith(kind)]
    return [
        identifier
        for identifier in definitions()
        if (identifier == wanted if wanted else identifier == kind or identifier.startswith(f"{kind}-"))
        and not any(identifier.startswith(other) for other in others)
    ]


def gathering(data: Data, history: Mapping[str, Sequence[float]]) -> Gather:
    """Serve samples as CloudWatch would: gathered by the statistic that the alarm asks for."""

    def gather(
        namespace: str, name: str, dimensions: Mapping[str, str], statistic: str, period: int, start: int, end: int
    ) -> Series:
        assert dimensions or namespace == "AWS/Lambda", f"{name} is measured without saying of what"
        if end < NOW:
            begins = [end - period * (number + 1) for number in range(len(history.get(name, ())))]
            return dict(zip(begins, history.get(name, ()), strict=True))
        found: Series = {}
        samples = data.get(name, ())
        for index, entry in enumerate(samples):
            begin = NOW - period * (len(samples) - index)
            of_period = [] if entry is None else [entry] if isinstance(entry, int | float) else list(entry)
            value = aggregate(of_period, statistic)
            if value is not None and start <= begin < end:
                found[begin] = value
        return found

    return gather


def judged(identifier: str, data: Data, before: State = "OK") -> State:
    proof = next(PROOFS[kind] for kind in PROOFS if identifier in subjects(kind))
    return evaluate(definitions()[identifier], gathering(data, proof.history), NOW, before).state


def test_every_alarm_that_is_deployed_has_a_proof():
    proven = {identifier for kind in PROOFS for identifier in subjects(kind)}
    others = [kind for kind, proof in PROOFS.items() if proof.subject]
    left = {
        identifier
        for identifier in set(definitions()) - proven
        if not any(identifier.startswith(f"{kind}-") for kind in others)
    }
    assert not left, f"these alarms were never seen to go off: {sorted(left)}"


@pytest.mark.parametrize("kind", PROOFS)
def test_it_goes_off_when_it_should_and_only_then(kind: str):
    found = subjects(kind)
    assert found, f"no alarm of kind {kind} is deployed"
    for identifier in found:
        assert judged(identifier, PROOFS[kind].trips) == "ALARM", f"{identifier} should go off"
        for number, data in enumerate(PROOFS[kind].quiet):
            assert judged(identifier, data) == "OK", f"{identifier} should stay quiet on data {number}"


@pytest.mark.parametrize("kind", ["dataset-stale", "certificate-ends", "certificate-ends-soon", "release-support-ends"])
def test_what_housekeeping_reports_holds_while_housekeeping_is_silent(kind: str):
    (identifier,) = subjects(kind)
    assert judged(identifier, {}, before="ALARM") == "ALARM", "no news is no all-clear; silence has its own alarm"
    assert judged(identifier, {}, before="OK") == "OK"


def test_the_cluster_is_idle_on_work_only_for_the_whole_time():
    assert judged("cluster-idle", {"IsIdle": IDLE, "ApproximateNumberOfMessagesVisible": [3, 3, 0, 3, 3, 3]}) == "OK"


def test_planned_manifests_are_work_too():
    everything = deploy(lambda: PipelineAlarms("alarms", ARGS)).named("alarms-cluster-idle").inputs
    data = {"IsIdle": IDLE, "PlannedManifests": flat(1, 8)}
    assert evaluate(alarm_members(everything), gathering(data, {}), NOW).state == "ALARM"


def test_the_pipeline_is_unhealthy_while_anything_critical_is_so():
    deployment = deploy(lambda: PipelineAlarms("alarms", ARGS))
    rule = deployment.one(aws.cloudwatch.CompositeAlarm).inputs["alarmRule"]
    critical = [
        entry.inputs["name"]
        for entry in deployment.all(aws.cloudwatch.MetricAlarm)
        if entry.inputs["alarmDescription"].startswith("[critical]")
    ]
    fine: dict[str, State] = dict.fromkeys(critical, "OK")
    assert composite(rule, fine) == "OK"
    assert len(critical) >= 8, "the critical alarms were looked for in vain"
    for name in critical:
        assert composite(rule, {**fine, name: "ALARM"}) == "ALARM", f"{name} makes it unhealthy"


def test_datasets_without_promises_are_watched_against_their_own_history_only():
    dataset = ARGS.datasets["flights"]
    plain = DatasetSettings.model_validate(
        {**dataset.model_dump(exclude={"freshness_hours", "expected_rows"}), "prefix": "plain/"}
    )
    deployment = deploy(lambda: PipelineAlarms("alarms", replace(ARGS, datasets={"plain": plain})))
    found = {entry.name for entry in deployment.all(aws.cloudwatch.MetricAlarm) if entry.name.endswith("-plain")}
    assert found == {"alarms-rows-anomalous-plain", "alarms-records-set-aside-plain"}

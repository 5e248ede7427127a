"""Rules of topics, queues, buses, logs and alarms, each in the forms of `up` and preview."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policies import messaging as m
from policies import observability as o
from policies.functions import STATE_MACHINE
from tests.policies.cases import Case, bad, check, good, open_question, parametrize
from tests.policies.harness import UNKNOWN, R

KEY = "arn:aws:kms:eu-west-1:111122223333:key/1"
EVERYBODY = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
BOUND = {**EVERYBODY, "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:events:eu-west-1:111122223333:rule/r"}}}


def document(*statements: Any) -> str:
    return json.dumps({"Statement": list(statements)})


def keys(rule: str, type: str, name: str, aws: str) -> list[Case]:
    """What holds for everything that names its key in one property."""
    return [
        good(rule, "a key", R(type, "x", {name: KEY})),
        bad(rule, "absent", R(type, "x", {})),
        bad(rule, "empty", R(type, "x", {name: ""})),
        bad(rule, "the key that AWS manages", R(type, "x", {name: f"alias/aws/{aws}"})),
        open_question(rule, "not known yet", R(type, "x", {name: UNKNOWN})),
    ]


def policies(rule: str, *holders: str) -> list[Case]:
    """What holds for everything that has a policy of its own."""
    return [
        *(
            bad(
                rule,
                f"everybody, by {type}",
                R(type, "x", {"policy": document(BOUND, EVERYBODY)}),
                says=["Statement[1]"],
            )
            for type in holders
        ),
        *(good(rule, f"bound, by {type}", R(type, "x", {"policy": document(BOUND)})) for type in holders),
        good(rule, "none", R(holders[0], "x", {})),
        good(rule, "malformed statements", R(holders[0], "x", {"policy": document(None, 7, "x")})),
        open_question(rule, "no JSON", R(holders[0], "x", {"policy": "{"})),
        open_question(rule, "not known yet", R(holders[0], "x", {"policy": UNKNOWN})),
    ]


def sqs_03() -> list[Case]:
    rule = "SQS-03"
    queue = R(
        m.QUEUE,
        "queue",
        {"name": "intake"},
        {"url": "https://sqs.eu-west-1.amazonaws.com/1/intake", "arn": "arn:aws:sqs:eu-west-1:1:intake"},
        computed=("policy",),
    )
    other = R(
        m.QUEUE,
        "other",
        {"name": "other"},
        {"url": "https://sqs.eu-west-1.amazonaws.com/1/other", "arn": "arn:aws:sqs:eu-west-1:1:other"},
        computed=("policy",),
    )
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }

    def policy(target: R, text: Any) -> R:
        return R(m.QUEUE_POLICY, f"policy-{target.name}", {"queueUrl": target.ref("url"), "policy": text})

    by_arn = document({**deny, "Resource": "ARN"}).replace("{", "{{").replace("}", "}}").replace("ARN", "{0}")
    return [
        good(rule, "refused", queue, policy(queue, document(BOUND, deny))),
        good(
            rule,
            "by the queue's id",
            queue,
            R(m.QUEUE_POLICY, "p", {"queueUrl": queue.ref("id"), "policy": document(deny)}),
        ),
        good(rule, "refused for the queue itself", queue, policy(queue, queue.ref("arn", by_arn)), preview="undecided"),
        good(rule, "inline", R(m.QUEUE, "queue", {"policy": document(deny)})),
        bad(rule, "no policy", queue),
        bad(rule, "a policy that refuses nothing", queue, policy(queue, document(BOUND))),
        bad(
            rule,
            "for another queue",
            queue,
            policy(queue, document({**deny, "Resource": "arn:aws:sqs:eu-west-1:1:other"})),
            preview="undecided",
        ),
        bad(rule, "another queue's policy", queue, other, policy(other, document(deny)), says=["queue"]),
        open_question(rule, "a policy not known yet", queue, policy(queue, UNKNOWN)),
        open_question(
            rule,
            "a policy of an unknown queue",
            queue,
            R(m.QUEUE_POLICY, "p", {"queueUrl": UNKNOWN, "policy": document(deny)}),
        ),
    ]


def sqs_04() -> list[Case]:
    rule = "SQS-04"

    def queue(name: str, **inputs: Any) -> R:
        optional = ("redrivePolicy", "redriveAllowPolicy")
        return R(m.QUEUE, name, {"name": name, **inputs}, computed=[each for each in optional if each not in inputs])

    chance = R("random:index/randomId:RandomId", "chance")
    plain, letters = queue("intake"), queue("letters")
    kept = {"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:111122223333:theirs", "maxReceiveCount": 5}
    by_arn = letters.ref("arn", '{{"deadLetterTargetArn": "{}", "maxReceiveCount": 5}}')
    source, other = queue("source", redrivePolicy=by_arn), queue("other", redrivePolicy=json.dumps(kept))

    def redrive(target: Any, policy: Any) -> R:
        return R(m.REDRIVE_POLICY, "redrive", {"queueUrl": target, "redrivePolicy": policy})

    def allow(target: Any, **policy: Any) -> R:
        return R(m.REDRIVE_ALLOW_POLICY, "allow", {"queueUrl": target, "redriveAllowPolicy": json.dumps(policy)})

    stream = {"sourceParameters": {"kinesisStreamParameters": {"deadLetterConfig": {"arn": letters.ref("arn")}}}}
    destination = {"destinationConfig": {"onFailure": {"destinationArn": letters.ref("arn")}}}
    naming = [
        R(m.EVENT_TARGET, "target", {"arn": "arn", "deadLetterConfig": {"arn": letters.ref("arn")}}),
        R(m.SCHEDULE, "schedule", {"target": {"arn": "arn", "deadLetterConfig": {"arn": letters.ref("arn")}}}),
        R(m.TOPIC_SUBSCRIPTION, "subscription", {"redrivePolicy": by_arn}),
        R(m.PIPE, "pipe", stream),
        R("aws:lambda/function:Function", "function", {"deadLetterConfig": {"targetArn": letters.ref("arn")}}),
        R("aws:lambda/eventSourceMapping:EventSourceMapping", "mapping", destination),
    ]
    return [
        good(rule, "kept in a queue outside the stack", other),
        good(rule, "kept, and the queue that keeps", source, letters),
        good(rule, "a policy apart", plain, letters, redrive(plain.ref("id"), by_arn)),
        good(rule, "a policy not wholly known yet", queue("q", redrivePolicy={**kept, "deadLetterTargetArn": UNKNOWN})),
        *(good(rule, f"named by {source.name}", letters, source) for source in naming),
        good(rule, "a queue for others", queue("q", redriveAllowPolicy=json.dumps({"redrivePermission": "byQueue"}))),
        good(rule, "a queue for others, apart", letters, allow(letters.ref("id"), redrivePermission="allowAll")),
        bad(rule, "a queue for no others", letters, allow(letters.ref("id"), redrivePermission="denyAll")),
        bad(rule, "nothing", plain),
        *(
            bad(rule, f"{text!r}", queue("q", redrivePolicy=text))
            for text in ("", "{}", '{"maxReceiveCount": 3}', "[]")
        ),
        bad(rule, "another queue's", plain, other, redrive(other.ref("id"), json.dumps(kept)), says=["intake"]),
        bad(rule, "another keeps them", plain, source, letters, says=["intake"]),
        open_question(rule, "no JSON", queue("q", redrivePolicy="{")),
        open_question(rule, "made from something else", queue("q", redrivePolicy=chance.ref("hex"))),
        open_question(rule, "a policy of an unknown queue", plain, redrive(UNKNOWN, json.dumps(kept))),
        open_question(
            rule, "a target with an unknown queue", plain, R(m.EVENT_TARGET, "t", {"deadLetterConfig": UNKNOWN})
        ),
    ]


def sns_04() -> list[Case]:
    rule = "SNS-04"
    topic = R(m.TOPIC, "topic", {"name": "topic"}, {"arn": "arn:aws:sns:eu-west-1:1:topic"}, computed=["policy"])
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sns:Publish",
        "Resource": "*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }

    def policy(text: Any) -> R:
        return R(m.TOPIC_POLICY, "policy", {"arn": topic.ref("arn"), "policy": text})

    return [
        good(rule, "refused", topic, policy(document(BOUND, deny))),
        good(rule, "inline", R(m.TOPIC, "topic", {"policy": document(deny)})),
        bad(rule, "no policy", topic),
        bad(rule, "only subscriptions", topic, policy(document({**deny, "Action": "sns:Subscribe"}))),
        bad(rule, "only somebody", topic, policy(document({**deny, "Principal": {"AWS": "111122223333"}}))),
        open_question(rule, "not known yet", topic, policy(UNKNOWN)),
        open_question(
            rule, "for a topic not known yet", topic, R(m.TOPIC_POLICY, "p", {"arn": UNKNOWN, "policy": document(deny)})
        ),
    ]


def evb() -> list[Case]:
    def permission(**inputs: Any) -> R:
        return R(m.EVENT_PERMISSION, "p", {"statementId": "s", **inputs})

    organisation = {"key": "aws:PrincipalOrgID", "type": "StringEquals", "value": "o-a1b2c3d4e5"}
    return [
        *policies("EVB-01", m.EVENT_BUS_POLICY),
        bad("EVB-01", "anybody", permission(principal="*")),
        bad("EVB-01", "any organisation", permission(principal="*", condition={**organisation, "value": "*"})),
        bad(
            "EVB-01", "another condition", permission(principal="*", condition={**organisation, "key": "aws:username"})
        ),
        good("EVB-01", "an organisation", permission(principal="*", condition=organisation)),
        good("EVB-01", "an account", permission(principal="111122223333")),
        open_question("EVB-01", "a condition not known yet", permission(principal="*", condition=UNKNOWN)),
        open_question("EVB-01", "a principal not known yet", permission(principal=UNKNOWN)),
        good("EVB-02", "kept", R(m.EVENT_TARGET, "t", {"deadLetterConfig": {"arn": "arn"}})),
        good("EVB-02", "kept in a queue not known yet", R(m.EVENT_TARGET, "t", {"deadLetterConfig": {"arn": UNKNOWN}})),
        good("EVB-02", "a schedule's", R(m.SCHEDULE, "s", {"target": {"deadLetterConfig": {"arn": "arn"}}})),
        bad("EVB-02", "lost", R(m.EVENT_TARGET, "t", {})),
        bad("EVB-02", "empty", R(m.EVENT_TARGET, "t", {"deadLetterConfig": {"arn": ""}})),
        bad("EVB-02", "a schedule's, lost", R(m.SCHEDULE, "s", {"target": {"arn": "arn"}})),
        open_question("EVB-02", "not known yet", R(m.EVENT_TARGET, "t", {"deadLetterConfig": UNKNOWN})),
    ]


def alarms() -> list[Case]:
    machine = R(STATE_MACHINE, "machine", {"name": "pipeline"})
    other = R(STATE_MACHINE, "other", {"name": "other"})

    def alarm(target: Any, metric: str = "ExecutionsFailed", namespace: Any = "AWS/States") -> R:
        return R(
            o.METRIC_ALARM,
            "alarm",
            {"namespace": namespace, "metricName": metric, "dimensions": {"StateMachineArn": target}},
        )

    query = {
        "metric": {
            "namespace": "AWS/States",
            "metricName": "ExecutionsTimedOut",
            "dimensions": {"StateMachineArn": machine.ref("arn")},
        }
    }
    return [
        good("ALM-02", "watched", machine, alarm(machine.ref("arn"))),
        good("ALM-02", "watched by its id", machine, alarm(machine.ref("id"))),
        good(
            "ALM-02",
            "by an ARN written out",
            R(STATE_MACHINE, "m", {"name": "pipeline"}, {"arn": "arn:aws:states:eu-west-1:1:stateMachine:pipeline"}),
            alarm("arn:aws:states:eu-west-1:1:stateMachine:pipeline"),
        ),
        good(
            "ALM-02",
            "by a calculation",
            machine,
            R(o.METRIC_ALARM, "a", {"metricQueries": [{"expression": "m1+1"}, query]}),
        ),
        bad("ALM-02", "not watched", machine),
        bad("ALM-02", "another machine", machine, other, alarm(other.ref("arn")), says=["machine"]),
        bad("ALM-02", "success", machine, alarm(machine.ref("arn"), "ExecutionsSucceeded")),
        bad("ALM-02", "another namespace", machine, alarm(machine.ref("arn"), namespace="AWS/Lambda")),
        bad(
            "ALM-02",
            "without dimensions",
            machine,
            R(o.METRIC_ALARM, "a", {"namespace": "AWS/States", "metricName": "ExecutionsFailed"}),
        ),
        open_question("ALM-02", "an unknown machine", machine, alarm(UNKNOWN)),
        open_question("ALM-02", "an unknown metric", machine, alarm(machine.ref("arn"), namespace=UNKNOWN)),
        good("ALM-01", "told", R(o.METRIC_ALARM, "a", {"alarmActions": ["arn"]})),
        good("ALM-01", "told through a topic not known yet", R(o.METRIC_ALARM, "a", {"alarmActions": [UNKNOWN]})),
        *(
            bad("ALM-01", f"{actions!r}", R(o.METRIC_ALARM, "a", {"alarmActions": actions}))
            for actions in ([], None, [""], [None])
        ),
        bad("ALM-01", "switched off", R(o.METRIC_ALARM, "a", {"alarmActions": ["arn"], "actionsEnabled": False})),
        bad("ALM-01", "a composite alarm", R(o.COMPOSITE_ALARM, "a", {"alarmRule": "x"})),
        open_question("ALM-01", "not known yet", R(o.METRIC_ALARM, "a", {"alarmActions": UNKNOWN})),
    ]


def trails() -> list[Case]:
    fine = {"kmsKeyId": KEY, "enableLogFileValidation": True, "isMultiRegionTrail": True}

    def fields(**equal: str) -> dict[str, Any]:
        return {"fieldSelectors": [{"field": name, "equals": [value]} for name, value in equal.items()]}

    def trail(**change: Any) -> R:
        return R(o.TRAIL, "t", {**fine, **change})

    return [
        good("TRL-01", "complete", trail()),
        good("TRL-01", "complete, and said to log", trail(enableLogging=True)),
        *(bad("TRL-01", f"without {name}", trail(**{name: None}), says=[name]) for name in fine),
        bad("TRL-01", "the key that AWS manages", trail(kmsKeyId="alias/aws/cloudtrail")),
        bad("TRL-01", "one region", trail(isMultiRegionTrail=False)),
        bad("TRL-01", "switched off", trail(enableLogging=False)),
        open_question("TRL-01", "not known yet", trail(enableLogFileValidation=UNKNOWN, kmsKeyId=UNKNOWN)),
        bad("TRL-01", "not what happens in IAM", trail(includeGlobalServiceEvents=False)),
        bad("TRL-01", "writes only", trail(eventSelectors=[{"readWriteType": "WriteOnly"}])),
        bad("TRL-01", "data only", trail(eventSelectors=[{"includeManagementEvents": False}])),
        good("TRL-01", "data apart", trail(eventSelectors=[{"includeManagementEvents": False}, {}])),
        bad("TRL-01", "but for keys", trail(eventSelectors=[{"excludeManagementEventSources": ["kms.amazonaws.com"]}])),
        open_question("TRL-01", "events not known yet", trail(eventSelectors=[{"readWriteType": UNKNOWN}])),
        bad("TRL-01", "data only, by fields", trail(advancedEventSelectors=[fields(eventCategory="Data")])),
        bad(
            "TRL-01", "reads only", trail(advancedEventSelectors=[fields(eventCategory="Management", readOnly="true")])
        ),
        good(
            "TRL-01",
            "reads and writes apart, and data",
            trail(
                advancedEventSelectors=[
                    fields(eventCategory="Management", readOnly="true"),
                    fields(eventCategory="Management", readOnly="false"),
                    fields(eventCategory="Data"),
                ]
            ),
        ),
        good("TRL-01", "fields not known yet", trail(advancedEventSelectors=[{"fieldSelectors": UNKNOWN}])),
        good("TRL-02", "heard", trail(cloudWatchLogsGroupArn=UNKNOWN)),
        bad("TRL-02", "in a bucket only", trail()),
        *watchers(),
    ]


def watchers() -> list[Case]:
    detector, recorder = o._DETECTORS  # pyright: ignore[reportPrivateUsage]
    store = o._EVENT_STORE  # pyright: ignore[reportPrivateUsage]
    feature, watched = o._DETECTOR_FEATURE, o._RECORDER  # pyright: ignore[reportPrivateUsage]
    some = {"allSupported": False, "recordingStrategy": {"useOnly": "EXCLUSION_BY_RESOURCE_TYPES"}}
    return [
        bad("TRL-03", "a store that is suspended", R(store, "x", {"suspend": True})),
        good("TRL-03", "a part of a detector", R(feature, "x", {"status": "ENABLED"})),
        bad("TRL-03", "a part of a detector that is off", R(feature, "x", {"status": "DISABLED"})),
        open_question("TRL-03", "a part of a detector not known yet", R(feature, "x", {"status": UNKNOWN})),
        good("TRL-03", "everything is recorded", R(watched, "x", {})),
        good("TRL-03", "all but a few is recorded", R(watched, "x", {"recordingGroup": some})),
        bad("TRL-03", "little is recorded", R(watched, "x", {"recordingGroup": {"allSupported": False}})),
        good("TRL-03", "a detector", R(detector, "x", {})),
        bad("TRL-03", "a detector that is off", R(detector, "x", {"enable": False})),
        good("TRL-03", "a recorder", R(recorder, "x", {"isEnabled": True})),
        bad("TRL-03", "a recorder that is off", R(recorder, "x", {"isEnabled": False})),
        open_question("TRL-03", "a recorder not known yet", R(recorder, "x", {"isEnabled": UNKNOWN})),
        good("TRL-03", "a store", R(store, "x", {})),
        bad("TRL-03", "a store that a slip ends", R(store, "x", {"terminationProtectionEnabled": False})),
    ]


def subscription(**inputs: Any) -> R:
    return R(m.TOPIC_SUBSCRIPTION, "s", inputs)


def group(**inputs: Any) -> R:
    return R(o.LOG_GROUP, "g", inputs)


CASES = [
    *keys("SNS-01", m.TOPIC, "kmsMasterKeyId", "sns"),
    *keys("SQS-01", m.QUEUE, "kmsMasterKeyId", "sqs"),
    *keys("LOG-01", o.LOG_GROUP, "kmsKeyId", "logs"),
    bad("SQS-01", "SQS's own keys", R(m.QUEUE, "q", {"sqsManagedSseEnabled": True})),
    bad("SQS-01", "no keys at all", R(m.QUEUE, "q", {"sqsManagedSseEnabled": False}), says=["not encrypted at all"]),
    good("SQS-01", "a key beside the switch", R(m.QUEUE, "q", {"sqsManagedSseEnabled": False, "kmsMasterKeyId": KEY})),
    *policies("SNS-02", m.TOPIC, m.TOPIC_POLICY),
    *policies("SQS-02", m.QUEUE, m.QUEUE_POLICY),
    good("SNS-03", "https", subscription(protocol="https", endpoint="https://example.com")),
    good("SNS-03", "e-mail", subscription(protocol="email", endpoint="a@example.com")),
    bad("SNS-03", "http", subscription(protocol="http", endpoint="http://example.com")),
    bad("SNS-03", "an address in clear text", subscription(protocol="https", endpoint="HTTP://example.com")),
    open_question("SNS-03", "not known yet", subscription(protocol=UNKNOWN, endpoint="x")),
    *sqs_03(),
    *sqs_04(),
    *sns_04(),
    *evb(),
    *alarms(),
    *trails(),
    good("LOG-02", "kept a while", group(retentionInDays=90)),
    *(bad("LOG-02", f"{days!r}", group(retentionInDays=days)) for days in (0, None, "0", "x", [])),
    bad("LOG-02", "kept too short", group(retentionInDays=30), config={"minimumDays": 365}, says=["365"]),
    open_question("LOG-02", "not known yet", group(retentionInDays=UNKNOWN)),
]


@parametrize(CASES)
def test_messaging(case: Case, known: bool) -> None:
    check(case, known)


@pytest.mark.parametrize("name", [rule.id for family in (m.family, o.family) for rule in family.rules])
def test_every_rule_has_cases_that_break_it_and_that_do_not(name: str) -> None:
    assert {"broken", "fine"} <= {case.up for case in CASES if case.rule == name}

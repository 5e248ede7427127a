"""Topics: encrypted, open to exactly the pipeline's publishers, and read by the people who were named."""

from __future__ import annotations

import json
from typing import Any

import pulumi_aws as aws
import pytest
from pydantic import ValidationError

from components.notifications import NotificationTopics, NotificationTopicsArgs, critical_topic_policy
from settings import MonitoringSettings, SubscriptionSettings
from tests.unit.harness import ENVIRONMENT, Deployment, deploy

MESSAGES_KEY = ENVIRONMENT.arn("kms", "key/messages")
CRITICAL = ENVIRONMENT.arn("sns", "emr-pipeline-test-critical")
WARNING = ENVIRONMENT.arn("sns", "emr-pipeline-test-warning")


def topics(*emails: str) -> NotificationTopics:
    return NotificationTopics(
        "topics", NotificationTopicsArgs(MonitoringSettings(emails=emails), ENVIRONMENT, MESSAGES_KEY)
    )


@pytest.fixture(scope="module")
def deployed() -> Deployment:
    return deploy(lambda: topics("team@example.com", "lead@example.com"))


def statements(policy: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["Sid"]: entry for entry in policy["Statement"]}


def test_topics_and_queue_are_encrypted_with_the_messages_key(deployed: Deployment):
    for registered in [*deployed.all(aws.sns.Topic), *deployed.all(aws.sqs.Queue)]:
        assert registered.inputs["kmsMasterKeyId"] == MESSAGES_KEY, "alarms cannot use AWS's own key"


def test_names_are_the_stack_s(deployed: Deployment):
    names = [registered.inputs["name"] for registered in deployed.all(aws.sns.Topic)]
    assert names == ["emr-pipeline-test-critical", "emr-pipeline-test-success", "emr-pipeline-test-warning"]


@pytest.mark.parametrize("name", ["topics-success-policy", "topics-warning-policy", "topics-critical-policy"])
def test_nobody_publishes_in_plain_text(deployed: Deployment, name: str):
    refusal = statements(deployed.named(name).document("policy"))["RefusePlainText"]
    assert (refusal["Effect"], refusal["Principal"]) == ("Deny", "*")
    assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_success_topic_admits_nobody_by_its_own_policy(deployed: Deployment):
    found = deployed.named("topics-success-policy").document("policy")["Statement"]
    assert [entry["Effect"] for entry in found] == ["Deny"], "executions publish by their role's policy"


def test_the_critical_topic_admits_this_stack_s_alarms_and_its_event_rules(deployed: Deployment):
    found = statements(deployed.named("topics-critical-policy").document("policy"))
    assert set(found) == {"Alarms", "EventRules", "RefusePlainText"}
    assert found["Alarms"]["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert found["Alarms"]["Condition"] == {
        "ArnLike": {"aws:SourceArn": ENVIRONMENT.arn("cloudwatch", "alarm:emr-pipeline-test-*")},
        "StringEquals": {"aws:SourceAccount": ENVIRONMENT.account_id},
    }
    assert found["EventRules"]["Principal"] == {"Service": "events.amazonaws.com"}
    assert found["EventRules"]["Condition"]["ArnEquals"]["aws:SourceArn"] == [
        ENVIRONMENT.arn("events", "rule/emr-pipeline-test-cluster-ended"),
        ENVIRONMENT.arn("events", "rule/emr-pipeline-test-key-endangered"),
    ]


def test_the_warning_topic_admits_this_stack_s_alarms_only(deployed: Deployment):
    found = statements(deployed.named("topics-warning-policy").document("policy"))
    assert set(found) == {"Alarms", "RefusePlainText"}, "event rules tell what is critical"


def test_policies_speak_of_their_own_topic_only():
    resources = {entry["Resource"] for entry in critical_topic_policy(ENVIRONMENT, CRITICAL)["Statement"]}
    assert resources == {CRITICAL}


def test_events_that_could_not_be_told_wait_two_weeks_where_only_rules_and_topics_put_them(deployed: Deployment):
    queue = deployed.one(aws.sqs.Queue)
    assert queue.inputs["messageRetentionSeconds"] == 14 * 24 * 3600
    found = statements(deployed.one(aws.sqs.QueuePolicy).document("policy"))
    assert set(found) == {"EventRules", "RefusePlainText", "Topics"}
    assert found["EventRules"]["Action"] == found["Topics"]["Action"] == "sqs:SendMessage"
    assert found["Topics"]["Condition"]["ArnEquals"]["aws:SourceArn"] == [
        ENVIRONMENT.arn("sns", f"emr-pipeline-test-{topic}") for topic in ("success", "warning", "critical")
    ]


def test_every_address_is_subscribed_to_warnings_and_to_what_is_critical(deployed: Deployment):
    found = deployed.all(aws.sns.TopicSubscription)
    assert {entry.inputs["endpoint"] for entry in found} == {"team@example.com", "lead@example.com"}
    assert {entry.inputs["protocol"] for entry in found} == {"email"}
    assert sorted((entry.inputs["topic"], entry.inputs["endpoint"]) for entry in found) == [
        (topic, address) for topic in (CRITICAL, WARNING) for address in ("lead@example.com", "team@example.com")
    ]


def test_an_address_keeps_its_subscription_when_another_is_removed():
    before = {
        entry.name for entry in deploy(lambda: topics("a@example.com", "b@example.com")).all(aws.sns.TopicSubscription)
    }
    after = {entry.name for entry in deploy(lambda: topics("b@example.com")).all(aws.sns.TopicSubscription)}
    assert after < before, "else the remaining address would have to confirm again"


def test_without_addresses_nobody_is_subscribed():
    assert deploy(topics).all(aws.sns.TopicSubscription) == []


def test_who_uses_the_critical_topic_waits_until_it_admits_its_publishers():
    def program() -> None:
        made = topics()
        aws.ssm.Parameter("user", type="String", value=made.critical_topic_arn)

    waits = deploy(program).named("user").depends_on
    assert {"topics-critical", "topics-critical-policy", "topics-undelivered-policy"} <= waits


def test_outputs_are_the_topics_arns(deployed: Deployment):
    assert deployed.value(deployed.result.critical_topic_arn) == CRITICAL
    assert deployed.outputs("topics")["successTopicArn"] == ENVIRONMENT.arn("sns", "emr-pipeline-test-success")


def test_policies_fit_in_what_sns_stores(deployed: Deployment):
    assert len(json.dumps(critical_topic_policy(ENVIRONMENT, CRITICAL))) < 30 * 1024


def test_a_budget_may_publish_where_there_is_one():
    settings = MonitoringSettings(monthly_budget_usd=100)
    program = NotificationTopicsArgs(settings, ENVIRONMENT, MESSAGES_KEY)
    deployed = deploy(lambda: NotificationTopics("topics", program))
    for name in ("topics-warning-policy", "topics-critical-policy"):
        budgets = statements(deployed.named(name).document("policy"))["Budgets"]
        assert budgets["Principal"] == {"Service": "budgets.amazonaws.com"}
        assert budgets["Condition"] == {
            "ArnLike": {"aws:SourceArn": ENVIRONMENT.global_arn("budgets", "*")},
            "StringEquals": {"aws:SourceAccount": ENVIRONMENT.account_id},
        }
    assert set(statements(deployed.named("topics-success-policy").document("policy"))) == {"RefusePlainText"}


QUEUE = "arn:aws:sqs:eu-west-1:111122223333:chat"


def test_urls_and_queues_subscribe_to_what_they_name_and_lose_nothing():
    settings = MonitoringSettings.model_validate(
        {
            "subscriptions": [
                {"protocol": "https", "endpoint": "https://events.example.com/sns"},
                {"protocol": "sqs", "endpoint": QUEUE, "topics": ["success"]},
                {"protocol": "email", "endpoint": "channel@example.slack.com", "topics": ["critical"]},
            ]
        }
    )
    program = NotificationTopicsArgs(settings, ENVIRONMENT, MESSAGES_KEY)
    found = deploy(lambda: NotificationTopics("topics", program)).all(aws.sns.TopicSubscription)
    assert sorted((entry.inputs["protocol"], entry.inputs["topic"].rsplit("-", 1)[1]) for entry in found) == [
        ("email", "critical"),
        ("https", "critical"),
        ("https", "warning"),
        ("sqs", "success"),
    ]
    for entry in found:
        kept = entry.inputs.get("redrivePolicy")
        assert (kept is None) == (entry.inputs["protocol"] == "email"), "what is not delivered waits in a queue"
        if kept is not None:
            assert "undelivered" in json.loads(kept)["deadLetterTargetArn"]


@pytest.mark.parametrize(
    ("protocol", "endpoint", "form"),
    [
        ("https", "http://events.example.com", "https://"),
        ("sqs", "chat", "the ARN of a queue"),
        ("email", "nobody", "an e-mail address"),
    ],
)
def test_an_endpoint_of_another_form_is_named(protocol: str, endpoint: str, form: str):
    with pytest.raises(ValidationError, match=form):
        SubscriptionSettings.model_validate({"protocol": protocol, "endpoint": endpoint})

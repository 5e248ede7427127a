"""Keys as they are registered, and who their policies let use them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pulumi_aws as aws
import pytest

from components.encryption import EncryptionKeys, EncryptionKeysArgs
from components.key_policies import Partners, Purpose, key_policy
from settings import ConfigurationError, EncryptionSettings
from tests.unit.harness import ENVIRONMENT, Deployment, deploy

PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
CHINA = replace(ENVIRONMENT, partition="aws-cn", dns_suffix="amazonaws.com.cn", region="cn-north-1")
ACCOUNT = "arn:aws:iam::111122223333:root"


def statements(purpose: Purpose, **more: Any) -> dict[str, dict[str, Any]]:
    return {entry["Sid"]: entry for entry in key_policy(purpose, ENVIRONMENT, **more)["Statement"]}


def services(purpose: Purpose) -> set[str]:
    found: set[str] = set()
    for entry in statements(purpose).values():
        named = [] if entry["Principal"] == "*" else entry["Principal"].get("Service", [])
        found |= {named} if isinstance(named, str) else set(named)
    return found


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_key_delegates_to_the_account(purpose: Purpose):
    account = statements(purpose)["Account"]
    assert account["Principal"] == {"AWS": ACCOUNT}, "without it no IAM policy counts, and the key can be locked out"
    assert account["Action"] == "kms:*"
    assert "Condition" not in account


@pytest.mark.parametrize(
    ("purpose", "expected"),
    [
        ("data", {"delivery.logs.amazonaws.com"}),
        ("logs", {"logs.eu-west-1.amazonaws.com"}),
        (
            "messages",
            {
                "budgets.amazonaws.com",
                "cloudwatch.amazonaws.com",
                "events.amazonaws.com",
                "sns.amazonaws.com",
            },
        ),
        ("secrets", set()),
    ],
)
def test_a_key_names_the_services_that_use_it_without_a_role_of_ours_and_no_others(
    purpose: Purpose, expected: set[str]
):
    assert services(purpose) == expected


@pytest.mark.parametrize("purpose", PURPOSES)
def test_no_key_names_a_role_of_ours(purpose: Purpose):
    allows = [entry["Principal"] for entry in statements(purpose).values() if entry["Effect"] == "Allow"]
    principals = [principal["AWS"] for principal in allows if "AWS" in principal]
    assert principals == [ACCOUNT], "a role in a key policy waits for the key and the key for it: a circle"


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_service_is_bound_to_this_account(purpose: Purpose):
    for sid, entry in statements(purpose).items():
        if "Service" in entry["Principal"]:
            assert ENVIRONMENT.account_id in str(entry["Condition"]), (
                f"{sid}: other accounts' resources could use the key"
            )
            assert entry["Effect"] == "Allow"
            assert "kms:CreateGrant" not in entry["Action"], f"{sid}: a service that makes grants hands the key on"


def test_cloudwatch_logs_uses_the_key_only_for_log_groups_of_this_account_and_region():
    condition = statements("logs")["LogGroups"]["Condition"]
    assert condition == {
        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:eu-west-1:111122223333:log-group:*"}
    }


def test_logs_of_encrypted_executions_are_delivered_through_the_key_that_encrypts_executions():
    entry = statements("data")["ExecutionLogDelivery"]
    assert entry["Action"] == "kms:Decrypt", "delivery reads what Step Functions encrypted, and writes nothing under it"
    assert entry["Condition"] == {
        "StringEquals": {"kms:EncryptionContext:SourceArn": "arn:aws:logs:eu-west-1:111122223333:*"}
    }, "the context's value ends in a literal asterisk"


TOPICS = {"kms:EncryptionContext:aws:sns:topicArn": "arn:aws:sns:eu-west-1:111122223333:*"}
QUEUES = {"kms:EncryptionContext:aws:sqs:arn": "arn:aws:sqs:eu-west-1:111122223333:*"}


@pytest.mark.parametrize(
    ("sid", "service", "condition"),
    [
        (
            "AlarmsToTopics",
            "cloudwatch",
            {
                "StringEquals": {"aws:SourceAccount": "111122223333"},
                "ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:*", **TOPICS},
            },
        ),
        ("EventsToTopics", "events", {"ArnLike": TOPICS}),
        ("EventsToQueues", "events", {"ArnLike": QUEUES}),
        ("TopicsToQueues", "sns", {"ArnLike": QUEUES}),
    ],
)
def test_publishers_make_data_keys_for_topics_and_queues_of_this_account_only(
    sid: str, service: str, condition: dict[str, Any]
):
    entry = statements("messages")[sid]
    assert entry["Principal"] == {"Service": f"{service}.amazonaws.com"}
    assert entry["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert entry["Condition"] == condition


def test_event_rules_are_not_bound_by_their_source_which_they_do_not_carry():
    for sid in ("EventsToTopics", "EventsToQueues"):
        assert "aws:Source" not in str(statements("messages")[sid]), (
            "SNS documents that EventBridge carries no source to an encrypted topic: messages would vanish"
        )


@pytest.mark.parametrize("purpose", PURPOSES)
def test_nobody_hands_a_key_on_by_a_grant_but_aws_services_for_themselves(purpose: Purpose):
    entry = statements(purpose)["DenyGrantsToPeople"]
    assert (entry["Effect"], entry["Principal"], entry["Action"]) == ("Deny", "*", "kms:CreateGrant")
    assert entry["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "false"}}, (
        "volumes of nodes and functions' environments need grants, people do not"
    )


def test_secrets_are_opened_by_secrets_manager_and_nothing_else():
    entry = statements("secrets")["DenyAllButSecretsManager"]
    assert (entry["Effect"], entry["Principal"]) == ("Deny", "*")
    assert {"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*"} <= set(entry["Action"])
    assert entry["Condition"] == {"StringNotEquals": {"kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com"}}, (
        "a negated operator holds for direct calls too, which carry no such key"
    )


PARTNER_ACCOUNT, PARTNER_ROLE = "444455556666", "arn:aws:iam::777788889999:role/analysts/reader"
RAW, PROCESSED = (
    f"arn:aws:s3:::emr-pipeline-test-{purpose}-111122223333-eu-west-1" for purpose in ("raw", "processed")
)


def test_partners_use_the_data_key_for_one_bucket_through_s3_only():
    found = statements("data", partners=Partners(producers=(PARTNER_ACCOUNT,), consumers=(PARTNER_ROLE,)))
    producers, consumers = found["Producers"], found["Consumers"]
    assert producers["Principal"] == {"AWS": [f"arn:aws:iam::{PARTNER_ACCOUNT}:root"]}
    assert producers["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"], "uploads in parts are decrypted to be joined"
    assert consumers["Principal"] == {"AWS": [PARTNER_ROLE]}
    assert consumers["Action"] == "kms:Decrypt", "who reads makes no data keys"
    for entry, bucket in ((producers, RAW), (consumers, PROCESSED)):
        assert entry["Condition"] == {
            "StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"},
            "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/*"]},
        }, "with a bucket key the context is the bucket, without one the object"


@pytest.mark.parametrize("purpose", PURPOSES)
def test_partners_are_in_no_key_unless_configured_and_in_no_other_than_datas(purpose: Purpose):
    assert not {"Producers", "Consumers"} & set(statements(purpose)), "nobody outside has the use of a key by default"
    if purpose != "data":
        partners = Partners(producers=(PARTNER_ACCOUNT,), consumers=(PARTNER_ROLE,))
        assert statements(purpose, partners=partners) == statements(purpose)


def test_a_partner_of_another_partition_is_refused_by_name():
    partners = Partners(consumers=("arn:aws-cn:iam::777788889999:role/reader",))
    with pytest.raises(ConfigurationError, match="of partition aws-cn: this stack is in aws"):
        key_policy("data", ENVIRONMENT, partners=partners)


def test_the_principal_of_cloudwatch_logs_follows_the_partition():
    entries = {entry["Sid"]: entry for entry in key_policy("logs", CHINA)["Statement"]}
    assert entries["LogGroups"]["Principal"] == {"Service": "logs.cn-north-1.amazonaws.com.cn"}
    assert entries["Account"]["Principal"] == {"AWS": "arn:aws-cn:iam::111122223333:root"}


@pytest.mark.parametrize("purpose", PURPOSES)
def test_administrators_manage_keys_and_cannot_use_them(purpose: Purpose):
    assert "Administrators" not in statements(purpose), "nobody is named unless the settings name somebody"
    roles = ("arn:aws:iam::111122223333:role/b", "arn:aws:iam::111122223333:role/a")
    entry = statements(purpose, administrators=roles)["Administrators"]
    assert entry["Principal"] == {"AWS": sorted(roles)}, "an order of its own would show as a difference"
    use = {
        "kms:Encrypt",
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
        "kms:CreateGrant",
    }
    assert not use & set(entry["Action"]), "who may administer a key may not read data with it"
    assert not [action for action in entry["Action"] if "*" in action], "every action is named"
    assert {"kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion"} <= set(entry["Action"])


def keys(settings: EncryptionSettings | None = None, **more: Any) -> Deployment:
    arguments = EncryptionKeysArgs(settings=settings or EncryptionSettings(), environment=ENVIRONMENT, **more)
    return deploy(lambda: EncryptionKeys("keys", arguments))


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_purpose_has_a_rotating_key_with_an_alias(purpose: Purpose):
    deployment = keys(EncryptionSettings(deletion_window_days=14, rotation_period_days=180))
    key = deployment.named(f"keys-{purpose}")
    assert key.inputs["enableKeyRotation"] is True
    assert key.inputs["rotationPeriodInDays"] == 180
    assert key.inputs["deletionWindowInDays"] == 14
    assert key.document("policy") == key_policy(purpose, ENVIRONMENT)
    assert "bypassPolicyLockoutSafetyCheck" not in key.inputs, "the check keeps a key from locking everybody out"
    alias = deployment.named(f"keys-{purpose}-alias").inputs
    assert alias == {"name": f"alias/emr-pipeline-test-{purpose}", "targetKeyId": key.state["keyId"]}


def test_the_settings_administrators_reach_every_key():
    role = "arn:aws:iam::111122223333:role/key-administrator"
    for key in keys(EncryptionSettings(administrators=(role,))).all(aws.kms.Key):
        assert role in key.inputs["policy"], f"{key.name} lacks the administrator"


def test_the_stacks_partners_reach_the_data_key():
    deployment = keys(partners=Partners(producers=(PARTNER_ACCOUNT,)))
    assert PARTNER_ACCOUNT in deployment.named("keys-data").inputs["policy"]
    for purpose in ("logs", "messages", "secrets"):
        assert PARTNER_ACCOUNT not in deployment.named(f"keys-{purpose}").inputs["policy"], f"{purpose} is not theirs"


@pytest.mark.parametrize("protect", [False, True])
def test_keys_are_protected_where_what_they_encrypt_must_stay(protect: bool):
    assert {entry.protect for entry in keys(protect=protect).resources} == {protect}, "aliases too"


def test_the_arns_are_the_components_outputs():
    deployment = keys()
    assert deployment.outputs("keys") == {
        f"{purpose}KeyArn": deployment.named(f"keys-{purpose}").state["arn"] for purpose in PURPOSES
    }
    for purpose in PURPOSES:
        arn = deployment.value(getattr(deployment.result, f"{purpose}_key_arn"))
        assert arn == deployment.named(f"keys-{purpose}").state["arn"]

"""What EMR says of a release in a region: asked only when the settings want it, and a contradiction told by its key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from components.emr_online import Offer, mistakes
from components.emr_release import releases
from settings import ClusterSettings, ConfigurationError
from tests.unit.harness import Answer
from tests.unit.test_cluster import deploy_cluster

SETTINGS = ClusterSettings(check_online=True)
RELEASE = releases()["emr-6.9.0"]
GOOD = Offer(
    labels=("emr-6.15.0", "emr-6.9.0"),
    brings=dict.fromkeys(SETTINGS.applications, True),
    instance_types=frozenset({"m5.xlarge", "m5.2xlarge"}),
)


def told(offer: Offer, settings: ClusterSettings = SETTINGS) -> list[str]:
    return mistakes(settings, RELEASE, offer, "emr-pipeline", "eu-west-1")


def test_a_cluster_that_emr_offers_is_made() -> None:
    assert told(GOOD) == []


def test_a_release_that_the_region_lacks_is_refused_with_those_that_it_has() -> None:
    assert told(replace(GOOD, labels=("emr-6.15.0",), instance_types=frozenset())) == [
        "emr-pipeline:cluster.release is emr-6.9.0: EMR does not offer it in eu-west-1; it offers emr-6.15.0"
    ], "nothing else is worth saying of it"


def test_a_version_that_is_not_the_tables_is_told_by_its_application() -> None:
    (line,) = told(replace(GOOD, brings={**GOOD.brings, "Presto": False}))
    assert line.startswith("emr-pipeline:cluster.applications holds Presto: emr-6.9.0 brings 0.276-amzn-0 by the table")
    assert "Presto@0.276" in line, "the very question"


def test_each_group_whose_type_the_release_does_not_run_on_is_told() -> None:
    settings = SETTINGS.model_copy(update={"core": SETTINGS.core.model_copy(update={"instance_type": "m5.4xlarge"})})
    assert told(GOOD, settings) == [
        "emr-pipeline:cluster.core.instanceType is m5.4xlarge: emr-6.9.0 does not run on it in eu-west-1; alike are "
        "m5.xlarge, m5.2xlarge"
    ]
    no_task = settings.model_validate(
        {"task": {"instanceType": "x9.xlarge", "instanceCount": 0}, "core": {"instanceType": "m5.xlarge"}}
    )
    assert told(GOOD, no_task) == [], "a group that is never made runs on nothing"


LABELS, TYPES = (
    "aws:emr/getReleaseLabels:getReleaseLabels",
    "aws:emr/getSupportedInstanceTypes:getSupportedInstanceTypes",
)


def answers(kind: str = "m5.xlarge") -> dict[str, Answer]:
    def labels(given: dict[str, Any]) -> dict[str, Any]:
        return {"id": "x", "region": "eu-west-1", "releaseLabels": ["emr-6.9.0"], **given}

    def types(given: dict[str, Any]) -> dict[str, Any]:
        return {"id": "x", "region": "eu-west-1", "supportedInstanceTypes": [{"type": kind}], **given}

    return {LABELS: labels, TYPES: types}


def test_emr_is_asked_for_release_versions_and_types_only_when_the_settings_say_so() -> None:
    asked = deploy_cluster(SETTINGS, calls=answers())
    filters = [given["filters"] for token, given in asked.calls if token == LABELS]
    assert {"prefix": "emr-6."} in filters
    assert {"prefix": "emr-6.", "application": "Spark@3.3.0"} in filters, "EMR's filter knows no builds"
    assert len(filters) == 1 + len(SETTINGS.applications)
    assert [given for token, given in asked.calls if token == TYPES] == [{"releaseLabel": "emr-6.9.0"}]
    assert asked.outputs("cluster")["versionsCheckedOnline"] is True
    silent = deploy_cluster(calls=answers())
    assert not {LABELS, TYPES} & {token for token, _ in silent.calls}, "a preview without an account asks nothing"


def test_a_type_that_emr_does_not_offer_stops_the_program() -> None:
    with pytest.raises(ConfigurationError, match=r"cluster\.primary\.instanceType is m5\.xlarge: emr-6\.9\.0 does not"):
        deploy_cluster(SETTINGS, calls=answers("m6g.xlarge"))


def test_a_question_that_is_refused_says_what_to_allow() -> None:
    def refused(_: dict[str, Any]) -> dict[str, Any]:
        raise PermissionError("AccessDeniedException")

    with pytest.raises(ConfigurationError) as refusal:
        deploy_cluster(SETTINGS, calls={**answers(), TYPES: refused})
    assert "cluster.checkOnline is true" in str(refusal.value)
    assert "AccessDeniedException" in str(refusal.value)
    assert "elasticmapreduce:ListSupportedInstanceTypes" in str(refusal.value)

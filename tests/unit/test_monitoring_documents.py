"""The runbook has an entry for everything that rings; the page's costs are counted from what the program deploys."""

from __future__ import annotations

import re

import pulumi_aws as aws
import pytest

from tests.policies import program
from tests.unit.test_alarm_proofs import definitions
from tools import monitoring_documents

RUNBOOK = monitoring_documents.runbook()
ENTRIES = set(re.findall(r"^### (\S+)$", RUNBOOK, flags=re.M))


def test_every_alarm_that_is_deployed_links_to_its_entry():
    for name, definition in definitions().items():
        link = re.search(r"^Runbook: \S+#(\S+)$", definition["AlarmDescription"], flags=re.M)
        assert link, f"{name} has no link"
        assert link.group(1) in ENTRIES, f"{name} links to an entry that is not there"


def test_every_entry_says_cause_resolution_and_commands():
    for text in RUNBOOK.split("\n### ")[1:]:
        kind = text.split("\n", 1)[0]
        if kind == "pipeline-unhealthy":
            continue
        for part in ("Likely cause: ", "What to do: ", "```sh\n"):
            assert part in text, f"the entry of {kind} lacks {part!r}"


def test_variables_of_the_commands_are_set_at_the_top():
    head, _, body = RUNBOOK.partition("## All at once")
    used = set(re.findall(r"\$([A-Z_]+)", body))
    assert used, "commands use variables"
    for name in used:
        assert f"{name}=" in head, f"${name} is used and never set"


@pytest.mark.parametrize("stack", monitoring_documents.STACKS)
def test_costs_are_those_of_what_is_deployed(stack: str):
    deployment = program._run(stack, False)  # pyright: ignore[reportPrivateUsage]
    alarms = deployment.all(aws.cloudwatch.MetricAlarm)
    housekeeping = any(entry.name == "alarms-housekeeping-silent" for entry in alarms)
    metrics = 0
    for entry in alarms:
        queries = [query for query in entry.inputs.get("metricQueries", []) if "metric" in query]
        metrics += 3 if "thresholdMetricId" in entry.inputs else len(queries) or 1
    counted = monitoring_documents.costs(stack, housekeeping=housekeeping)
    assert counted["metrics watched by alarms"][0] == metrics
    assert counted["composite alarms"][0] == len(deployment.all(aws.cloudwatch.CompositeAlarm))
    assert counted["dashboards"][0] == len(deployment.all(aws.cloudwatch.Dashboard))

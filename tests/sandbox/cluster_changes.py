"""Changes of the cluster's settings, and what the engine does for each: every entry of the table in `docs/cluster.md`.

`test_cluster_life.py` makes them, many at once: each shows in a property of its own, and what shows beside them is a
failure. `tests/unit/test_cluster_changes.py` holds them against the page and the settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

CLUSTER, TASK, FIXED_TASK = "cluster-emr", "cluster-task", "cluster-task-fixed"
SECURITY, MANAGED = "cluster-security", "cluster-managed-scaling"
POLICY = "coreInstanceGroup.autoscalingPolicy"

NODES = {"instanceType": "m5.xlarge"}
SETTINGS: dict[str, Any] = {
    "terminationProtection": False,
    "core": {**NODES, "instanceCount": 2, "scaling": {"minimum": 2, "maximum": 4}},
    "task": {**NODES, "instanceCount": 1, "scaling": {"minimum": 0, "maximum": 4}},
}
"""What all begins with."""

PASSWORDS = ("life/kdc", "life/trust")
"""Secrets that the settings of another KDC name."""


@dataclass(frozen=True)
class Change:
    """A change of one setting."""

    entry: str
    """Its entry in the page's table, without backticks."""
    change: Mapping[str, Any]
    """Merged into the settings; None takes a key away."""
    shows: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the engine does for it, by resource: create or delete; update or replace and the properties, where one of a
    JSON document has its place in it behind a colon."""


@dataclass(frozen=True)
class Update:
    """Changes that are made at once."""

    changes: Sequence[Change]
    beside: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the settings want with them, and what shows nothing."""
    follows: Mapping[str, str] = field(default_factory=dict[str, str])
    """What belongs to the cluster and goes with it to another one."""
    done: bool = True
    """Whether it is really made, or only previewed and then forgotten."""

    def after(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings after all of it."""
        whole = dict(settings)
        for change in (*(change.change for change in self.changes), self.beside):
            whole = merged(whole, change)
        return whole

    @property
    def shows(self) -> dict[str, str]:
        """What the engine does for all of it."""
        whole: dict[str, dict[str, set[str]]] = {}
        for shows in (*(change.shows for change in self.changes), self.follows):
            for resource, operation in shows.items():
                word, *properties = operation.split()
                whole.setdefault(resource, {}).setdefault(word, set()).update(properties)
        return {resource: operations(found) for resource, found in whole.items()}


def operations(found: Mapping[str, Iterable[str]]) -> str:
    """One operation of several on a resource: a replacement makes the updates too. Marks what forces it."""
    if "replace" not in found:
        (word,) = found
        return " ".join([word, *sorted(found[word])])
    forced = (f"{name}!" for name in found["replace"])
    return " ".join(["replace", *sorted([*forced, *found.get("update", ())])])


def merged(settings: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Settings after a change."""
    whole = dict(settings)
    for key, value in change.items():
        before = whole.get(key)
        if value is None:
            whole.pop(key, None)
        elif isinstance(value, dict) and isinstance(before, dict):
            whole[key] = merged(cast(dict[str, Any], before), cast(dict[str, Any], value))
        else:
            whole[key] = value
    return whole


def entries(page: Path) -> Iterator[tuple[str, str]]:
    """The page's table: each entry of a row, without backticks, and the row's effect."""
    table = page.read_text().split("| setting | what an update does |\n| --- | --- |\n")[1].split("\n\n")[0]
    for line in table.splitlines():
        names, effect = (cell.strip() for cell in line.strip("|").split("|"))
        for entry in re.split(r", (?=`)", names):
            yield entry.replace("`", ""), effect


def places(path: str, before: Any, after: Any) -> list[str]:
    """Where a property differs: by entry and member for a list of objects, by two steps for a JSON document, and else
    by its path alone."""
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = list(zip(cast(list[Any], before), cast(list[Any], after), strict=True))
        if all(isinstance(entry, dict) for pair in pairs for entry in pair):
            return [f"{path}[{at}].{key}" for at, (one, other) in enumerate(pairs) for key in _differences(one, other)]
        return [path]
    try:
        old, new = (_by_name(json.loads(cast(str, document))) for document in (before, after))
    except (TypeError, ValueError):
        return [path]
    both = isinstance(old, dict) and isinstance(new, dict)
    return [f"{path}:{place}" for place in _differences(old, new, steps=2)] if both else [path]


def _by_name(document: Any) -> Any:
    """Configurations, which are a list, as an object by their classification."""
    if isinstance(document, list):
        return {entry["Classification"]: sorted(entry["Properties"].items()) for entry in document}
    return document


def _differences(old: dict[str, Any], new: dict[str, Any], *, steps: int = 1) -> Iterator[str]:
    for key in sorted(old.keys() | new.keys()):
        one, other = old.get(key), new.get(key)
        if one == other:
            continue
        if steps > 1 and isinstance(one, dict) and isinstance(other, dict):
            inner = _differences(cast(dict[str, Any], one), cast(dict[str, Any], other), steps=steps - 1)
            yield from (f"{key}.{place}" for place in inner)
        else:
            yield key


def _secure(place: str) -> dict[str, str]:
    """Another security configuration, which is another cluster."""
    return {CLUSTER: "replace securityConfiguration", SECURITY: f"replace configuration:{place} name"}


ROLE = "arn:aws:iam::123456789012:role/analysts"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
AUTHENTICATION = "AuthenticationConfiguration.KerberosConfiguration"
IN_TRANSIT = "EncryptionConfiguration.InTransitEncryptionConfiguration"
PUBLISHED = {"cluster-id": "update value"}
SIZES = {CLUSTER: "replace configurationsJson:spark-defaults"}

UPDATES = (
    Update(
        [
            Change("stepConcurrency", {"stepConcurrency": 8}, {CLUSTER: "update stepConcurrencyLevel"}),
            Change(
                "core.scaling (limits)",
                {"core": {"scaling": {"minimum": 3, "maximum": 6}}},
                {CLUSTER: f"update {POLICY}:Constraints.MaxCapacity {POLICY}:Constraints.MinCapacity"},
            ),
            Change("coreScaleIn", {"coreScaleIn": True}, {CLUSTER: f"update {POLICY}:Rules"}),
            Change("core.instanceCount with scaling", {"core": {"instanceCount": 3}}),
            Change(
                "task.scaling (limits)",
                {"task": {"scaling": {"minimum": 0, "maximum": 8}}},
                {TASK: "update autoscalingPolicy:Constraints.MaxCapacity autoscalingPolicy:Rules"},
            ),
            Change("task.instanceCount with scaling", {"task": {"instanceCount": 2}}),
            Change("certificate.validityDays", {"certificate": {"validityDays": 400}}),
            Change("requiredVersions", {"requiredVersions": {"Spark": "3.3"}}),
            Change("mustAcknowledgeEndOfSupport", {"mustAcknowledgeEndOfSupport": True}),
            Change("acknowledgedEndOfSupport", {"acknowledgedEndOfSupport": "2027-06-30"}),
            Change("checkOnline", {"checkOnline": True}),
            Change("drainMinutes", {"drainMinutes": 30}),
            Change("primary.vcpus", {"primary": {**NODES, "vcpus": 2}}),
            Change("primary.yarnMemoryMib", {"primary": {"yarnMemoryMib": 8192}}),
        ],
    ),
    Update(
        [
            Change("release", {"release": "emr-6.15.0"}, {CLUSTER: "replace releaseLabel"}),
            Change(
                "applications",
                {"applications": ["Hadoop", "Hive", "Livy", "Presto", "Spark", "Tez", "Zeppelin"]},
                {CLUSTER: "replace applications"},
            ),
            Change(
                "metadataHopLimit",
                {"metadataHopLimit": 2},
                _secure("InstanceMetadataServiceConfiguration.HttpPutResponseHopLimit"),
            ),
            Change("kerberos.ticketLifetimeHours", {"kerberos": {"ticketLifetimeHours": 12}}, _secure(AUTHENTICATION)),
            Change(
                "kerberos.realm",
                {"kerberos": {"realm": "DATA.EXAMPLE.COM"}},
                {CLUSTER: "replace kerberosAttributes.realm", "cluster-kdc": "update description"},
            ),
            Change(
                "emrfsRoleMappings",
                {"emrfsRoleMappings": [{"role": ROLE, "identifierType": "User", "identifiers": ["alice"]}]},
                {**_secure("AuthorizationConfiguration"), "cluster-node-policy": "update policy:Statement"},
            ),
            Change(
                "bucketEncryption",
                {"bucketEncryption": [{"bucket": "their-bucket"}]},
                _secure("EncryptionConfiguration.AtRestEncryptionConfiguration"),
            ),
            Change(
                "certificate.generation",
                {"certificate": {"generation": 2}},
                {
                    **_secure(IN_TRANSIT),
                    **{
                        f"cluster-certificate-{part}-{generation}": operation
                        for generation, operation in ((1, "delete"), (2, "create"))
                        for part in ("authority", "authority-key", "node", "node-key", "node-request", "archive")
                    },
                },
            ),
            Change("rootVolumeSizeGib", {"rootVolumeSizeGib": 60}, {CLUSTER: "replace ebsRootVolumeSize"}),
            Change(
                "primary.instanceType",
                {"primary": {"instanceType": "m5.2xlarge"}},
                {CLUSTER: "replace masterInstanceGroup.instanceType"},
            ),
            Change(
                "primary.volumeSizeGib",
                {"primary": {"volumeSizeGib": 100}},
                {CLUSTER: "replace masterInstanceGroup.ebsConfigs[0].size"},
            ),
            Change(
                "primary.volumesPerInstance",
                {"primary": {"volumesPerInstance": 3}},
                {CLUSTER: "replace masterInstanceGroup.ebsConfigs[0].volumesPerInstance"},
            ),
            Change(
                # Of the same sizes.
                "core.instanceType",
                {"core": {"instanceType": "m5a.xlarge"}},
                {CLUSTER: "replace coreInstanceGroup.instanceType"},
            ),
            Change(
                "core.volumeSizeGib",
                {"core": {"volumeSizeGib": 100}},
                {CLUSTER: "replace coreInstanceGroup.ebsConfigs[0].size"},
            ),
            Change(
                "core.volumesPerInstance",
                {"core": {"volumesPerInstance": 3}},
                {CLUSTER: "replace coreInstanceGroup.ebsConfigs[0].volumesPerInstance"},
            ),
            Change("core.vcpus", {"core": {"vcpus": 2}}, SIZES),
            Change("hdfsReplication", {"hdfsReplication": 1}, {CLUSTER: "replace configurationsJson:hdfs-site"}),
            Change(
                "task.spotBidPrice set or removed",
                {"task": {"spotBidPrice": "0.2"}},
                {CLUSTER: "replace configurationsJson:yarn-site", TASK: "replace bidPrice"},
            ),
            Change(
                "linuxUsers: its first entry, or the end of its last",
                {"linuxUsers": {"alice": 20001}},
                {
                    CLUSTER: "replace bootstrapActions",
                    "cluster-linux-users": "create",
                    "cluster-linux-users-script": "create",
                    "cluster-linux-users-list": "create",
                },
            ),
        ],
        beside={"requiredVersions": None, "mustAcknowledgeEndOfSupport": False},
        follows={TASK: "replace clusterId", **PUBLISHED},
    ),
    Update(
        [
            Change(
                "linuxUsers in between",
                {"linuxUsers": {"bob": 20002}},
                {"cluster-linux-users-list": "update content"},
            ),
            Change(
                "task.spotBidPrice from one price to another",
                {"task": {"spotBidPrice": "0.3"}},
                {TASK: "replace bidPrice"},
            ),
            Change("task.instanceType", {"task": {"instanceType": "m5.2xlarge"}}, {TASK: "replace instanceType"}),
            Change("task.volumeSizeGib", {"task": {"volumeSizeGib": 100}}, {TASK: "replace ebsConfigs[0].size"}),
            Change(
                "task.volumesPerInstance",
                {"task": {"volumesPerInstance": 3}},
                {TASK: "replace ebsConfigs[0].volumesPerInstance"},
            ),
            Change(
                "core.scaling set or removed",
                {"core": {"scaling": None}, "coreScaleIn": False},
                {CLUSTER: f"update {POLICY}"},
            ),
            Change(
                "core.instanceCount without scaling",
                {"core": {"instanceCount": 4}},
                {CLUSTER: "update coreInstanceGroup.instanceCount"},
            ),
        ],
        beside={"checkOnline": False},
    ),
    Update(
        [
            Change(
                "managedScaling set or removed",
                {"managedScaling": {"minimum": 2, "maximum": 6}},
                {MANAGED: "create"},
            ),
            Change("task.scaling set or removed", {"task": {"scaling": None}}, {TASK: "delete", FIXED_TASK: "create"}),
            Change("core.instanceCount with managedScaling", {"core": {"instanceCount": 5}}),
        ],
    ),
    Update(
        [
            Change(
                "managedScaling (limits)",
                {"managedScaling": {"maximum": 8}},
                {
                    MANAGED: "replace computeLimits[0].maximumCapacityUnits computeLimits[0].maximumCoreCapacityUnits "
                    "computeLimits[0].maximumOndemandCapacityUnits"
                },
            ),
            Change("task.instanceCount with managedScaling", {"task": {"instanceCount": 1}}),
            Change("terminationProtection", {"terminationProtection": True}, {CLUSTER: "update terminationProtection"}),
        ],
    ),
    Update(
        [
            Change("managedScaling set or removed", {"managedScaling": None}, {MANAGED: "delete"}),
            Change(
                "task.instanceCount without scaling",
                {"task": {"instanceCount": 3}},
                {FIXED_TASK: "update instanceCount"},
            ),
        ],
        beside={"core": {"instanceCount": 4}},
    ),
    Update(
        [
            Change(
                "kerberos.externalKdc",
                {
                    "kerberos": {
                        "externalKdc": {
                            "realm": "DATA.EXAMPLE.COM",
                            "adminServer": "kdc.example.com",
                            "kdcServer": "kdc.example.com",
                            "administratorPasswordSecret": PASSWORDS[0],
                        }
                    }
                },
                {
                    **_secure(AUTHENTICATION),
                    CLUSTER: "replace kerberosAttributes.kdcAdminPassword securityConfiguration",
                    "cluster-kdc": "delete",
                    "cluster-kdc-password": "delete",
                    "cluster-kdc-version": "delete",
                },
            ),
            Change(
                "primary.instanceCount",
                {"primary": {"instanceCount": 3}},
                {CLUSTER: "replace masterInstanceGroup.instanceCount"},
            ),
            Change(
                "certificate.archive",
                {"certificate": {"archive": {"uri": "s3://their/own.zip", "kmsKeyArn": KEY, "expires": "2099-01-01"}}},
                {
                    **_secure(IN_TRANSIT),
                    "cluster-node-policy": "update policy:Statement",
                    "cluster-service-policy": "update policy:Statement",
                    "cluster-certificate": "delete",
                    **{
                        f"cluster-certificate-{part}-2": "delete"
                        for part in ("authority", "authority-key", "node", "node-key", "node-request", "archive")
                    },
                },
            ),
            Change(
                "linuxUsers: its first entry, or the end of its last",
                {"linuxUsers": None},
                {
                    CLUSTER: "replace bootstrapActions",
                    "cluster-linux-users": "delete",
                    "cluster-linux-users-script": "delete",
                    "cluster-linux-users-list": "delete",
                },
            ),
            Change("task.vcpus", {"task": {"vcpus": 1}}, SIZES),
        ],
        beside={"kerberos": {"realm": None}},
        follows={FIXED_TASK: "replace clusterId", **PUBLISHED},
        done=False,
    ),
    Update(
        [
            Change(
                "kerberos.crossRealmTrust",
                {
                    "kerberos": {
                        "crossRealmTrust": {
                            "realm": "CORP.EXAMPLE.COM",
                            "domain": "corp.example.com",
                            "adminServer": "dc.corp.example.com",
                            "kdcServer": "dc.corp.example.com",
                            "principalPasswordSecret": PASSWORDS[1],
                        }
                    }
                },
                {
                    **_secure(AUTHENTICATION),
                    CLUSTER: "replace kerberosAttributes.crossRealmTrustPrincipalPassword securityConfiguration",
                },
            ),
            Change("task.yarnMemoryMib", {"task": {"yarnMemoryMib": 4096}}, SIZES),
        ],
        follows={FIXED_TASK: "replace clusterId", **PUBLISHED},
        done=False,
    ),
    Update(
        [
            Change("core.yarnMemoryMib", {"core": {"yarnMemoryMib": 4096}}, SIZES),
            Change(
                "bootstrapActions",
                {"bootstrapActions": [{"name": "agent", "path": "s3://life-scripts/bootstrap/agent.sh"}]},
                {CLUSTER: "replace bootstrapActions", "cluster-node-policy": "update policy:Statement"},
            ),
            Change("task.instanceCount from some to none", {"task": {"instanceCount": 0}}, {FIXED_TASK: "delete"}),
        ],
        follows=PUBLISHED,
        done=False,
    ),
    Update(
        [
            Change(
                "task.instanceType, where Spark's sizes change",
                {"task": {"instanceType": "c5.xlarge"}},
                {**SIZES, FIXED_TASK: "replace instanceType"},
            )
        ],
        follows={FIXED_TASK: "replace clusterId", **PUBLISHED},
        done=False,
    ),
)
"""One after the other, from `SETTINGS`."""

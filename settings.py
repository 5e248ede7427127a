"""The configuration of a stack: every plain value of the program, once, with its meaning, unit and default.

A stack file (``Pulumi.<stack>.yaml``) holds one object a group below, in camelCase, under the project's name:

.. code-block:: yaml

    config:
      aws:region: eu-west-1
      emr-pipeline:network:
        natGateways: per-az

A component takes its own group; what it needs of other resources comes beside it (see ``components``).
`load` reports every mistake at once, by config key, before any resource is registered.
"""

from __future__ import annotations

import difflib
import ipaddress
import itertools
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, Self, cast, get_args

import pulumi
from pulumi.runtime.config import CONFIG, get_config, get_config_env, is_config_secret
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails


class SettingsModel(BaseModel):
    """Base of all groups: frozen, camelCase keys in YAML, unknown keys refused.

    The text below a field is its documentation everywhere: in `docs/configuration.md`, in editors, in messages.
    A validator may raise one `ValueError` with several lines: each is a mistake of its own.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
    )


def _private_block(value: str) -> str:
    """Accept an RFC 1918 network between /16 and /22: what EMR needs of a VPC (aws_facts: EMR in private subnets)."""
    network = ipaddress.ip_network(value, strict=True)
    if not isinstance(network, ipaddress.IPv4Network) or not 16 <= network.prefixlen <= 22:
        raise ValueError("must be an IPv4 network of size /16 to /22, so that nodes and endpoints find addresses")
    private = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    if not any(network.subnet_of(ipaddress.IPv4Network(block)) for block in private):
        raise ValueError("must be a private network (10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16)")
    return value


PrivateBlock = Annotated[str, AfterValidator(_private_block)]


def _form(pattern: str, what: str) -> AfterValidator:
    """Accept texts of a form, and tell people what it is rather than the pattern."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"must be {what}")
        return value

    return AfterValidator(check)


_ROLE_ARN = r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+"

RoleArn = Annotated[str, _form(_ROLE_ARN, "the ARN of an IAM role, arn:<partition>:iam::<account>:role/<name>")]
"""ARN of an IAM role."""

Principal = Annotated[
    str,
    _form(
        rf"\d{{12}}|{_ROLE_ARN}", "an account's twelve digits, as text, or the ARN of a role (no users, no wildcards)"
    ),
]
"""Somebody of another account: the account's twelve digits (its administrators then say who), or a role's ARN."""

LogRetentionDays = Literal[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653
]
"""Days that CloudWatch Logs accepts for a log group (PutRetentionPolicy)."""


def _server_block(value: str) -> str:
    """Accept a few addresses, and no public network at large: Kerberos servers are known machines."""
    network = ipaddress.ip_network(value, strict=True)
    if not isinstance(network, ipaddress.IPv4Network) or network.prefixlen < 24:
        raise ValueError("must be an IPv4 network of /24 or smaller (one server: /32): a way out is for known servers")
    return value


class KerberosServerSettings(SettingsModel):
    """Servers outside the cluster that its nodes authenticate with: they may go there, on Kerberos's ports alone."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    """What people call it; part of the rules' names. Renaming replaces the rules."""
    cidr_block: Annotated[str, AfterValidator(_server_block)]
    """Where they are, /24 to /32."""
    kind: Literal["kdc", "active-directory"] = "kdc"
    """A KDC (Kerberos, password change, administration), or domain controllers of a cross-realm trust (Kerberos,
    password change, DNS, LDAP, global catalogue and SMB too)."""


class ExistingVpcSettings(SettingsModel):
    """A VPC that somebody else keeps. It is checked, and nothing in it is changed but what the stack adds."""

    vpc_id: Annotated[str, _form(r"vpc-[0-9a-f]{8,17}", "the id of a VPC, vpc-… with 8 or 17 digits")]
    """The VPC."""
    private_subnet_ids: tuple[
        Annotated[str, _form(r"subnet-[0-9a-f]{8,17}", "the id of a subnet, subnet-… with 8 or 17 digits")], ...
    ] = Field(min_length=1, max_length=4)
    """Its subnets for nodes and functions, one a zone; the cluster goes in the first."""


class NetworkSettings(SettingsModel):
    """The VPC that the cluster lives in."""

    cidr_block: PrivateBlock = "10.20.0.0/20"
    """Addresses of the VPC, /16 to /22. Changing it replaces the whole network, and the cluster with it."""
    availability_zone_count: int = Field(default=2, ge=1, le=4)
    """Availability zones with a private subnet. A cluster lives in one; the others serve functions and endpoints."""
    nat_gateways: Literal["none", "single", "per-az"] = "single"
    """How nodes reach the internet on 443: not at all, through one NAT gateway, or through one in every zone."""
    interface_endpoints: tuple[str, ...] = (
        "elasticmapreduce",
        "ec2",
        "sts",
        "kms",
        "logs",
        "monitoring",
        "glue",
        "secretsmanager",
        "sns",
        "sqs",
        "states",
        "ssm",
        "ssmmessages",
        "ec2messages",
    )
    """AWS services that get an interface endpoint. An endpoint costs by the hour and zone; without NAT all are needed.
    Never ``execute-api``: managed scaling fails beside it."""
    flow_log_retention_days: LogRetentionDays = 90
    """Days that the VPC's flow logs are kept."""
    network_acls: Literal["default", "explicit"] = "default"
    """Network ACLs of the subnets: the one that AWS makes, which lets everything pass and leaves the choice to the
    security groups; or one of our own for private and one for public subnets, where a second fence is required."""
    kerberos_servers: tuple[KerberosServerSettings, ...] = Field(default=(), max_length=8)
    """Outside KDCs and domain controllers that nodes may reach. Empty for a cluster with a KDC of its own."""
    existing_vpc: ExistingVpcSettings | None = None
    """Put the cluster in this VPC instead of making one. The VPC brings its own endpoints (`interfaceEndpoints` are
    then looked for, not made), and `natGateways` only says whether nodes may go out on 443 through what is there."""

    @field_validator("kerberos_servers")
    @classmethod
    def _servers_apart(cls, value: tuple[KerberosServerSettings, ...]) -> tuple[KerberosServerSettings, ...]:
        names = [server.name for server in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"names {', '.join(twice)} twice; rules are known by the server's name")
        return value

    @model_validator(mode="after")
    def _existing_vpc_is_its_owners(self) -> Self:
        if self.existing_vpc is None:
            return self
        made = {"cidr_block": "cidrBlock", "availability_zone_count": "availabilityZoneCount"}
        ours = [key for name, key in made.items() if name in self.model_fields_set]
        if ours:
            raise ValueError(
                f"existingVpc and {', '.join(ours)} are both given: an existing VPC has its addresses and zones already"
            )
        if self.network_acls == "explicit":
            raise ValueError("networkAcls is 'explicit' with existingVpc: its subnets' ACLs are its owner's to set")
        return self

    @field_validator("interface_endpoints")
    @classmethod
    def _no_execute_api(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "execute-api" in value:
            raise ValueError("must not hold execute-api: EMR managed scaling fails in a VPC that has this endpoint")
        return value


class EncryptionSettings(SettingsModel):
    """The customer-managed KMS keys: data, logs, messages, secrets."""

    deletion_window_days: int = Field(default=30, ge=7, le=30)
    """Days between the deletion of a key and the loss of everything that it encrypts."""
    rotation_period_days: int = Field(default=365, ge=90, le=2560)
    """Days between two automatic rotations of the key material."""
    administrators: tuple[RoleArn, ...] = ()
    """ARNs of roles that may administer the keys beside the account; empty leaves that to IAM policies."""


StorageClass = Literal["STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"]
"""Storage classes that a lifecycle may move objects to, in the order in which S3 lets them follow."""

SHORTEST_STAY: dict[StorageClass, int] = {
    "STANDARD_IA": 30,
    "INTELLIGENT_TIERING": 0,
    "ONEZONE_IA": 30,
    "GLACIER_IR": 90,
    "GLACIER": 90,
    "DEEP_ARCHIVE": 180,
}
"""Days that an object is paid for in a class, however soon it leaves (S3 user guide, "Storage classes")."""

INFREQUENT: tuple[StorageClass, ...] = ("STANDARD_IA", "ONEZONE_IA")
"""Classes that S3 moves no object to in its first 30 days, and from no object in its first 30 days there."""

ARCHIVES: tuple[StorageClass, ...] = ("GLACIER", "DEEP_ARCHIVE")
"""Classes that nothing reads from until the object is restored, which takes minutes to days."""


class TransitionSettings(SettingsModel):
    """One move of objects to a cheaper storage class."""

    after_days: int = Field(ge=0)
    """Days since the object was written; for versions, since a newer one replaced it."""
    storage_class: StorageClass
    """Where to. GLACIER and DEEP_ARCHIVE must be restored before anything reads them."""


def _check_transitions(what: str, moves: tuple[TransitionSettings, ...], expiry: int | None) -> None:
    """Refuse moves that S3 refuses, and those that cost more than they save.

    Source: S3 user guide, "Transitioning objects using Amazon S3 Lifecycle" (supported transitions, constraints).
    """
    order = list(SHORTEST_STAY)
    for move in moves:
        if move.storage_class in INFREQUENT and move.after_days < 30:
            raise ValueError(
                f"{what} moves objects to {move.storage_class} after {move.after_days} days: S3 accepts no less than 30"
            )
    for move, following in itertools.pairwise(moves):
        pair = (move.storage_class, following.storage_class)
        if order.index(pair[1]) <= order.index(pair[0]) or pair == ("ONEZONE_IA", "GLACIER_IR"):
            raise ValueError(f"{what} moves objects from {pair[0]} to {pair[1]}, which S3 does not do")
        stay, shortest = following.after_days - move.after_days, max(1, SHORTEST_STAY[move.storage_class])
        if stay < shortest:
            raise ValueError(
                f"{what} leaves objects {stay} days in {move.storage_class}: {shortest} are paid for in any case"
            )
    if expiry is not None and moves:
        last = moves[-1]
        stay, shortest = expiry - last.after_days, max(1, SHORTEST_STAY[last.storage_class])
        if stay < shortest:
            raise ValueError(
                f"{what} deletes objects after {expiry} days, {stay} after their move to {last.storage_class}: "
                f"{shortest} are paid for in any case"
            )


class LifecycleSettings(SettingsModel):
    """How long a bucket keeps what, and where. Every number is in days."""

    transitions: tuple[TransitionSettings, ...] = ()
    """Moves of current objects, soonest first."""
    expire_after_days: int | None = Field(default=None, ge=1)
    """Days after which current objects go; absent keeps them for good."""
    noncurrent_transitions: tuple[TransitionSettings, ...] = ()
    """Moves of overwritten and deleted versions, soonest first."""
    noncurrent_expire_after_days: int = Field(default=90, ge=1)
    """Days that overwritten or deleted versions can still be restored."""
    noncurrent_versions_kept: int = Field(default=0, ge=0, le=100)
    """Newest of these versions that are kept beyond that; 0 keeps none."""
    abandoned_upload_days: int = Field(default=7, ge=1)
    """Days after which uploads that were begun and never finished go; nobody sees them, and they are paid for."""

    @model_validator(mode="after")
    def _s3_does_so(self) -> Self:
        _check_transitions("transitions", self.transitions, self.expire_after_days)
        _check_transitions("noncurrentTransitions", self.noncurrent_transitions, self.noncurrent_expire_after_days)
        return self


class RawLifecycleSettings(LifecycleSettings):
    """Raw files are the source of everything: moved to a cheaper class, and kept."""

    transitions: tuple[TransitionSettings, ...] = (TransitionSettings(after_days=90, storage_class="STANDARD_IA"),)
    """Moves of current objects, soonest first. What is in an archive class must be restored before a new run."""


class _ReadLifecycleSettings(LifecycleSettings):
    @model_validator(mode="after")
    def _stays_readable(self) -> Self:
        archived = [move.storage_class for move in self.transitions if move.storage_class in ARCHIVES]
        if archived:
            raise ValueError(
                f"transitions moves objects to {', '.join(archived)}, where nothing reads them until they are "
                "restored: queries and runs would fail"
            )
        return self


class ProcessedLifecycleSettings(_ReadLifecycleSettings):
    """Tables and reports are kept; what runs leave beside them goes."""

    staging_expire_after_days: int = Field(default=7, ge=1)
    """Days after which files of runs that ended halfway go."""
    set_aside_expire_after_days: int = Field(default=90, ge=1)
    """Days that records set aside are kept: time to notice, repair and drop them again."""


class ScriptsLifecycleSettings(_ReadLifecycleSettings):
    """Code and manifests are kept: a run is repeated from them, however old."""


class LogLifecycleSettings(LifecycleSettings):
    """Logs are kept for a time."""

    expire_after_days: int | None = Field(default=365, ge=1)
    """Days that logs are kept."""


class LifecyclesSettings(SettingsModel):
    """Lifecycle of each bucket."""

    raw: RawLifecycleSettings = RawLifecycleSettings()
    processed: ProcessedLifecycleSettings = ProcessedLifecycleSettings()
    scripts: ScriptsLifecycleSettings = ScriptsLifecycleSettings()
    logs: LogLifecycleSettings = LogLifecycleSettings()
    access: LogLifecycleSettings = LogLifecycleSettings()


class ObjectLockSettings(SettingsModel):
    """Files that nobody can delete or overwrite for a time (S3 Object Lock, default retention)."""

    mode: Literal["governance", "compliance"]
    """governance: a break-glass role may still delete a version. compliance: nobody can, AWS included, until the days
    are over, and no setting shortens them."""
    days: int = Field(ge=1, le=36500)
    """Days that each version is held from when it was written."""


class ProducerSettings(SettingsModel):
    """Somebody outside this account who drops files in the raw bucket, and can neither read nor delete there."""

    principal: Principal
    """Account id (quoted in YAML) or role ARN."""
    prefixes: tuple[
        Annotated[str, _form(r"[A-Za-z0-9][A-Za-z0-9!_.()=/-]*/", "a prefix of keys with a slash at its end")], ...
    ] = Field(min_length=1)
    """Where its files may go, with a trailing slash: in a dataset's prefix."""


class ConsumerSettings(SettingsModel):
    """Somebody outside this account who reads tables in the processed bucket, and changes nothing."""

    principal: Principal
    """Account id (quoted in YAML) or role ARN."""
    datasets: tuple[str, ...] = Field(min_length=1)
    """Names of the datasets whose tables may be read."""


class StorageSettings(SettingsModel):
    """The four buckets: raw, processed, logs, scripts."""

    on_destroy: Literal["retain", "delete"] = "retain"
    """What `make destroy` does with buckets that hold data. ``delete`` needs ``allowDataLoss`` too."""
    allow_data_loss: bool = False
    """The second key to deleting data: says that everything in the buckets may be lost."""
    break_glass_roles: tuple[RoleArn, ...] = ()
    """Roles that may delete versions while ``onDestroy`` is retain; nobody else may, whatever IAM says. Empty: nobody.
    Scripts are exempt, which the program itself replaces."""
    lifecycle: LifecyclesSettings = LifecyclesSettings()
    raw_object_lock: ObjectLockSettings | None = None
    """Hold raw files for days. It can be switched on at any time and not off again: like the buckets themselves, the
    lock is protected while data is retained, and S3 keeps what it holds in any case."""
    principals: Literal["any", "account", "organization"] = "any"
    """Who may come near the buckets at all, beside AWS services, producers and consumers: whoever IAM lets in, this
    account's principals only, or this organization's."""
    organization_id: Annotated[str, _form(r"o-[a-z0-9]{10,32}", "an organization's id, o-…")] | None = None
    """The organization that ``principals: organization`` means."""
    producers: tuple[ProducerSettings, ...] = ()
    """Partners that drop files in raw. Named here, they are in the bucket's policy and in the data key's."""
    consumers: tuple[ConsumerSettings, ...] = ()
    """Analysts' accounts that read tables in processed. Likewise; what the catalog tells them is Glue's to share."""

    @model_validator(mode="after")
    def _two_keys(self) -> Self:
        if self.on_destroy == "delete" and not self.allow_data_loss:
            raise ValueError(
                "onDestroy is 'delete' but allowDataLoss is false: "
                "deleting data needs both, so that no single edit loses it"
            )
        if self.on_destroy == "delete" and self.raw_object_lock is not None:
            raise ValueError(
                f"onDestroy is 'delete' and rawObjectLock holds files for {self.raw_object_lock.days} days: "
                "a bucket with held files cannot be deleted"
            )
        return self

    @model_validator(mode="after")
    def _organization_named(self) -> Self:
        if (self.principals == "organization") != (self.organization_id is not None):
            raise ValueError(
                f"principals is {self.principals!r} and organizationId is "
                f"{'missing' if self.organization_id is None else self.organization_id}: "
                "'organization' needs an organizationId, and only 'organization' does"
            )
        return self

    @property
    def force_destroy(self) -> bool:
        """True when a bucket may be emptied and deleted with its stack."""
        return self.on_destroy == "delete" and self.allow_data_loss


class CatalogSettings(SettingsModel):
    """The Glue catalog, where it is more than this stack's: it is one for the whole account and region."""

    account_encryption_key_arn: (
        Annotated[str, _form(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+", "the ARN of a KMS key (no alias)")]
        | None
    ) = None
    """KMS key that encrypts the metadata of the account's whole catalog in this region, and its connections'
    passwords. Absent, and rightly so in most stacks: the setting is the account's, so two stacks would fight over it,
    and whoever destroys the stack ends it for everybody. The key must outlive the stack: without it no table of the
    account can be read."""


ColumnType = Literal["string", "int", "bigint", "double", "boolean", "date", "timestamp"]
"""Column types that Spark 3.3, Hive 3.1 and Presto 0.276 read alike from Parquet."""


class ColumnSettings(SettingsModel):
    """A column of a dataset."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    """Name in the files and in the catalog. Lower case: Glue folds case."""
    type: ColumnType
    """Declared type. A value that does not fit it is set aside with its record."""
    nullable: bool = True
    """Whether the value may be missing; a record without a value that is required is set aside."""


class ExpectedRows(SettingsModel):
    """Rows that a dataset's files hold on a day, as far as anybody can say."""

    low: int | None = Field(default=None, ge=1)
    """Fewer rows read by successful runs within 24 hours raise an alarm; absent for no limit."""
    high: int | None = Field(default=None, ge=1)
    """More rows raise an alarm. Leave room for two days' files that come within 24 hours; absent for no limit."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low {self.low} is more than high {self.high}")
        return self


class DatasetSettings(SettingsModel):
    """A kind of file that people drop in the raw bucket, and the table that comes of it."""

    prefix: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9!_.()=/-]*/$")
    """Where its files land in the raw bucket, with a trailing slash. No dataset's prefix may contain another's."""
    suffix: str = Field(default="", pattern=r"^[A-Za-z0-9!_.()=-]*$", max_length=64)
    """How its files' keys end, e.g. ``.csv.gz``; other files below the prefix (checksums, done markers) start nothing.
    Empty for every file."""
    format: Literal["csv", "json", "parquet"] = "csv"
    """CSV with a header, JSON lines, or Parquet; gzip is recognised by the ``.gz`` ending."""
    columns: tuple[ColumnSettings, ...] = Field(min_length=1)
    """The declared schema, in the order of the file's columns."""
    partition_by: tuple[str, ...] = ()
    """Columns that partition the table, outermost first."""
    null_value: str = ""
    """Text that stands for a missing value in CSV, e.g. ``NA``."""
    freshness_hours: int | None = Field(default=None, ge=1, le=8784)
    """Promise: hours within which there is a successful run; a longer gap raises a critical alarm. Absent for datasets
    that come when they come."""
    expected_rows: ExpectedRows | None = None
    """Promise: rows of a day; absent for volumes that nobody can name (their own history is watched all the same)."""
    overwrites: Literal["hold", "add"] = "hold"
    """What a further version of a key that was dispatched before does. ``hold``: nothing, so that no row is there
    twice; the ledger says so, and a person decides. ``add``: its rows are added, for producers that write a key again
    with other rows. A late file of its own key is no overwrite: it adds its rows to the partitions that they name. A
    held version is let through by ``python -m functions.ledger release``."""
    added_columns: Literal["reject", "ignore"] = "reject"
    """What happens to a CSV or Parquet file with a column that is not declared. ``reject``: the whole file is rejected
    and named, so that nothing is lost unseen. ``ignore``: the column is left out, for sources that add columns before
    the table needs them. JSON lines may always hold other fields."""
    missing_columns: Literal["reject", "null"] = "reject"
    """What happens to a CSV or Parquet file without a declared column. ``reject``: the whole file is rejected and
    named. ``null``: the column is null, for sources whose columns come and go; a column that is not nullable must be
    there all the same. In JSON lines a field that is not there is null."""

    @model_validator(mode="after")
    def _columns_agree(self) -> Self:
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"columns names {', '.join(twice)} twice: a table has each column once")
        unknown = [name for name in self.partition_by if name not in names]
        if unknown:
            raise ValueError(f"partitionBy names {', '.join(unknown)}, which columns does not declare")
        if len(set(self.partition_by)) == len(names):
            raise ValueError("partitionBy holds every column: a Parquet file needs one that is not a partition")
        return self


class ScalingSettings(SettingsModel):
    """Custom automatic scaling of an instance group; numbers of instances."""

    minimum: int = Field(ge=0)
    """Never fewer instances than this."""
    maximum: int = Field(ge=1)
    """Never more instances than this."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is more than maximum {self.maximum}")
        return self


class ManagedScalingSettings(SettingsModel):
    """EMR's own scaling of core and task groups together, in place of ``core.scaling`` and ``task.scaling``.

    It looks at YARN alone: nodes that only Presto keeps busy are idle to it.
    """

    minimum: int = Field(ge=1)
    """Core and task nodes that there always are."""
    maximum: int = Field(ge=1)
    """Core and task nodes that there may be."""
    maximum_core: int | None = Field(default=None, ge=1)
    """Core nodes among them; beyond, only task nodes come. Absent: all may be core nodes, which leave slowly."""
    maximum_on_demand: int | None = Field(default=None, ge=0)
    """On-demand nodes among them; beyond, only spot instances come. Absent: all."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is more than maximum {self.maximum}")
        for key, value in (("maximumCore", self.maximum_core), ("maximumOnDemand", self.maximum_on_demand)):
            if value is not None and value > self.maximum:
                raise ValueError(f"{key} {value} is more than maximum {self.maximum}, of which it is a part")
        return self


class InstanceGroupSettings(SettingsModel):
    """One instance group of the cluster."""

    instance_type: str = Field(pattern=r"^[a-z0-9-]+\.[a-z0-9]+$")
    """EC2 instance type, e.g. ``m5.xlarge``."""
    instance_count: int = Field(default=1, ge=0)
    """Instances at the start; automatic scaling moves it afterwards, and that is not a difference."""
    vcpus: int | None = Field(default=None, ge=1, le=1024)
    """vCPUs of the type; needed only where its name does not say them (``….metal``)."""
    yarn_memory_mib: int | None = Field(default=None, ge=1024)
    """Memory that EMR gives YARN on this type, MiB (``yarn.nodemanager.resource.memory-mb``); needed only for types
    that the program does not know. Spark's sizes are computed from it; on the nodes it changes nothing."""
    volume_size_gib: int = Field(default=64, ge=10, le=16384)
    """Size of each EBS volume, GiB (gp3, encrypted)."""
    volumes_per_instance: int = Field(default=2, ge=1, le=25)
    """EBS volumes a node: HDFS, shuffle and logs."""
    spot_bid_price: str | None = Field(default=None, pattern=r"^\d+(\.\d+)?$")
    """Highest price an instance-hour, USD, as text, to run on spot; absent for on-demand. Never for primary or core."""
    scaling: ScalingSettings | None = None
    """Limits of automatic scaling; absent keeps `instance_count`."""

    @property
    def most_instances(self) -> int:
        """Instances that the group may come to have."""
        return max(self.instance_count, self.scaling.maximum if self.scaling else 0)


Realm = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9.-]*$")]
"""A Kerberos realm: upper case."""
DomainName = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$")]
ServerAddress = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?$")]
"""A host, with a port behind a colon where it is not Kerberos's own (88 of the KDC, 749 of its administration)."""
SecretId = Annotated[str, Field(pattern=r"^[A-Za-z0-9/_+=.@:-]{1,2048}$")]
"""Name or ARN of a secret in Secrets Manager whose whole text is the password. The password itself is never here."""


class CrossRealmTrustSettings(SettingsModel):
    """Another realm, Active Directory's for one, whose people the cluster's own KDC believes."""

    realm: Realm
    """The other realm."""
    domain: DomainName
    """Its domain, lower case."""
    admin_server: ServerAddress
    """Host of the KDC's administration, with a port behind a colon where it is not 749."""
    kdc_server: ServerAddress
    """Host of the KDC, with a port behind a colon where it is not 88."""
    principal_password_secret: SecretId
    """Secret with the password of the principal that both realms share (``krbtgt/…``)."""


class ActiveDirectorySettings(SettingsModel):
    """Active Directory behind an external KDC."""

    realm: Realm
    """Realm of the directory."""
    domain: DomainName
    """Its domain, lower case."""
    server: ServerAddress
    """Its host."""


class ExternalKdcSettings(SettingsModel):
    """A KDC that is already there: for several clusters, for three primary nodes, for principals that outlive both."""

    realm: Realm
    """Realm of the KDC."""
    admin_server: ServerAddress
    """Host of the KDC's administration, with a port behind a colon where it is not 749."""
    kdc_server: ServerAddress
    """Host of the KDC, with a port behind a colon where it is not 88."""
    administrator_password_secret: SecretId
    """Secret with the password of ``kadmin/admin``, with which EMR makes the nodes' principals."""
    active_directory: ActiveDirectorySettings | None = None
    """The directory that the KDC trusts, if one does."""


class KerberosSettings(SettingsModel):
    """Authentication: a KDC of the cluster's own, or an external one."""

    realm: Realm | None = None
    """Realm of the cluster's own KDC; by default the region's node domain (EC2.INTERNAL or REGION.COMPUTE.INTERNAL)."""
    ticket_lifetime_hours: int = Field(default=24, ge=1, le=168)
    """Hours that a ticket is good for."""
    cross_realm_trust: CrossRealmTrustSettings | None = None
    """Another realm that the cluster's own KDC trusts."""
    external_kdc: ExternalKdcSettings | None = None
    """The external KDC; absent: the cluster has its own, whose principals are lost with it."""

    @model_validator(mode="after")
    def _one_kdc(self) -> Self:
        for key, value in (("realm", self.realm), ("crossRealmTrust", self.cross_realm_trust)):
            if self.external_kdc is not None and value is not None:
                raise ValueError(f"{key} is set beside externalKdc: it belongs to a KDC of the cluster's own")
        return self


class CertificateArchiveSettings(SettingsModel):
    """A certificate of your own, ready for EMR."""

    uri: str = Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+\.zip$")
    """``s3://`` address of the zip with ``privateKey.pem``, ``certificateChain.pem`` and ``trustedCertificates.pem``.
    Another certificate needs another address: nodes that start later fetch what lies there then."""
    kms_key_arn: str = Field(pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[a-z0-9-]+$")
    """Key that the object is encrypted with."""
    expires: date
    """Day on which the certificate ends, and the cluster with it; nobody else tells the alarms."""


class CertificateSettings(SettingsModel):
    """In-transit TLS: the certificate authority and node certificate that the stack makes, or your own."""

    validity_days: int = Field(default=1825, ge=365, le=3650)
    """Days that the certificates are valid; a persistent cluster dies with them, so years."""
    generation: int = Field(default=1, ge=1)
    """Raise by one to renew. A new certificate is a new cluster, so it is never renewed unasked."""
    archive: CertificateArchiveSettings | None = None
    """Your own certificate; absent: the stack makes one, and `validity_days` and `generation` apply."""


class EmrfsRoleMappingSettings(SettingsModel):
    """Who reads and writes S3 as another role than the nodes'."""

    role: str = Field(pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$")
    """ARN of the role; it must trust the nodes' role."""
    identifier_type: Literal["User", "Group", "Prefix"]
    """Whether `identifiers` are Hadoop users, Linux groups or S3 prefixes. The first mapping that fits is used."""
    identifiers: tuple[str, ...] = Field(min_length=1)
    """The users, groups or prefixes (``s3://bucket/prefix/``) that are this role to S3."""


class BucketEncryptionSettings(SettingsModel):
    """How EMRFS encrypts what it writes to a bucket that is not the pipeline's."""

    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """Name of the bucket."""
    kms_key_arn: str | None = Field(default=None, pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[a-z0-9-]+$")
    """Key of the bucket; absent: S3's own (SSE-S3)."""


class BootstrapActionSettings(SettingsModel):
    """A script of your own, which every node runs when it starts, before the applications are installed."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$")
    """What EMR calls it, in its console and among the logs."""
    path: Annotated[
        str,
        _form(
            r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[A-Za-z0-9!_.()/=+@,-]*[A-Za-z0-9_-]",
            "the address of one object, s3://<bucket>/<key>, without wildcards: nodes may read it and nothing else",
        ),
    ]
    """``s3://`` address of the script; nodes may read this object, and nothing beside it. Another script needs another
    address: nodes that start later run what lies there then."""
    kms_key_arn: str | None = Field(default=None, pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[a-z0-9-]+$")
    """Key that the object is encrypted with; absent: S3's own (SSE-S3), or the stack's in the stack's buckets."""
    arguments: tuple[str, ...] = Field(default=(), max_length=64)
    """What the script is called with. Never a password: EMR shows them to whoever may look at the cluster."""


MOST_BOOTSTRAP_ACTIONS = 16
"""Of a cluster (EMR management guide, "Create bootstrap actions to install additional software")."""

UserNumber = Annotated[int, Field(ge=10000, le=59999)]
"""Number of a Linux user, above those of the node's own."""


class ClusterSettings(SettingsModel):
    """The persistent EMR cluster."""

    release: str = Field(default="emr-6.9.0", pattern=r"^emr-\d+\.\d+\.\d+$")
    """EMR release label; decides every application's version. Changing it replaces the cluster."""
    applications: tuple[str, ...] = ("Hadoop", "Hive", "Livy", "Presto", "Spark", "Tez")
    """Applications to install, by EMR's names."""
    required_versions: dict[str, str] = Field(default_factory=dict)
    """Versions that the release must bring, by application, compared component by component: ``3.3`` fits 3.3.0, and
    ``0.28`` does not fit 0.281."""
    check_online: bool = False
    """Whether a preview and an update ask EMR if it offers the release in the region, with the versions that the
    program's table tells, on the instance types of the groups. Needs AWS, and ``elasticmapreduce:ListReleaseLabels``
    and ``elasticmapreduce:ListSupportedInstanceTypes``. `make up` asks for the release in any case."""
    must_acknowledge_end_of_support: bool = False
    """Whether a release that is about to leave support, or has left it, stops the preview until
    `acknowledged_end_of_support` names the day. False only warns."""
    acknowledged_end_of_support: date | None = None
    """Day on which the release's support ends, as somebody has read and accepted it."""
    primary: InstanceGroupSettings = InstanceGroupSettings(instance_type="m5.xlarge")
    """The primary instance group: one node, or three with an external KDC."""
    core: InstanceGroupSettings = InstanceGroupSettings(instance_type="m5.xlarge", instance_count=2)
    """The core instance group: HDFS lives here."""
    core_scale_in: bool = False
    """Lets automatic scaling take core nodes away when HDFS is nearly empty. Their blocks move first, which takes long
    and fails when HDFS fills meanwhile; leave it off unless core nodes are the larger part of the bill."""
    hdfs_replication: int | None = Field(default=None, ge=1, le=3)
    """Copies of each HDFS block, not more than there always are core nodes. Absent: 2, and 1 where a single core node
    is sure. EMR's own default hangs on the number of nodes; this does not, so that a group may grow. Changing it
    replaces the cluster."""
    task: InstanceGroupSettings = InstanceGroupSettings(
        instance_type="m5.xlarge", instance_count=0, scaling=ScalingSettings(minimum=0, maximum=4)
    )
    """The task instance group: computing only, so it may come and go."""
    managed_scaling: ManagedScalingSettings | None = None
    """EMR's own scaling, in place of ``core.scaling`` and ``task.scaling``."""
    kerberos: KerberosSettings = KerberosSettings()
    """Authentication; another realm is another cluster."""
    certificate: CertificateSettings = CertificateSettings()
    """In-transit TLS."""
    metadata_hop_limit: int = Field(default=1, ge=1, le=64)
    """Network hops that an answer of the instance metadata service may take. One keeps the nodes' credentials on the
    node; two are for YARN applications in Docker containers only."""
    linux_users: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")], UserNumber] = Field(
        default_factory=dict
    )
    """People who run things on the cluster under their own name: a Linux user on every node, by name with its number,
    10000 to 59999. The first entry and the end of the last replace the cluster; in between nodes follow the list."""
    bootstrap_actions: tuple[BootstrapActionSettings, ...] = ()
    """Scripts of your own that run on every node, in this order, behind the program's own; at most 16 with that. One
    that fails ends the cluster. Changing them replaces the cluster."""
    emrfs_role_mappings: tuple[EmrfsRoleMappingSettings, ...] = ()
    """Roles that users, groups or prefixes use for S3; empty: everybody on the cluster is the nodes' role to S3."""
    bucket_encryption: tuple[BucketEncryptionSettings, ...] = ()
    """Other encryption for buckets that are not the pipeline's; mapped roles may write to such."""
    step_concurrency: int = Field(default=4, ge=1, le=256)
    """Steps that run at once."""
    termination_protection: bool = True
    """Refuses the termination of the cluster. A replacement is made all the same, beside the protected cluster, and the
    update says that the old one stays; false in the next update ends it."""
    drain_minutes: int = Field(default=60, ge=0, le=1440)
    """Longest wait for the steps of a cluster that is to end, and for executions when the stack is taken down. What
    runs longer keeps its cluster, and the next update or destroy tries again. Not below the length of a usual step."""
    root_volume_size_gib: int = Field(default=50, ge=15, le=100)
    """Root volume of each node, GiB."""

    @property
    def other_buckets(self) -> tuple[str, ...]:
        """Buckets that are not the pipeline's, which nodes must reach all the same."""
        archive = self.certificate.archive
        named = [entry.bucket for entry in self.bucket_encryption]
        named += [action.path.split("/")[2] for action in self.bootstrap_actions]
        return (*named, *([archive.uri.split("/")[2]] if archive else []))

    @property
    def fewest_core_nodes(self) -> int:
        """Core nodes that there always are."""
        return self.core.scaling.minimum if self.core.scaling else self.core.instance_count

    @property
    def most_nodes(self) -> int:
        """Nodes that the cluster may come to have."""
        workers = sum(group.most_instances for group in (self.core, self.task))
        managed = self.managed_scaling.maximum if self.managed_scaling else 0
        return self.primary.most_instances + max(workers, managed)

    @model_validator(mode="after")
    def _groups_agree(self) -> Self:
        mistakes: list[str] = []
        primary, core = self.primary, self.core
        numbers = list(self.linux_users.values())
        twice = [name for name, number in self.linux_users.items() if numbers.count(number) > 1]
        if twice:
            mistakes.append(f"linuxUsers holds one number for {', '.join(twice)}: they would be one user to Linux")
        actions = [action.name for action in self.bootstrap_actions]
        most = MOST_BOOTSTRAP_ACTIONS - (1 if self.linux_users else 0)
        if len(actions) > most:
            beside = ", one of which makes linuxUsers" if self.linux_users else ""
            mistakes.append(
                f"bootstrapActions holds {len(actions)} of them: a cluster has {MOST_BOOTSTRAP_ACTIONS} at most{beside}"
            )
        if twice := sorted({name for name in actions if actions.count(name) > 1}):
            mistakes.append(f"bootstrapActions holds {', '.join(twice)} twice: the name tells their logs apart")
        if primary.instance_count not in (1, 3):
            mistakes.append(f"primary.instanceCount is {primary.instance_count}: EMR runs 1 or 3 primary nodes")
        if primary.scaling is not None:
            mistakes.append("primary.scaling is set: EMR scales core and task groups only")
        if core.instance_count < 1:
            mistakes.append("core.instanceCount is 0: HDFS and YARN application masters need a core node")
        for name, group in (("primary", primary), ("core", core)):
            if group.spot_bid_price is not None:
                mistakes.append(f"{name}.spotBidPrice is set: losing a {name} node loses HDFS or the cluster")
        if core.scaling is not None and core.scaling.minimum < 1:
            mistakes.append("core.scaling.minimum is 0: HDFS needs a core node")
        if self.hdfs_replication is not None and self.hdfs_replication > max(1, self.fewest_core_nodes):
            mistakes.append(
                f"hdfsReplication is {self.hdfs_replication}: only {self.fewest_core_nodes} core nodes are sure, and "
                "no node holds a block twice"
            )
        if self.core_scale_in and core.scaling is None:
            mistakes.append("coreScaleIn is true, but core.scaling is absent: nothing scales core nodes")
        if mistakes:
            raise ValueError("\n".join(mistakes))
        return self


class OrchestrationSettings(SettingsModel):
    """The way of a file: from the event to the step, and what bounds it."""

    batch_window_seconds: int = Field(default=60, ge=0, le=300)
    """Seconds that the dispatcher gathers files before it starts an execution. Longer: fewer, larger runs."""
    batch_size: int = Field(default=1000, ge=1, le=10000)
    """Most messages in one dispatcher call."""
    maximum_concurrency: int = Field(default=2, ge=2, le=1000)
    """Dispatcher calls at once; SQS event sources accept no less than 2."""
    function_timeout_seconds: int = Field(default=60, ge=10, le=900)
    """Longest run of a function. The intake hides a message six times as long, as Lambda advises."""
    reserved_concurrency: int | None = Field(default=5, ge=3)
    """Concurrency that the dispatcher has for itself: its own never fails for want of the account's, and it never takes
    more. At least one above `maximumConcurrency`, for calls that start what waits. ``null`` reserves none: for accounts
    whose quota of 10 is not raised yet."""
    maximum_running_executions: int = Field(default=8, ge=1, le=200)
    """Executions at a time; further manifests wait in the ledger. More than the cluster's steps at once only wait
    there instead; EMR refuses steps beyond 256."""
    start_interval_minutes: int = Field(default=5, ge=1, le=60)
    """Minutes between two looks for manifests that wait. Batches and ended executions start them sooner; this is for
    events that never came."""
    job_version: str | None = Field(default=None, pattern=r"^[0-9a-f]{16}$")
    """Version of the Spark job for new manifests: the 16 digits in ``s3://<scripts>/jobs/<version>/``. Absent for the
    one that is deployed; an earlier one is a rollback, without touching anything else."""
    maximum_receive_count: int = Field(default=5, ge=1, le=1000)
    """Tries before a message goes to the dead-letter queue."""
    cluster_wait_seconds: int = Field(default=60, ge=1, le=3600)
    """Seconds between two looks at a cluster that is starting."""
    cluster_wait_attempts: int = Field(default=60, ge=1, le=60)
    """Looks at a starting cluster before the execution gives up; a cluster starts in 10 to 30 minutes."""
    cluster_replacement_hours: int = Field(default=12, ge=1, le=72)
    """Hours that an execution waits for another cluster when its own is gone. It was told at once; this is the time to
    bring a cluster back without having to drive anything again."""
    cluster_replacement_poll_seconds: int = Field(default=300, ge=1, le=3600)
    """Seconds between two looks for that cluster; more when the hours ask for more than 80 looks."""
    busy_wait_minutes: int = Field(default=240, ge=1, le=1440)
    """Minutes that an execution waits while EMR takes no more steps, because 256 of them wait or run."""
    busy_poll_seconds: int = Field(default=60, ge=1, le=3600)
    """Seconds between two tries to submit to a full cluster; more when the minutes ask for more than 48 tries."""
    step_poll_seconds: int = Field(default=30, ge=1, le=3600)
    """Seconds between two looks at a running step, for its first 60 looks; at most 100 more share what is left of its
    time."""
    step_timeout_minutes: int = Field(default=240, ge=1, le=1440)
    """Minutes that a step may take before it is cancelled."""
    step_attempts: int = Field(default=2, ge=1, le=2)
    """Tries of a step in one execution. A second is made only when it can help: the job says that its error was of the
    moment, the cluster ended, or the step died without a word. 1 leaves every repetition to a person."""
    step_retry_seconds: int = Field(default=60, ge=1, le=3600)
    """Seconds before that second try: a store that throttles needs a rest."""
    retry_interval_seconds: int = Field(default=5, ge=1, le=299)
    """First wait before a failed call is tried again; it doubles up to five minutes, with full jitter."""
    retry_attempts: int = Field(default=5, ge=1, le=5)
    """Further tries of a call that failed."""
    maximum_set_aside_ratio: float = Field(default=0.01, ge=0, le=1)
    """Share of records that may be set aside before the run counts as rejected."""
    minimum_rows: int = Field(default=1, ge=0)
    """Rows that a run must find, else it counts as rejected; 0 when files without rows are usual."""
    volume_factor: float = Field(default=10, gt=1)
    """How far a run's bytes a row may be from the dataset's mean of the last 30 days, as a factor either way, before it
    counts as rejected. Compressed files differ from plain ones by about ten. Not compared before five runs."""
    housekeeping_minutes: int = Field(default=15, ge=1, le=60)
    """Minutes between two rounds of the housekeeping function: the longest that an execution which ended unheard stays
    so when its event was lost too, and the resolution of the metrics of freshness and waiting."""
    executor_memory: str | None = Field(default=None, pattern=r"^[1-9]\d*[mg]$")
    """Heap of an executor of the pipeline's own steps, with ``m`` or ``g``; absent: what the cluster computes from its
    instance types. Not above that: fewer executors than vCPUs would fit on a node."""
    log_retention_days: LogRetentionDays = 90
    """Days that function and execution logs are kept."""

    @model_validator(mode="after")
    def _queue_and_function_agree(self) -> Self:
        if self.batch_size > 10 and self.batch_window_seconds < 1:
            raise ValueError(
                f"batchSize is {self.batch_size} and batchWindowSeconds is 0: "
                "Lambda takes more than 10 messages of a queue only with a window of a second or more"
            )
        if self.reserved_concurrency is not None and self.reserved_concurrency <= self.maximum_concurrency:
            raise ValueError(
                f"reservedConcurrency is {self.reserved_concurrency} and maximumConcurrency {self.maximum_concurrency}:"
                " the queue would take all of it, be throttled, and burn its messages' tries; reserve at least one more"
            )
        return self


TopicName = Literal["success", "warning", "critical"]
"""Topics that messages go to, by what they are about."""


_ENDPOINTS = {
    "email": (r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address"),
    "https": (r"https://\S+", "a URL that begins with https://"),
    "sqs": (r"arn:aws[a-z-]*:sqs:[a-z0-9-]+:\d{12}:\S+", "the ARN of a queue"),
}
"""Form of the endpoint of each protocol, and how to say it."""


def _email(address: str) -> str:
    if not re.fullmatch(_ENDPOINTS["email"][0], address):
        raise ValueError("is no e-mail address")
    return address


class SubscriptionSettings(SettingsModel):
    """Who else gets messages.

    A chat channel subscribes by its e-mail address (Slack and Teams give each channel one), or by the URL of a tool
    that confirms SNS subscriptions (PagerDuty, Opsgenie, Grafana OnCall).
    """

    topics: tuple[TopicName, ...] = Field(default=("warning", "critical"), min_length=1)
    """What it hears of."""
    protocol: Literal["email", "https", "sqs"]
    """How it is told. Nothing leaves in plain text, so there is no ``http``."""
    endpoint: str
    """E-mail address, URL or queue ARN. A queue must admit the topics, and its key the service sns."""

    @model_validator(mode="after")
    def _endpoint_fits(self) -> Self:
        pattern, form = _ENDPOINTS[self.protocol]
        if not re.fullmatch(pattern, self.endpoint):
            raise ValueError(f"endpoint is {self.endpoint!r}: protocol {self.protocol} needs {form}")
        return self


class MonitoringSettings(SettingsModel):
    """Who learns of what, and when."""

    emails: tuple[Annotated[str, AfterValidator(_email)], ...] = ()
    """Addresses that receive warnings and critical messages; each must confirm both of its subscriptions."""
    subscriptions: tuple[SubscriptionSettings, ...] = ()
    """Whoever else receives messages: addresses for one topic only, URLs, queues, chat channels."""
    runbook_url: str | None = Field(default=None, pattern=r"^https://[^\s#]{1,200}$")
    """Where the team reads ``docs/runbook.md``, without ``#``; messages link to its entries. Absent names the file."""
    hdfs_utilization_percent: float = Field(default=80, gt=0, le=100)
    """HDFS use that raises an alarm."""
    yarn_memory_available_percent: float = Field(default=10, ge=0, lt=100)
    """YARN memory left that raises an alarm when it stays below this for half an hour."""
    container_pending_ratio: float = Field(default=2, gt=0)
    """Waiting to running containers that raise an alarm when it stays so for half an hour. Scaling acts at 0.75."""
    idle_minutes: int = Field(default=30, ge=5, le=1440)
    """Minutes that the cluster may idle while files wait. Raise it above the longest batching window."""
    failed_executions_an_hour: int = Field(default=3, ge=1)
    """Failed executions within an hour that raise an alarm. Each failure tells itself; this one is about a pattern."""
    intake_age_minutes: int = Field(default=30, ge=1)
    """Age of the oldest waiting message that raises an alarm."""
    planned_age_minutes: int = Field(default=60, ge=1)
    """Age of the oldest manifest without an execution that raises an alarm."""
    set_aside_share: float = Field(default=0.5, gt=0, le=1)
    """Share of orchestration.maximumSetAsideRatio that raises a warning, before runs are rejected."""
    anomaly_band_width: float | None = Field(default=3, gt=0, le=10)
    """Standard deviations from its own history that duration and volume may show. Absent (null) makes no such alarms;
    each costs as much as three others."""
    certificate_days: int = Field(default=90, ge=15)
    """Days before the end of the cluster's certificate that raise a warning; the last 14 are critical anyway."""
    release_support_days: int = Field(default=180, ge=1)
    """Days before the end of AWS's support of the EMR release that raise a warning."""
    monthly_budget_usd: int | None = Field(default=None, ge=1)
    """Costs of the stack in a month, USD, that raise warnings at 80 % and by forecast, and are critical when reached.
    Absent makes no budget. The tags Project and Environment must be activated as cost allocation tags."""


class TagSettings(SettingsModel):
    """Tags that everything carries."""

    owner: str = Field(min_length=1, max_length=256)
    """Team that answers for the stack."""
    cost_centre: str = Field(min_length=1, max_length=256)
    """Who pays."""
    data_classification: Literal["public", "internal", "confidential", "restricted"] = "confidential"
    """How sensitive the data is."""

    def as_tags(self, project: str, stack: str) -> dict[str, str]:
        """Tags by the names that people filter costs by; project and stack say where the resource comes from."""
        return {
            "Project": project,
            "Environment": stack,
            "Owner": self.owner,
            "CostCentre": self.cost_centre,
            "DataClassification": self.data_classification,
            "ManagedBy": "pulumi",
        }


class ComplianceSettings(SettingsModel):
    """What keeps one stack's deployment out of another's account."""

    allowed_account_ids: tuple[Annotated[str, Field(pattern=r"^\d{12}$")], ...] = ()
    """AWS accounts that the stack may be deployed to, as text of twelve digits; the provider refuses all others.
    Empty leaves the choice to whoever runs `make up`, who is shown the account and asked."""


class Settings(SettingsModel):
    """All of a stack's configuration."""

    network: NetworkSettings = NetworkSettings()
    """The VPC that the cluster lives in."""
    encryption: EncryptionSettings = EncryptionSettings()
    """The customer-managed keys."""
    storage: StorageSettings = StorageSettings()
    """The buckets."""
    datasets: dict[str, DatasetSettings] = Field(default_factory=dict)
    """Datasets by name; the name becomes the table's."""
    catalog: CatalogSettings = CatalogSettings()
    """The account's Glue catalog."""
    cluster: ClusterSettings = ClusterSettings()
    """The persistent EMR cluster."""
    orchestration: OrchestrationSettings = OrchestrationSettings()
    """The way of a file, from the event to the step."""
    monitoring: MonitoringSettings = MonitoringSettings()
    """Who learns of what, and when."""
    compliance: ComplianceSettings = ComplianceSettings()
    """What keeps one stack's deployment out of another's account."""
    tags: TagSettings
    """Tags that everything carries; the only group without a default."""

    @field_validator("datasets")
    @classmethod
    def _datasets_apart(cls, value: dict[str, DatasetSettings]) -> dict[str, DatasetSettings]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
                raise ValueError(f"holds {name!r}: a name is lower-case letters, digits and _, as a Glue table's")
        for name, dataset in value.items():
            for other, candidate in value.items():
                if name != other and candidate.prefix.startswith(dataset.prefix):
                    raise ValueError(
                        f"{other}.prefix {candidate.prefix!r} lies in {name}.prefix {dataset.prefix!r}: "
                        "a file would belong to both"
                    )
        return value


class ConfigurationError(pulumi.RunError):
    """Mistakes in a stack's configuration, one line each. Pulumi shows it as it is, without a traceback."""


@dataclass(frozen=True)
class Rule:
    """What values of several groups must keep together; its check's docstring says it in one sentence."""

    groups: tuple[str, ...]
    """Fields of `Settings` that it reads. It is asked when these are valid, whatever the others are."""
    check: Callable[[Settings], Iterable[str]]
    """Gives one line a mistake, from the key on: ``network.natGateways is …: …``."""


def _zones_and_gateways(settings: Settings) -> Iterator[str]:
    """A NAT gateway in every zone needs more than one zone."""
    network = settings.network
    if network.nat_gateways == "per-az" and network.availability_zone_count == 1:
        yield (
            "network.natGateways is per-az and network.availabilityZoneCount is 1: one zone has one NAT gateway; write "
            "'single', or use 2 zones or more, so that the choice says what happens"
        )


def _staging_outlives_steps(settings: Settings) -> Iterator[str]:
    """Staging files of a running step must not expire under it (lifecycle rules act at midnight UTC)."""
    kept, orchestration = settings.storage.lifecycle.processed.staging_expire_after_days, settings.orchestration
    days = -(-orchestration.step_timeout_minutes // 1440) + 1
    if kept < days:
        yield (
            f"storage.lifecycle.processed.stagingExpireAfterDays is {kept}: a step may run "
            f"orchestration.stepTimeoutMinutes ({orchestration.step_timeout_minutes}) minutes, and its staging files "
            f"must outlive it: {days} days or more"
        )


def _intake_alarm_waits_for_the_window(settings: Settings) -> Iterator[str]:
    """The alarm for old messages must not sound while the dispatcher gathers files as it was told to."""
    orchestration, monitoring = settings.orchestration, settings.monitoring
    usual = orchestration.batch_window_seconds + orchestration.function_timeout_seconds
    if monitoring.intake_age_minutes * 60 <= usual:
        yield (
            f"monitoring.intakeAgeMinutes is {monitoring.intake_age_minutes}: a message may wait "
            f"orchestration.batchWindowSeconds ({orchestration.batch_window_seconds}) + functionTimeoutSeconds "
            f"({orchestration.function_timeout_seconds}) = {usual} s with nothing wrong; {usual // 60 + 1} minutes or "
            "more raise no false alarm"
        )


def _kerberos_servers_can_be_reached(settings: Settings) -> Iterator[str]:
    """Nodes have a way to the servers of another KDC or realm: they go nowhere that no rule names."""
    kerberos = settings.cluster.kerberos
    outside = [
        (key, kind)
        for key, kind, value in (
            ("externalKdc", "kdc", kerberos.external_kdc),
            ("crossRealmTrust", "active-directory or kdc", kerberos.cross_realm_trust),
        )
        if value is not None
    ]
    if outside and not settings.network.kerberos_servers:
        key, kind = outside[0]
        yield (
            f"network.kerberosServers is empty and cluster.kerberos.{key} is set: nodes reach no server that is not "
            f"named there; add its addresses, with kind {kind}"
        )


def _partners_know_datasets(settings: Settings) -> Iterator[str]:
    """Producers' files belong to a dataset, and consumers' tables are there."""
    prefixes = [dataset.prefix for dataset in settings.datasets.values()]
    for producer in settings.storage.producers:
        lost = [prefix for prefix in producer.prefixes if not prefix.startswith(tuple(prefixes))]
        if lost:
            yield (
                f"storage.producers lets {producer.principal} drop files in {', '.join(lost)}: that is in no dataset's "
                f"prefix ({', '.join(prefixes) or 'there is none'}), so nothing would come of them"
            )
    for consumer in settings.storage.consumers:
        unknown = [name for name in consumer.datasets if name not in settings.datasets]
        if unknown:
            yield (
                f"storage.consumers lets {consumer.principal} read {', '.join(unknown)}, which datasets does not "
                f"declare; it declares: {', '.join(settings.datasets) or 'none'}"
            )


RULES: tuple[Rule, ...] = (
    Rule(("network",), _zones_and_gateways),
    Rule(("storage", "orchestration"), _staging_outlives_steps),
    Rule(("network", "cluster"), _kerberos_servers_can_be_reached),
    Rule(("storage", "datasets"), _partners_know_datasets),
    Rule(("orchestration", "monitoring"), _intake_alarm_waits_for_the_window),
)
"""Rules between keys that need nothing but the values; `components/rules.py` adds those that need more."""


def model_of(annotation: Any) -> type[SettingsModel] | None:
    """The settings model in an annotation: itself, optional, annotated, or the element of a list or mapping."""
    if isinstance(annotation, type) and issubclass(annotation, SettingsModel):
        return annotation
    # The last argument of a mapping is its value; what is not a model gives None.
    return next((model for part in reversed(get_args(annotation)) if (model := model_of(part)) is not None), None)


def key_of(model: type[BaseModel], name: str) -> str:
    """A field's key in YAML."""
    return model.model_fields[name].alias or name


def keys_of(model: type[BaseModel]) -> list[str]:
    """All keys of a model in YAML, in order."""
    return [key_of(model, name) for name in model.model_fields]


def nearest(key: str, known: Sequence[str]) -> str:
    """What to say about an unknown key: the known one that is most alike, or all of them."""
    folded = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in known}
    close = difflib.get_close_matches(re.sub(r"[^a-z0-9]", "", key.lower()), list(folded), n=1)
    return f"did you mean {folded[close[0]]}?" if close else f"allowed: {', '.join(known)}"


def _field_at(location: Sequence[int | str]) -> tuple[type[SettingsModel], FieldInfo | None]:
    """The model around a location of an error, and the field that the location ends in or lies in."""
    model: type[SettingsModel] = Settings
    field: FieldInfo | None = None
    for part in location:
        inner = model_of(field.annotation) if field is not None else None
        if inner is not None and part in keys_of(inner):
            model, field = inner, None
        if field is None:
            field = next((f for name, f in model.model_fields.items() if part == key_of(model, name)), None)
    return model, field


def is_secret(annotation: Any) -> bool:
    """Whether a field's values are secret."""
    return annotation is SecretStr or any(is_secret(part) for part in get_args(annotation))


_EXPECTED = {
    "model_type": "must be an object with the keys {keys}",
    "model_attributes_type": "must be an object with the keys {keys}",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
    "string_type": "must be text: put it in quotes",
    "int_type": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number, without quotes",
    "bool_type": "must be true or false",
}
"""What to say instead of pydantic's words, which are for programmers."""


def _one_line(text: str) -> str:
    """`text` without line ends: a line is a mistake."""
    return "".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in text)


def _path(project: str, location: Sequence[int | str]) -> str:
    parts = [str(part) if re.fullmatch(r"[\w-]+", str(part)) else json.dumps(part) for part in location]
    return _one_line(f"{project}:{'.'.join(parts)}")


def _describe(mistake: ErrorDetails, project: str, *, secret: bool) -> Iterator[str]:
    """The lines of one error of pydantic."""
    location = mistake["loc"]
    if mistake["type"] == "extra_forbidden":
        around, field = _field_at(location[:-1])
        model = (model_of(field.annotation) if field is not None else None) or around
        yield f"{_path(project, location)}: unknown key; {nearest(str(location[-1]), keys_of(model))}"
        return
    path = _path(project, location)
    _, field = _field_at(location)
    meaning = " ".join((field.description or "").split()) if field is not None else ""
    first_sentence = re.match(r".*?[.:;](?=\s|$)", meaning)
    why = f" ({first_sentence[0].rstrip('.:;').replace('``', '')})" if first_sentence else ""
    if mistake["type"] == "missing":
        yield f"{path}: missing; it is required{why}"
        return
    value = mistake["input"]
    hidden = secret or (field is not None and is_secret(field.annotation))
    plain = not isinstance(value, dict | list | tuple | BaseModel) and not hidden
    shown = f" is {json.dumps(value, default=str)}:" if plain else ":"
    model = model_of(field.annotation) if field is not None else None
    inner_keys = keys_of(model) if model is not None else []
    if mistake["type"] == "value_error":
        # The project's own words. "core.scaling is …" begins with a key of the model, and continues the path.
        for reason in mistake["msg"].removeprefix("Value error, ").splitlines():
            if hidden:
                yield f"{path}: not allowed; what is wrong is not shown, because the value is secret{why}"
            elif (word := re.match(r"([a-z]\w*)[\w.]* (is|holds|names|lacks) ", reason)) and word[1] in inner_keys:
                yield _one_line(f"{path}.{reason}")
            else:
                yield _one_line(f"{path}{shown} {reason}")
        return
    expected = _EXPECTED.get(mistake["type"])
    if expected is not None:
        reason = expected.format(keys=", ".join(inner_keys))
    else:
        reason = re.sub(r"^(Input|Value|String|Tuple) should ", "must ", mistake["msg"])
    yield _one_line(f"{path}{shown} {reason}{why}")


def _unprintable(value: Any, location: tuple[int | str, ...] = ()) -> Iterator[tuple[int | str, ...]]:
    """Where a text or key holds a line end or another character that nobody sees."""
    if isinstance(value, str) and not value.isprintable():
        yield location
    elif isinstance(value, Mapping):
        for key, inner in cast(Mapping[str, Any], value).items():
            if not key.isprintable():
                yield (*location, key)
            yield from _unprintable(inner, (*location, key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(cast(Sequence[Any], value)):
            yield from _unprintable(inner, (*location, number))


def parse(
    values: Mapping[str, Any],
    project: str = "emr-pipeline",
    rules: Sequence[Rule] = RULES,
    secret_groups: Collection[str] = (),
    groups: Collection[str] | None = None,
) -> Settings:
    """Make `Settings` of plain values, by group, under the rules between them.

    Args:
        values: an object a group, with the keys of the stack file.
        project: what keys begin with in messages.
        rules: what the groups must keep together.
        secret_groups: groups of which no value may be shown, because the stack file keeps some of it encrypted.
        groups: those that a program uses which is not the whole pipeline; the result has no others without a default.

    Raises:
        ConfigurationError: with one line a mistake: config key, value, what is allowed and why.
    """
    lines: list[str] = []
    wrong: set[str] = set()
    for location in _unprintable(values):
        wrong.add(str(location[0]))
        lines.append(
            f"{_path(project, location)}: holds a character that nobody sees (a line end, a tab): leave it out"
        )
    strictly: dict[str, Any] = {"strict": True, "by_alias": True, "by_name": False}
    try:
        # As JSON, strictly: a number in quotes or a `true` for a count is a slip, and editors say the same.
        settings = Settings.model_validate_json(json.dumps(values), **strictly)
    except ValidationError as error:
        mistakes = [
            mistake for mistake in error.errors(include_url=False) if groups is None or mistake["loc"][0] in groups
        ]
        for mistake in mistakes:
            location = mistake["loc"]
            if mistake["type"] == "too_short" and any(
                other["loc"][: len(location)] == location for other in mistakes if other is not mistake
            ):
                continue  # a list counts as empty when none of its items will do; these say why
            group = str(mistake["loc"][0]) if mistake["loc"] else ""
            wrong.add(group)
            lines.extend(_describe(mistake, project, secret=group in secret_groups))
        # What is valid is still held against the rules, so that one run shows everything that there is to mend.
        valid = {
            name: TypeAdapter(cast(Any, field.annotation)).validate_json(json.dumps(values[key]), **strictly)
            for name, field in Settings.model_fields.items()
            if (key := key_of(Settings, name)) in values and key not in wrong
        }
        settings = Settings.model_construct(**valid)
    for rule in rules:
        if wrong.isdisjoint(rule.groups) and (groups is None or set(rule.groups) <= set(groups)):
            try:
                lines.extend(f"{project}:{_one_line(line)}" for line in rule.check(settings))
            except ConfigurationError as error:
                lines.extend(str(error).splitlines())
    if lines:
        raise ConfigurationError("\n".join(dict.fromkeys(lines)))
    return settings


def load(
    config: pulumi.Config | None = None, rules: Sequence[Rule] = RULES, groups: Collection[str] | None = None
) -> Settings:
    """Read the stack's configuration.

    A program that uses a few components names their `groups`: the others are not read, no key is unknown, and what the
    result has without a default is what was named.

    Raises:
        ConfigurationError: see `parse`.
    """
    config = config or pulumi.Config()
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    known = [key for key in keys_of(Settings) if groups is None or key in groups]
    prefix = f"{config.name}:"
    # Config offers no list of its keys, and wants a secret's name spelled before it gives one; these are the places
    # that it reads from.
    for full in sorted({*CONFIG.get(), *get_config_env(), *(prefix + name for name in known)}):
        if not full.startswith(prefix):
            continue
        name = full.removeprefix(prefix)
        text = get_config(full)
        if name not in known:
            if groups is None:
                mistakes.append(f"{_path(config.name, (name,))}: unknown key; {nearest(name, known)}")
        elif text is not None:
            try:
                values[name] = json.loads(text)
            except ValueError:
                mistakes.append(f"{full}: must be an object with the group's keys")
    if groups is None and not get_config("aws:region"):
        mistakes.append("aws:region: missing; it is required (the region that the stack lives in, e.g. eu-west-1)")
    secret = [name for name in known if is_config_secret(prefix + name)]
    try:
        settings = parse(values, config.name, rules, secret, groups)
    except ConfigurationError as error:
        raise ConfigurationError("\n".join([*mistakes, str(error)])) from None
    if mistakes:
        raise ConfigurationError("\n".join(mistakes))
    return settings

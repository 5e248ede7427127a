"""Rules as Pulumi policies."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, cast

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyComplianceFramework,
    PolicyConfigSchema,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy import Severity as PulumiSeverity
from pulumi_policy.secret import Secret

from policies.exceptions import ResourceException
from policies.ledger import Ledger
from policies.model import Finding, Findings, Resource, Rule, Settings, Severity, Stack, violation
from policies.plain import plain


def pulumi_policies(rules: Sequence[Rule], exceptions: Sequence[ResourceException] = ()) -> Iterator[Policy]:
    """All rules as policies of one pack, which share one ledger."""
    ledger, copies = Ledger(exceptions), _Copies()
    for rule in rules:
        yield _marked(_policy(rule, ledger, copies), rule.types if rule.resource_check is not None else frozenset())
    for policy in (_undecided_policy(ledger), _exceptions_policy(ledger), _summary_policy(ledger)):
        yield _marked(policy, frozenset())


def _marked(policy: Policy, types: frozenset[str]) -> Policy:
    """The policy, of which `decoding` knows that it only reads its arguments, and which types it judges (none: all)."""
    cast("Any", policy).judged_types = types
    return policy


def settings_of(rule: Rule, configured: Mapping[str, Any] | None) -> Settings:
    """A rule's settings: what the stack's policy configuration says, else the defaults."""
    given = {name: plain(value) for name, value in (configured or {}).items()}
    return {name: given.get(name, setting.default) for name, setting in rule.settings.items()}


def judge(rule: Rule, resource: Resource, stack: Stack | None, settings: Settings) -> list[Finding]:
    """A rule's findings about a resource. A rule that breaks says so in a finding of its own."""
    findings: dict[Finding, None] = {}
    try:
        for finding in _check(rule, resource, stack, settings):
            findings[finding] = None
    except Exception as error:
        # Only the kind and the place: the text of an exception may quote a secret.
        place = traceback.extract_tb(error.__traceback__)[-1]
        findings[
            violation(
                "",
                f"the rule broke on it ({type(error).__name__} in {place.name}, line {place.lineno})",
                f"Report this as a defect of rule {rule.id}; until it is mended, check the resource by hand.",
            )
        ] = None
    return list(findings)


def _check(rule: Rule, resource: Resource, stack: Stack | None, settings: Settings) -> Findings:
    if rule.resource_check is not None:
        return rule.resource_check(resource, settings)
    if rule.stack_check is not None and stack is not None:
        return rule.stack_check(resource, stack, settings)
    return ()


def message(rule: Rule, resource: Resource, finding: Finding) -> str:
    """What a person reads: what is wrong and where, then how to mend it."""
    where = f", {finding.where}" if finding.where else ""
    return f"{resource.label}{where}: {finding.what}.\nFix: {finding.fix or rule.fix}"


def _report(
    rule: Rule, resource: Resource, findings: Iterable[Finding], ledger: Ledger, report: Callable[[str], None]
) -> None:
    findings = list(findings)
    ledger.note(rule.id, resource.urn, sum(not finding.decided for finding in findings))
    broken = [finding for finding in findings if finding.decided]
    exception = _exception(rule, resource, ledger) if broken else None
    ledger.find(rule.id, rule.severity, resource.urn, 0 if exception else len(broken))
    if exception is not None:
        ledger.use(exception, resource.urn)
        return
    for finding in broken:
        report(message(rule, resource, finding))


def _exception(rule: Rule, resource: Resource, ledger: Ledger) -> ResourceException | None:
    return next((e for e in ledger.exceptions if e.holds(rule.id, resource, date.today())), None)


def _policy(rule: Rule, ledger: Ledger, copies: _Copies) -> Policy:
    def validate_resource(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if rule.judges(args.resource_type):
            resource = copies.resource(args)
            findings = judge(rule, resource, None, settings_of(rule, args.get_config()))
            _report(rule, resource, findings, ledger, lambda text: report(text, None))

    def validate_stack(args: StackValidationArgs, report: ReportViolation) -> None:
        stack = copies.stack(args)
        settings = settings_of(rule, args.get_config())
        for resource in stack.of(*sorted(rule.types)) if rule.types else stack.resources:
            findings = judge(rule, resource, stack, settings)
            urn = resource.urn
            _report(rule, resource, findings, ledger, lambda text, urn=urn: report(text, urn))

    def remediate(args: ResourceValidationArgs) -> Mapping[str, Any] | None:
        changes = rule.remedy.get(args.resource_type)
        if not changes:
            return None
        resource = _checked(args)
        broken = any(f.decided for f in judge(rule, resource, None, settings_of(rule, args.get_config())))
        return remedied(args.props, changes) if broken and _exception(rule, resource, ledger) is None else None

    if rule.resource_check is None:
        return StackValidationPolicy(validate=validate_stack, **_about(rule))
    return ResourceValidationPolicy(
        validate=validate_resource, remediate=cast("Any", remediate) if rule.remedy else None, **_about(rule)
    )


def remedied(properties: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of some properties with values set; what is secret or not known yet stays so."""
    copied = _members(properties)
    for path, value in changes.items():
        *parents, last = path.split(".")
        inner = copied
        for key in parents:
            inner[key] = _members(inner.get(key))
            inner = inner[key]
        inner[last] = value
    return copied


def _members(value: Any) -> dict[str, Any]:
    """The members of an object as the SDK holds them: its proxies would take the mark off a secret."""
    if isinstance(value, Secret):
        value = value.value
    if not isinstance(value, Mapping):
        return {}
    return dict(value if isinstance(value, dict) else cast("Any", value)["__target"])


def _about(rule: Rule) -> dict[str, Any]:
    level = EnforcementLevel.MANDATORY if rule.severity.stops else EnforcementLevel.ADVISORY
    schema = {name: {**setting.schema, "default": setting.default} for name, setting in rule.settings.items()}
    return {
        "name": rule.policy_name,
        "description": f"{rule.id}: {rule.title}",
        "enforcement_level": level if rule.enabled else EnforcementLevel.DISABLED,
        "config_schema": PolicyConfigSchema(schema) if schema else None,
        "display_name": rule.title,
        "severity": PulumiSeverity(rule.severity.value),
        "framework": PolicyComplianceFramework(name="emr-pipeline", reference=rule.id, specification=rule.source),
        "tags": [rule.family, *rule.frameworks],
        "remediation_steps": rule.fix,
    }


@dataclass
class _Copies:
    """The resource and the stack that were copied last.

    The SDK asks each policy about each resource; when `decoding` is at work it hands all of them the same properties.
    These are kept beside the copy, so that their identity is not given to others. Several threads may ask at once:
    then one copies in vain.
    """

    _resource: tuple[object, Resource] | None = None
    _stack: tuple[object, Stack] | None = None

    def resource(self, args: ResourceValidationArgs) -> Resource:
        """The resource of a request."""
        kept = self._resource
        if kept is None or kept[0] is not args.props:
            kept = self._resource = (args.props, _checked(args))
        return kept[1]

    def stack(self, args: StackValidationArgs) -> Stack:
        """The stack of a request."""
        kept = self._stack
        if kept is None or kept[0] is not args.resources:
            kept = self._stack = (args.resources, Stack(_made(resource) for resource in args.resources))
        return kept[1]


def _checked(args: ResourceValidationArgs) -> Resource:
    return Resource(
        args.resource_type,
        args.name,
        args.urn,
        args.props,
        parent=args.opts.parent,
        protect=args.opts.protect,
        ignored=list(args.opts.ignore_changes),
        provider=args.provider.props if args.provider else None,
    )


def _made(resource: PolicyResource) -> Resource:
    return Resource(
        resource.resource_type,
        resource.name,
        resource.urn,
        resource.props,
        depends={name: [target.urn for target in targets] for name, targets in resource.property_dependencies.items()},
        parent=resource.parent.urn if resource.parent else None,
        protect=resource.opts.protect,
        ignored=list(resource.opts.ignore_changes),
        provider=resource.provider.props if resource.provider else None,
    )


def _undecided_policy(ledger: Ledger) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        totals = ledger.undecided()
        if totals:
            listed = ", ".join(f"{rule} ({count})" for rule, count in sorted(totals.items()))
            report(
                f"{sum(totals.values())} facts are not known yet; these rules have not spoken about them: {listed}.\n"
                "Fix: nothing to do if the update decides them; it runs the same rules on the real values.",
                None,
            )

    return StackValidationPolicy(
        name="gen-05-undecided",
        description="GEN-05: What could not be decided before the deployment is counted, not passed over",
        validate=validate,
        enforcement_level=EnforcementLevel.ADVISORY,
        severity=PulumiSeverity.LOW,
    )


def _exceptions_policy(ledger: Ledger) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        places = {Resource(r.resource_type, r.name, r.urn, {}).place for r in args.resources}
        for exception in ledger.unused():
            if not any(exception.concerns(*place) for place in places):
                continue
            expired = date.today() > exception.expires
            state = f"expired on {exception.expires}" if expired else "excuses nothing in this stack"
            report(
                f"Exception of {exception.owner} from {exception.rule} for {exception.name} "
                f"({exception.type}) {state}.\n"
                "Fix: mend the resource and remove the exception from policies/exceptions.json, or renew it.",
                None,
            )

    return StackValidationPolicy(
        name="gen-06-exceptions",
        description="GEN-06: An exception is for something, and ends",
        validate=validate,
        enforcement_level=EnforcementLevel.ADVISORY,
        severity=PulumiSeverity.MEDIUM,
    )


_ORDER: Final = tuple(severity.value for severity in Severity)


def _summary_policy(ledger: Ledger) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        broken = ledger.broken()
        if not broken:
            return
        counts = ", ".join(f"{broken[severity]} {severity}" for severity in _ORDER if severity in broken)
        rest = f"; {sum(ledger.undecided().values())} not decided, {ledger.excused()} excused"
        report(
            f"{sum(broken.values())} violations: {counts}{rest}.\n"
            "Fix: begin with the most severe; critical and high ones stop the deployment unless configured otherwise.",
            None,
        )

    return StackValidationPolicy(
        name="gen-07-summary",
        description="GEN-07: How much there is to mend, by severity",
        validate=validate,
        enforcement_level=EnforcementLevel.ADVISORY,
        severity=PulumiSeverity.LOW,
    )

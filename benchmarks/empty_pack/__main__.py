"""The least pack that the SDK serves: what it adds to a preview, every pack adds."""

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
)


def look_at_nothing(args: ResourceValidationArgs, report_violation: ReportViolation) -> None:
    """Find nothing."""


PolicyPack(
    name="empty",
    policies=[
        ResourceValidationPolicy(
            name="looks-at-nothing",
            description="Finds nothing.",
            validate=look_at_nothing,
            enforcement_level=EnforcementLevel.ADVISORY,
        )
    ],
)

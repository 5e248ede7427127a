"""Controls of NIST SP 800-53 Rev. 5 that the rules answer, as Security Hub maps the like ones of its own."""

from __future__ import annotations

from typing import Final

_ENCRYPTED: Final = "SC-12 SC-13 SC-28"
_IN_TRANSIT: Final = "SC-8 SC-13 SC-23"
_NOT_PUBLIC: Final = "AC-3 AC-4 AC-6 SC-7"
_LEAST: Final = "AC-2 AC-3 AC-5 AC-6"
_LOGGED: Final = "AU-2 AU-3 AU-12 SI-4"
_RECOVERABLE: Final = "CP-9 CP-10 SI-12"
_KEPT: Final = "CA-9 CM-2 CM-3 SC-5"

_CONTROLS: Final[dict[str, str]] = {
    **dict.fromkeys(("NET-01", "NET-02", "NET-03", "NET-05", "NET-06", "NET-07", "NET-09", "NET-10"), _NOT_PUBLIC),
    **dict.fromkeys(("NET-11", "NET-12", "NET-14"), "AC-4 SC-7"),
    **dict.fromkeys(("NET-08", "NET-13"), _LOGGED),
    **dict.fromkeys(("EMR-01", "EMR-02", "EMR-03", "EMR-05"), _ENCRYPTED),
    "EMR-04": _IN_TRANSIT,
    "EMR-06": "AC-3 AC-6",
    **dict.fromkeys(("EMR-07", "EMR-09", "EMR-10"), _NOT_PUBLIC),
    "EMR-08": _LOGGED,
    "EMR-11": "SI-2",
    "EMR-12": _KEPT,
    **dict.fromkeys(("EMR-13", "EMR-16"), "AC-2 IA-2 IA-5"),
    **dict.fromkeys(("EMR-14", "EMR-17"), "CM-7 SI-7"),
    **dict.fromkeys(("S3-01", "S3-04", "S3-05", "S3-11"), _NOT_PUBLIC),
    "S3-02": _ENCRYPTED,
    "S3-03": _IN_TRANSIT,
    **dict.fromkeys(("S3-06", "S3-10"), _RECOVERABLE),
    "S3-07": _LOGGED,
    "S3-08": "AC-3 AC-6",
    "S3-09": "SI-12",
    "S3-12": "AC-3",
    "S3-13": "AC-3 SC-7",
    "GLU-05": "SI-2",
    "GLU-06": _IN_TRANSIT,
    **dict.fromkeys(("GLU-07", "ECS-02"), _LOGGED),
    "EC2-04": "AC-4 SC-7",
    "ECS-01": _LEAST,
    "S3-14": _ENCRYPTED,
    "IAM-10": "AC-2 IA-2 IA-5",
    "NET-16": _NOT_PUBLIC,
    "NET-17": _NOT_PUBLIC,
    "S3-15": _LEAST,
    "IAM-11": _LEAST,
    "EMR-18": "CM-6 SC-8 SC-28",
    "EMR-19": "AC-4 SC-7",
    "LAM-08": _LEAST,
    "SFN-03": _ENCRYPTED,
    "SNS-04": _IN_TRANSIT,
    "TRL-02": "AU-6 SI-4",
    "TRL-03": _LOGGED,
    "STO-09": "AC-2 AC-3 AC-6 IA-2",
    "STO-10": "AU-2 AU-12 SI-2",
    "STO-11": "AU-2 AU-12",
    "KMS-01": "SC-12 SC-28",
    "KMS-02": _NOT_PUBLIC,
    "KMS-03": "SC-12",
    **dict.fromkeys(("IAM-01", "IAM-02", "IAM-03", "IAM-04", "IAM-05", "IAM-06", "IAM-07", "IAM-09"), _LEAST),
    "IAM-08": "AC-2 IA-2 IA-5",
    **dict.fromkeys(("LAM-01", "LAM-02"), _NOT_PUBLIC),
    **dict.fromkeys(("LAM-03", "SFN-02"), "AU-12 SI-4"),
    "LAM-04": "AC-4 SC-7",
    "LAM-05": "AU-5 SI-11",
    "LAM-06": "SI-2",
    "LAM-07": _ENCRYPTED,
    "SFN-01": _LOGGED,
    **dict.fromkeys(("SNS-01", "SQS-01", "SMG-01", "SSM-01", "DDB-01", "LOG-01"), _ENCRYPTED),
    **dict.fromkeys(("SNS-02", "SQS-02", "EVB-01", "SMG-03", "DDB-04", "GLU-04"), _NOT_PUBLIC),
    **dict.fromkeys(("SNS-03", "SQS-03"), _IN_TRANSIT),
    **dict.fromkeys(("EVB-02", "SQS-04"), "AU-5 SI-11"),
    "SMG-02": "AC-2 IA-5",
    "SMG-04": "CP-9",
    **dict.fromkeys(("DDB-02", "STO-06"), _RECOVERABLE),
    "DDB-03": _KEPT,
    **dict.fromkeys(("GLU-01", "GLU-02", "GLU-03", "ATH-01"), _ENCRYPTED),
    "LOG-02": "AU-11 SI-12",
    **dict.fromkeys(("ALM-01", "ALM-02"), "AU-6 IR-4 SI-4"),
    "TRL-01": "AU-2 AU-9 AU-12 SI-7",
    **dict.fromkeys(("EC2-01", "EC2-03"), "AC-3 AC-4 AC-6"),
    "EC2-02": _ENCRYPTED,
    **dict.fromkeys(("STO-01", "STO-02"), _ENCRYPTED),
    **dict.fromkeys(("STO-03", "STO-04", "STO-08"), _NOT_PUBLIC),
    "STO-05": _IN_TRANSIT,
    "STO-07": "CM-2 RA-5 SI-2",
    "SEC-01": "IA-5 SC-28",
    "GEN-01": "CM-8",
    **dict.fromkeys(("GEN-02", "GEN-04"), _KEPT),
    "GEN-03": "AC-4",
}


def controls_of(rule: str) -> tuple[str, ...]:
    """The controls that a rule answers, as frameworks are written."""
    return tuple(f"NIST 800-53 {control}" for control in _CONTROLS.get(rule, "").split())

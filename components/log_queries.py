"""Saved queries of CloudWatch Logs Insights for the five questions that operators ask.

No metric filter stands beside them: every number that an alarm needs exists as a metric.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.network import FLOW_LOG_FORMAT

_FLOW_FIELDS = [name.strip("${}").replace("-", "_") for name in FLOW_LOG_FORMAT.split()]
"""Logs Insights knows the fields of the default format only; ours has more."""


@dataclass(frozen=True)
class LogQuery:
    """A saved query."""

    name: str
    """The question, in short."""
    question: str
    log_group: str
    """Part of the stack whose log group it reads: ``dispatcher-logs``, ``execution-logs``, ``flow-logs``."""
    query: str


LOG_QUERIES = (
    LogQuery(
        name="why-executions-failed",
        question="Which executions failed, in which state, and with what error?",
        log_group="execution-logs",
        query="""fields @timestamp, execution_arn, type, details.name, details.error, details.cause
| filter type in ["ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted", "TaskFailed", "TaskTimedOut"]
| sort @timestamp desc
| limit 100""",
    ),
    LogQuery(
        name="where-executions-wait",
        question="Which states do executions spend their time in?",
        log_group="execution-logs",
        query="""filter type like /StateEntered|StateExited/
| stats count(*) as events, max(@timestamp) as latest by details.name, type
| sort events desc
| limit 100""",
    ),
    LogQuery(
        name="what-became-of-a-file",
        question="What did the dispatcher do with a file? (Put its key in the place of PUT-THE-KEY-HERE.)",
        log_group="dispatcher-logs",
        query="""fields @timestamp, @message
| filter @message like "PUT-THE-KEY-HERE"
| sort @timestamp asc
| limit 100""",
    ),
    LogQuery(
        name="what-the-dispatcher-could-not-do",
        question="Which messages were malformed, ignored or given back, and why?",
        log_group="dispatcher-logs",
        query="""fields @timestamp, level, message, @message
| filter level in ["ERROR", "WARNING"] or @message like /Traceback|Task timed out|ERROR/
| sort @timestamp desc
| limit 100""",
    ),
    LogQuery(
        name="what-the-network-refused",
        question="Which connections of the cluster were refused, from where to where?",
        log_group="flow-logs",
        query=f"""parse @message "{" ".join("*" for _ in _FLOW_FIELDS)}" as {", ".join(_FLOW_FIELDS)}
| filter action = "REJECT"
| stats count(*) as refused by srcaddr, dstaddr, dstport, protocol
| sort refused desc
| limit 50""",
    ),
)
"""In the order of the questions: why did it fail, why is it slow, where is my file, what is wrong with the intake, what
does the network refuse."""

"""Make ``docs/benchmarks.md`` of what ``make bench`` measured: ``python -m benchmarks.document FILE``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tools import cli

TARGET = cli.ROOT / "docs" / "benchmarks.md"
TITLES = {
    "preview": "Preview",
    "ingest": "Ingest",
    "job": "The Spark job",
    "deploy-path": "The deployment's longest chains",
    "newcomer": "From a clean clone to a processed file",
}
READING = {
    "preview": "The floor is the same engine with the same resources, registered raw. Ratios are of runs in turns.",
    "ingest": "The direct pattern is one execution an object, started by a rule, with the same definition.",
    "job": "The floor is bare Spark: read with types, write partitioned Parquet, in the same session and in turns.",
    "deploy-path": "Typical creation times, along the dependencies of the engine's own plan.",
    "newcomer": "`make sandbox` in a fresh clone. Cold: every cache empty.",
}


def _value(figure: Mapping[str, Any]) -> str:
    value = figure["value"]
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.3g}"
    runs = figure.get("runs", [])
    spread = f" ({min(runs):,.3g} to {max(runs):,.3g})" if len(runs) > 1 else ""
    return f"{shown} {figure['unit']}{spread}"


def render(lines: Iterable[str]) -> str:
    """The page, from the JSON lines that ``make bench`` printed.

    Raises:
        ValueError: when a line is none of them.
    """
    machine: dict[str, Any] = {}
    figures: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        entry = json.loads(line)
        if "machine" in entry:
            machine = entry["machine"]
        elif "benchmark" in entry:
            figures.setdefault(entry["benchmark"], []).append(entry)
        else:
            raise ValueError(f"this is no line of 'make bench': {line[:100]}")
    text = [
        "# Benchmarks",
        "",
        "Made by `make bench` from its own output; do not edit. Medians, with the least and the most of all runs.",
        "Absolute times are this machine's; ratios compare things that ran in turns on it.",
        "",
        f"Machine: {machine['processor']}, {machine['cores']} cores, {machine['memoryGiB']} GiB, {machine['system']}, "
        f"Python {machine['python']}; load at the start {machine['load'][0]}.",
    ]
    for name, title in TITLES.items():
        if name not in figures:
            continue
        text += [
            "",
            f"## {title}",
            "",
            READING[name],
            "",
            "| figure | value | goal | met |",
            "| --- | --- | --- | --- |",
        ]
        for figure in figures[name]:
            met = {"True": "yes", "False": "**no**"}.get(str(figure.get("met")), "")
            text.append(f"| {figure['figure']} | {_value(figure)} | {figure.get('goal', '')} | {met} |")
        if name == "deploy-path":
            text += ["", "![The longest chains](images/deploy-path.svg)"]
    notes = Path(__file__).with_name("notes.md")
    if notes.exists():
        text += ["", notes.read_text().rstrip()]
    return "\n".join(text) + "\n"


def main() -> int:
    """Write the page."""
    if len(sys.argv) != 2:
        print("usage: python -m benchmarks.document FILE, FILE being what 'make bench' wrote", file=sys.stderr)
        return 2
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(render(Path(sys.argv[1]).read_text().splitlines()))
    print(f"wrote {TARGET.relative_to(cli.ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

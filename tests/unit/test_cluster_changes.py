"""The page's table of what a change of the cluster's settings does: whole, and all of it shown by a change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from settings import ClusterSettings, SettingsModel, key_of, model_of
from tests.sandbox.cluster_changes import CLUSTER, FIXED_TASK, SETTINGS, TASK, UPDATES, Change, entries, merged, places

EFFECTS = dict(entries(Path(__file__).resolve().parents[2] / "docs" / "cluster.md"))
CHANGES = [change for update in UPDATES for change in update.changes]
REFUSED = [entry for entry, effect in EFFECTS.items() if effect.startswith("cannot be set")]


def leaves(model: type[SettingsModel], path: str = "") -> Iterator[str]:
    """Every key that holds no further keys; a list or mapping is one."""
    for name, field in model.model_fields.items():
        inner = model_of(field.annotation)
        key = f"{path}{key_of(model, name)}"
        several = re.search(r"tuple\[|dict\[", str(field.annotation))
        if inner is None or several:
            yield key
        else:
            yield from leaves(inner, f"{key}.")


@pytest.mark.parametrize("setting", list(leaves(ClusterSettings)))
def test_the_table_tells_what_each_setting_does(setting: str) -> None:
    told = {re.match(r"[\w.]+", entry)[0] for entry in EFFECTS}  # pyright: ignore[reportOptionalSubscript]
    above = {".".join(setting.split(".")[:steps]) for steps in range(1, setting.count(".") + 2)}
    assert told & above, f"docs/cluster.md, 'What a change does', lacks {setting}: add it, and its change"


@pytest.mark.parametrize("entry", sorted(EFFECTS.keys() - REFUSED))
def test_each_entry_of_the_table_is_tried(entry: str) -> None:
    assert [change for change in CHANGES if change.entry == entry], f"tests/sandbox/cluster_changes.py lacks {entry}"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.entry)
def test_each_change_does_what_the_table_says(change: Change) -> None:
    effect, shows = EFFECTS[change.entry], change.shows
    setting = re.match(r"[\w.]+", change.entry)
    assert setting is not None
    top, *below = setting[0].split(".")
    assert top in change.change, f"the change of {change.entry} changes it"
    assert not below or below[0] in change.change[top]
    cluster = shows.get(CLUSTER, "")
    if effect.startswith("another cluster"):
        assert cluster.startswith("replace")
    elif effect.startswith("another task group"):
        assert not cluster
        assert re.match("replace|create|delete", shows[FIXED_TASK if FIXED_TASK in shows else TASK])
    elif effect.startswith("nothing"):
        assert shows == {}
    elif effect.startswith("one object"):
        assert len(shows) == 1
        assert not cluster
    else:
        assert re.match("changes|resizes|puts|takes", effect), f"{effect!r}: say here how that shows"
        assert shows
        assert not cluster.startswith("replace")
        assert not re.match("replace|create|delete", shows.get(TASK, ""))


@pytest.mark.parametrize("entry", REFUSED)
def test_what_cannot_be_set_is_refused(entry: str) -> None:
    group, _, key = entry.rpartition(".")
    value = {"spotBidPrice": "0.2", "scaling": {"minimum": 1, "maximum": 2}}.get(key, [])
    change = {group: {key: value}} if group else {key: value}
    with pytest.raises(ValidationError, match=re.escape(entry)):
        ClusterSettings.model_validate(merged({**SETTINGS, "primary": {"instanceType": "m5.xlarge"}}, change))


def test_the_changes_of_one_update_are_told_apart() -> None:
    for update in UPDATES:
        seen: dict[tuple[str, str], str] = {}
        for change in update.changes:
            for resource, operation in change.shows.items():
                own = [name for name in operation.split()[1:] if name not in ("securityConfiguration", "name")]
                for name in own:
                    other = seen.setdefault((resource, name), change.entry)
                    assert other == change.entry, f"{change.entry} and {other} both show in {name} of {resource}"


def test_a_difference_has_its_place() -> None:
    assert places("size", 1, 2) == ["size"]
    assert places("volumes", [{"size": 1, "type": "gp3"}], [{"size": 2, "type": "gp3"}]) == ["volumes[0].size"]
    assert places("policy", '{"A": {"B": 1, "C": 1}, "D": [1]}', '{"A": {"B": 2, "C": 1}, "D": [2]}') == [
        "policy:A.B",
        "policy:D",
    ]

"""Archives of the Lambda functions: the project's own modules and the packages that Lambda's runtime does not have.

Files are listed one by one, from the packages as ``requirements.lock`` pins them, nothing compiled or cached: the same
source gives the same archive on every machine, and it runs on arm64 although it was put together elsewhere. wrapt's
compiled part is left out with that; it has the same in Python and falls back by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from importlib.metadata import distribution
from pathlib import Path

import pulumi

ROOT = Path(__file__).resolve().parent.parent

POWERTOOLS = ("aws-lambda-powertools", "aws-xray-sdk", "typing-extensions", "wrapt")
"""Powertools for AWS Lambda with what logging, metrics, tracing and batches need beside boto3, which Lambda has."""

LEFT_OUT = ("aws_lambda_powertools/event_handler/", "bin/")
"""Parts that no function here uses: web frameworks."""


@functools.cache
def package_files(packages: tuple[str, ...] = POWERTOOLS) -> dict[str, Path]:
    """Files of packages by their path in the archive."""
    found: dict[str, Path] = {}
    for package in packages:
        for entry in distribution(package).files or ():
            path = entry.as_posix()
            # X-Ray's SDK reads its sampling rules from a file beside its code.
            if path.endswith((".py", ".json")) and not path.startswith((*LEFT_OUT, "..")):
                found[path] = Path(str(entry.locate()))
    return found


def function_archive(modules: Iterable[str], documents: Mapping[str, str]) -> pulumi.AssetArchive:
    """The archive of a function.

    Args:
        modules: Directories of the project, e.g. ``functions/dispatcher``, whose modules go in under the same path.
        documents: Texts that go in, by path.
    """
    assets: dict[str, pulumi.Asset | pulumi.Archive] = {}
    for directory in sorted(modules):
        for source in sorted((ROOT / directory).glob("*.py")):
            if source.name != "__main__.py":
                assets[f"{directory}/{source.name}"] = pulumi.FileAsset(str(source))
    assets["functions/__init__.py"] = pulumi.FileAsset(str(ROOT / "functions" / "__init__.py"))
    for path, source in sorted(package_files().items()):
        assets[path] = pulumi.FileAsset(str(source))
    for path, text in sorted(documents.items()):
        assets[path] = pulumi.StringAsset(text)
    return pulumi.AssetArchive(assets)

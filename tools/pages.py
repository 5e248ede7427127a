"""Pages of the site that lie elsewhere in the project (a hook of mkdocs): the policy pack's and the examples'.

Links to them stay as they are on GitHub, ``../policies/README.md``, and lead to the page on the site.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {"policies.md": "policies/README.md", "examples.md": "examples/README.md"}
"""Page of the site, and the file in the project."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie elsewhere."""
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links between the project's folders into links between pages."""
    for name, source in ELSEWHERE.items():
        markdown = markdown.replace(f"(../{source}", f"({name}")
        if page.file.src_uri == name:
            markdown = markdown.replace("(../docs/", "(")
    return markdown

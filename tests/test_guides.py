"""What the guides name is there: files, headings, commands, targets."""

import pathlib
import re

import click
import pytest
import yaml

from orchestration.cli import cli

PROJECT = pathlib.Path(__file__).resolve().parents[1]
GUIDES = [PROJECT / "README.md", *PROJECT.glob("docs/*.md"), PROJECT / "manifests" / "README.md"]

every_guide = pytest.mark.parametrize(
    "guide", GUIDES, ids=lambda path: path.relative_to(PROJECT).as_posix()
)


def anchors(guide: pathlib.Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", guide.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_guide
def test_its_links_lead_somewhere(guide: pathlib.Path) -> None:
    prose = re.sub(r"```.*?```", "", guide.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)]+)\)", prose):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = guide.parent / name if name else guide
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@every_guide
def test_its_commands_and_targets_exist(guide: pathlib.Path) -> None:
    text = guide.read_text(encoding="utf-8")
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")

    for command in re.findall(r"(?:`|^|/)complaint-pipeline ([a-z]+)", text, re.MULTILINE):
        assert cli.get_command(click.Context(cli), command) is not None, command
    for target in re.findall(r"(?:`|^)make ([a-z][a-z-]*)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for overlay in re.findall(r"manifests/overlays/([a-z]+)", text):
        assert (PROJECT / "manifests" / "overlays" / overlay).is_dir()


@every_guide
def test_its_yaml_is_yaml(guide: pathlib.Path) -> None:
    for block in re.findall(r"```yaml\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL):
        assert all(isinstance(document, dict) for document in yaml.safe_load_all(block))

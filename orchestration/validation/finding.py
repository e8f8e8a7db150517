"""What a rule is, and what it finds."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

from orchestration.validation.model import Workflow
from orchestration.validation.node import Node


@dataclasses.dataclass(frozen=True)
class Finding:
    """A place in a workflow that Argo, KFP or Kubernetes would refuse or get wrong.

    Attributes:
        rule: Name of the rule, such as ``argo-image``.
        place: Path in the workflow, such as ``spec.templates[3].container.image``.
        message: What is wrong there; part of a line, without a full stop.
        mend: What to do about it; part of a line.
    """

    rule: str
    place: str
    message: str
    mend: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}; {self.mend} [{self.rule}]"


class Problem(NamedTuple):
    """What a check yields: a finding that does not know its rule."""

    node: Node
    message: str
    mend: str


Check = Callable[[Workflow], Iterator[Problem]]


@dataclasses.dataclass(frozen=True)
class Rule:
    """A rule that a workflow must keep.

    Attributes:
        name: Short and stable, in kebab-case; its first word says who asks for it.
        summary: One line.
        source: Where the rule comes from.
        check: Yields what breaks the rule.
    """

    name: str
    summary: str
    source: str
    check: Check

    def findings(self, workflow: Workflow) -> Iterator[Finding]:
        """Yields what breaks the rule in a workflow."""
        for node, message, mend in self.check(workflow):
            # Names of any form may stand in a message, and a finding is one line.
            yield Finding(self.name, node.place, " ".join(message.split()), mend)


def rule(name: str, summary: str, source: str) -> Callable[[Check], Rule]:
    """Makes a rule of the check that it decorates."""

    def make(check: Check) -> Rule:
        return Rule(name, summary, source, check)

    return make

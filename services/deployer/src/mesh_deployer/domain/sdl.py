"""Compiles an SDL 2.0 or 2.1 into what Akash's own compiler makes of it, or says what is wrong with it.

What is compiled here hashes as Akash hashes it. What Akash's JSON schema refuses and its compiler takes is a
warning; what the compiler refuses is an error.
"""

from dataclasses import dataclass

from mesh_deployer.domain import tree
from mesh_deployer.domain.document import Document
from mesh_deployer.domain.issues import Findings, Issue, Severity, Unreadable
from mesh_deployer.domain.manifest import version_hash
from mesh_deployer.domain.place import Place
from mesh_deployer.domain.workload import Group
from mesh_deployer.errors import SdlInvalid


@dataclass(frozen=True, slots=True)
class Compilation:
    """What came of compiling: `groups` and `version_hash` only when no issue is an error.

    `reclamation_ns` is how long a provider must warn before it takes its machine back, in nanoseconds; None
    where the SDL asks for nothing.
    """

    groups: tuple[Group, ...]
    version_hash: str | None
    issues: tuple[Issue, ...]
    reclamation_ns: int | None = None

    @property
    def ok(self) -> bool:
        """True when it was compiled; what is in `issues` then are warnings."""
        return self.version_hash is not None

    def deployed(self, within: str = "") -> tuple[Group, ...]:
        """The groups. Raises `SdlInvalid` with every fault, their paths after `within`, if it has some."""
        if not self.ok:
            faults = [issue for issue in self.issues if issue.severity is Severity.ERROR]
            raise SdlInvalid(
                [
                    {"path": within + i.path, "code": i.code, "message": i.message, "hint": i.hint}
                    for i in faults
                ]
            )
        return self.groups


def compile_sdl(text: str | bytes) -> Compilation:
    """`text` as groups with their version hash, or every fault that was found in it.

    Sorted as Akash sorts, so that equal input has an equal hash. Raises nothing.
    """
    findings = Findings()
    try:
        root, is_alone = tree.read(text)
        place = Place(root, "", findings)
        if not is_alone:
            place.warn("several-documents", "Akash reads the first document only.", "Write one.")
        document = Document.read(place)
        groups = document.groups()
    except Unreadable as fault:
        return Compilation((), None, (*findings, fault.issue))
    if findings.has_errors:
        return Compilation((), None, tuple(findings))
    return Compilation(groups, version_hash(groups), tuple(findings), document.reclamation_ns)

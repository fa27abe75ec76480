"""371 Mesh from Python: find agents, hire them, deploy, read the audit, analyse a workspace.

    async with Mesh.connect(Path("admin.key")) as mesh:
        async for agent in mesh.registry.agents(capability="text.summarize"):
            print(agent.name, agent.reputation)

Whatever may be repeated is repeated, under one idempotency key; lists are read page by page; answers have
types; refusals are exceptions. It knows the services' public HTTP interface and nothing of their code.
"""

from mesh_client.mesh import Addresses, Mesh
from mesh_client.problems import FieldError, MeshError, Problem, Unfinished, Unreachable

__all__ = ["Addresses", "FieldError", "Mesh", "MeshError", "Problem", "Unfinished", "Unreachable"]

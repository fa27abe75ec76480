"""Who is woken in this process, and by what. Nobody hears other replicas, so all look by themselves too."""

from uuid import UUID
from weakref import WeakValueDictionary

from mesh_shared.bell import Bell


class News:
    """Bells of the driver and of those who wait for one deployment."""

    def __init__(self) -> None:
        self.due = Bell()
        """Rings when there may be something to do."""
        self._waited_for = WeakValueDictionary[UUID, Bell]()

    def of(self, id: UUID) -> Bell:
        """Rings when the deployment runs or has ended; keep it for as long as you wait."""
        return self._waited_for.setdefault(id, Bell())

    def settled(self, id: UUID) -> None:
        """Wakes those who wait for the deployment."""
        if (bell := self._waited_for.get(id)) is not None:
            bell.ring()

"""What can be wrong with content."""

from http import HTTPStatus

from mesh_shared.errors import MeshError, NotFound, Unavailable


class ContentNotFound(NotFound, title="Content not found"):
    def __init__(self, cid: str) -> None:
        super().__init__("The store has no content with that CID.", cid=cid)


class ContentCorrupt(MeshError, status=HTTPStatus.BAD_GATEWAY, title="Content does not match its CID"):
    """The store gave other bytes than were asked for; they were not passed on."""

    def __init__(self, cid: str) -> None:
        super().__init__("The stored bytes do not match their CID and were refused.", cid=cid)


class ContentTooLarge(MeshError, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE, title="Content too large"):
    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"At most {limit_bytes} bytes are accepted.", limit_bytes=limit_bytes)


class StoreUnavailable(Unavailable, title="Content store not available"):
    def __init__(self) -> None:
        super().__init__("store")

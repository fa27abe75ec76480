"""Why there is no page, or not the one that was asked for."""

from http import HTTPStatus


class ConsoleError(Exception):
    """An outcome that a page tells of."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    title = "Something went wrong"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class SignedOut(ConsoleError):
    """Nobody is signed in, or their session has ended."""

    status = HTTPStatus.UNAUTHORIZED
    title = "Sign in"


class Forged(ConsoleError):
    """A form that is not one of ours, or one of a session before."""

    status = HTTPStatus.FORBIDDEN
    title = "This form is not valid any more"


class Crowded(ConsoleError):
    """As many as may watch live events do so already."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Too many are watching"


class Unreachable(ConsoleError):
    """A service gave no answer, or none that can be read."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "A service does not answer"

    def __init__(self, service: str) -> None:
        super().__init__(f"The {service} does not answer.")
        self.service = service


class Refused(ConsoleError):
    """A service answered with a problem (RFC 9457); its words are shown and its page is linked."""

    def __init__(self, service: str, status: int, problem: dict[str, object]) -> None:
        super().__init__(str(problem.get("detail", "")))
        self.service = service
        self.status = HTTPStatus(status)
        self.title = str(problem.get("title", self.status.phrase))
        self.code = str(problem.get("code", ""))
        self.problem = problem

"""What the deployer asks of the security gateway, spoken as the contract between the two has it."""

import hashlib
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from mesh_shared.auth.tokens import jwks
from mesh_shared.testing import Issuer


class Gateway:
    """What the deployer asks of the security gateway, as the contract between the two has it."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.asked: list[dict[str, Any]] = []
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.garbage: Response | None = None
        self.app = FastAPI()
        self.app.add_api_route("/.well-known/jwks.json", self._jwks)
        self.app.add_api_route("/v1/sessions", self._session, methods=["POST"], status_code=201)
        self.app.add_api_route(
            "/v1/security-profiles/{profile}/compile", self._compile, methods=["POST"], response_model=None
        )

    async def _jwks(self) -> dict[str, Any]:
        return jwks([self.issuer.key])

    async def _session(self, request: Request) -> JSONResponse:
        if request.headers.get("x-api-key") != "the-deployers-key":
            return JSONResponse({"detail": "Unknown key."}, 401)
        audiences = (await request.json())["audiences"]
        token = self.issuer.token("gateway:compile", audience=audiences[0], subject="deployer")
        return JSONResponse({"token": token, "expires_at": 4102444800}, 201)

    async def _compile(self, profile: str, request: Request) -> Response:
        body = await request.json()
        token = request.headers["authorization"]
        self.asked.append(body | {"profile": profile, "authorization": token})
        if self.garbage is not None:
            return self.garbage
        if self.refusal is not None:
            return JSONResponse(self.refusal[1], self.refusal[0])
        return JSONResponse(
            {
                "profile": profile,
                "framework": body["framework"],
                "policies": [
                    {
                        "id": "default-deny",
                        "rule": "A call needs a live grant.",
                        "applies_to": [service["name"] for service in body["deployment"]["services"]],
                        "enforced_by": "security-gateway",
                        "evidence_level": "enforced",
                    }
                ],
                "controls": [
                    {
                        "id": "CC6.1",
                        "title": "Logical access",
                        "status": "pass",
                        "evidence": "No credential is held.",
                        "evidence_digest": f"sha256:{hashlib.sha256(b'CC6.1').hexdigest()}",
                    }
                ],
                "security_endpoint": "http://gateway.test/v1/proxy",
                "audit_url": f"http://gateway.test/v1/audit?agent={body['deployment']['deployment_id']}",
            }
        )

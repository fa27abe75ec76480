"""Somebody else's API that wants a credential: the sample target of a secretless call.

python examples/agents/upstream.py --port 8390 --token-file …
"""

import argparse
import hmac
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Header, HTTPException


def create_app(token: str) -> FastAPI:
    app = FastAPI(title="Weather")
    calls = {"authorized": 0, "refused": 0}

    @app.get("/v1/weather/{city}")
    async def weather(city: str, authorization: Annotated[str, Header()] = "") -> dict[str, object]:
        if not hmac.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
            calls["refused"] += 1
            raise HTTPException(401, "this API wants its token")
        calls["authorized"] += 1
        return {"city": city, "degrees_celsius": 4, "sky": "overcast"}

    @app.get("/calls")
    async def counted() -> dict[str, int]:
        return calls

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description="A sample API that wants a bearer token.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--token-file", type=Path, required=True)
    told = parser.parse_args()
    uvicorn.run(
        create_app(told.token_file.read_text().strip()), host="127.0.0.1", port=told.port, log_level="warning"
    )


if __name__ == "__main__":
    main()

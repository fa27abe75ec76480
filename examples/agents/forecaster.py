"""An agent that needs an API's answer and never has the API's key: it asks through the security gateway.

python examples/agents/forecaster.py Oslo --connection weather --api-key-file …

Prints what it saw of the exchange, every byte of it, as one line of JSON.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import httpx


def ask(gateway_url: str, key: str, connection: str, city: str) -> list[dict[str, Any]]:
    """Opens a session and asks for the weather; returns all that was sent and received."""
    seen: list[dict[str, Any]] = []

    def remember(response: httpx.Response) -> None:
        response.read()
        seen.append(
            {
                "request": {
                    "url": str(response.request.url),
                    "headers": dict(response.request.headers),
                    "body": response.request.content.decode(),
                },
                "response": {
                    "status": response.status_code,
                    "headers": dict(response.headers),
                    "body": response.text,
                },
            }
        )

    with httpx.Client(
        base_url=gateway_url, trust_env=False, timeout=20, event_hooks={"response": [remember]}
    ) as client:
        session = client.post(
            "/v1/sessions", headers={"X-API-Key": key}, json={"audiences": ["security-gateway"]}
        )
        token = session.raise_for_status().json()["token"]
        client.get(f"/v1/proxy/{connection}/v1/weather/{city}", headers={"Authorization": f"Bearer {token}"})
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description="Asks for the weather without knowing the API's key.")
    parser.add_argument("city")
    parser.add_argument("--connection", default="weather", help="the gateway's connection to the weather API")
    parser.add_argument("--api-key-file", type=Path, required=True, help="an API key of the mesh's gateway")
    parser.add_argument("--gateway-url", default="http://127.0.0.1:8374")
    told = parser.parse_args()
    seen = ask(told.gateway_url, told.api_key_file.read_text().strip(), told.connection, told.city)
    sys.stdout.write(f"{json.dumps(seen)}\n")


if __name__ == "__main__":
    main()

"""What the console is told at start."""

from pathlib import Path

import pytest
from mesh_console.app import create_app
from mesh_console.settings import Settings
from pydantic import ValidationError


def test_the_five_are_where_make_dev_starts_them():
    assert list(Settings(state_dir=Path()).urls.values()) == [
        f"http://127.0.0.1:{8371 + n}" for n in range(5)
    ]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MESH_STATE_DIR", "/somewhere")
    monkeypatch.setenv("MESH_GATEWAY_URL", "http://gateway")

    settings = Settings()  # pyright: ignore[reportCallIssue] - the environment has the rest

    assert (settings.state_dir, settings.urls["security-gateway"]) == (Path("/somewhere"), "http://gateway")


def test_the_folder_of_the_key_is_ours_alone(tmp_path: Path):
    Settings(state_dir=tmp_path / "a" / "b").prepare()

    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("wrong", [{"port": 0}, {"max_streams": 0}, {"max_body_bytes": 1}])
def test_a_limit_that_lets_nothing_pass_is_refused(wrong: dict[str, int]):
    with pytest.raises(ValidationError):
        Settings.model_validate({"state_dir": "."} | wrong)


@pytest.mark.parametrize(
    ("url", "is_tls"), [("https://mesh.example", True), ("http://127.0.0.1", False), ("", False)]
)
def test_behind_tls_the_cookie_is_for_tls(url: str, is_tls: bool):
    assert create_app(Settings(state_dir=Path(), public_url=url)).state.is_tls is is_tls

"""Secrets come by reference, and only when they are there."""

from pathlib import Path

import pytest

from syncd.model.errors import SettingsError
from syncd.settings.secrets import SecretSource
from tests.settings.support import DAEMON, Folder


def test_each_kind_of_reference_is_resolved(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbfab c\r\n")
    source = SecretSource(environ={"X": "value", "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert source.resolve("env", "X").reveal() == "value"
    assert source.resolve("file", str(tmp_path / "token")).reveal() == "ab c"
    assert source.resolve("credential", "token").reveal() == "ab c"


@pytest.mark.parametrize(
    ("kind", "name"),
    [("env", "X"), ("file", "x"), ("file", "/nowhere"), ("credential", "a"), ("credential", ".."),
     ("credential", "a/b"), ("credential", "")],
)  # fmt: skip
def test_what_is_not_there_is_told(kind: str, name: str) -> None:
    with pytest.raises(ValueError):
        SecretSource(environ={}).resolve(kind, name)


def test_an_empty_or_odd_file_is_no_secret(tmp_path: Path) -> None:
    for content in (b"", b"\n", b"\xff\xfe", b"x" * 70_000):
        (tmp_path / "s").write_bytes(content)
        with pytest.raises(ValueError):
            SecretSource(environ={}).resolve("file", str(tmp_path / "s"))


def test_a_file_that_anybody_can_read_is_remarked_on_and_still_used(folder: Folder) -> None:
    path = folder.root / "password"
    path.write_text("s3cret\n")
    folder.edit("syncd.yaml", "{env: TELENOR_PASSWORD}", f"{{file: {path}}}")
    path.chmod(0o640)
    assert folder.load().remarks == ()
    path.chmod(0o644)
    (remark,) = folder.load().remarks
    assert remark.endswith(f"can be read by anybody on this machine: chmod o-r {path}")
    assert "s3cret" not in remark


def test_settings_hold_secrets_that_print_as_stars(folder: Folder) -> None:
    settings = folder.load()
    assert settings.store.key.reveal() == "s3cret-store-key"
    token = settings.connections[next(iter(settings.connections))].notify_token
    assert token is not None
    assert token.reveal() == "s3cret-notify"
    assert "s3cret" not in repr(settings)


def test_commands_that_talk_to_no_vendor_load_without_secrets(folder: Folder) -> None:
    for path in folder.credentials.iterdir():
        path.unlink()
    assert len(folder.problems()) == 3
    settings = folder.load(needed=False)
    with pytest.raises(SettingsError, match="store-key cannot be read"):
        settings.store.key.reveal()


def test_a_literal_secret_is_no_more_accepted_without_need(folder: Folder) -> None:
    folder.edit(DAEMON, "{credential: store-key}", "hunter2")
    with pytest.raises(SettingsError, match="a secret does not stand in a file"):
        folder.load(needed=False)

"""Secrets by reference: `{env: X}`, `{file: /path}`, `{credential: name}`."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from syncd.model.errors import SettingsError
from syncd.model.secret import Secret
from syncd.settings.problems import shown

KINDS: Final = ("env", "file", "credential")
"""Ways to refer to a secret."""

SECRET_BYTES_MAX = 64 * 1024
"""Largest file read as a secret."""

ACCEPTED = "accepted: {env: NAME}, {file: /path} or {credential: name}"


class AbsentSecret(Secret):
    """Stands for a secret that was not there when settings were read without need of it."""

    __slots__ = ("_why",)

    def __init__(self, why: str) -> None:
        super().__init__("absent")
        self._why = why

    def reveal(self) -> str:
        """Refuse: whoever needs it is told why it is not there.

        Raises:
            SettingsError: always.
        """
        raise SettingsError((self._why,))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """Where references are looked up.

    Attributes:
        environ: the environment, with CREDENTIALS_DIRECTORY in it where there is one.
        open_files: filled with what anybody on the machine can read.
        needed: False: a secret that is not there becomes an AbsentSecret instead of a problem, for
            commands that talk to no vendor and may run as another user.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    needed: bool = True
    open_files: set[Path] = field(default_factory=set)

    def resolve(self, kind: str, name: str) -> Secret:
        """Fetch one secret.

        Raises:
            ValueError: it is not there; the text says what was looked for.
        """
        try:
            if kind == "env":
                return self._from_environment(name)
            if kind == "file":
                return _from_file(Path(name), self.open_files)
            return self._from_credentials(name)
        except ValueError as err:
            if self.needed:
                raise
            return AbsentSecret(str(err))

    def _from_environment(self, name: str) -> Secret:
        text = self.environ.get(name, "")
        if not text:
            raise ValueError(f"the environment variable {name} is not set")
        return Secret(text)

    def _from_credentials(self, name: str) -> Secret:
        folder = self.environ.get("CREDENTIALS_DIRECTORY", "")
        if not name or "/" in name or name.startswith("."):
            raise ValueError(f"{shown(name)} is not the name of a credential")
        if not folder:
            raise ValueError(
                f"credential {name}: CREDENTIALS_DIRECTORY is not set"
                " (systemd sets it where the unit says LoadCredential=)"
            )
        return _from_file(Path(folder) / name)


def _from_file(path: Path, open_files: set[Path] | None = None) -> Secret:
    if not path.is_absolute():
        raise ValueError(f"{shown(str(path))} is relative; a path from / is needed")
    try:
        with path.open("rb") as file:
            data = file.read(SECRET_BYTES_MAX + 1)
            # Told, not refused: containers mount secrets so that only they can reach them.
            if open_files is not None and os.fstat(file.fileno()).st_mode & stat.S_IROTH:
                open_files.add(path)
        text = data.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except OSError as err:
        raise ValueError(f"{path} cannot be read: {err.strerror}") from err
    except ValueError as err:
        raise ValueError(f"{path} is not UTF-8 text") from err
    if not text:
        raise ValueError(f"{path} is empty")
    if len(data) > SECRET_BYTES_MAX:
        raise ValueError(f"{path} is too large for a secret; at most {SECRET_BYTES_MAX} bytes")
    return Secret(text)

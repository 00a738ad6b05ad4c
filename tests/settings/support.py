"""The example configuration of MAPPING.md in a folder of its own, with its secrets."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from syncd.model.errors import SettingsError
from syncd.settings.load import load
from syncd.settings.secrets import SecretSource
from syncd.settings.values import Settings

EXAMPLE = Path(__file__).parent / "example"
DAEMON = "syncd.yaml"
MAPPING = "mappings/telenor-incidents.yaml"
TABLE = "tables/sites.csv"
OURS = Path(__file__).resolve().parents[2] / "config"
"""The configuration we ship."""
SECRETS = {
    name: f"s3cret-{name}"
    for folder in (EXAMPLE, OURS)
    for name in re.findall(r"env: (\w+)", (folder / DAEMON).read_text(encoding="utf-8"))
}
"""Every variable that the two name, with a value."""


@dataclass
class Folder:
    """A configuration that tests edit and load."""

    root: Path
    credentials: Path

    @property
    def environ(self) -> dict[str, str]:
        return {"CREDENTIALS_DIRECTORY": str(self.credentials), **SECRETS}

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def write(self, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def load(self, *, needed: bool = True) -> Settings:
        return load(self.root / DAEMON, secrets=SecretSource(environ=self.environ, needed=needed))

    def problems(self) -> list[str]:
        try:
            self.load()
        except SettingsError as err:
            return list(err.problems)
        return []


def make_folder(root: Path, source: Path = EXAMPLE) -> Folder:
    config, credentials = root / "config", root / "credentials"
    shutil.copytree(source, config)
    credentials.mkdir()
    for name in ("store-key", "smartops", "notify"):
        (credentials / name).write_text(f"s3cret-{name}\n", encoding="utf-8")
    return Folder(config, credentials)

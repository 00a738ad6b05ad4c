"""A fresh copy of the example for each test."""

from pathlib import Path

import pytest

from tests.settings.support import Folder, make_folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return make_folder(tmp_path)

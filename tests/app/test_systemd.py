"""What systemd is told."""

import os
import socket
from pathlib import Path

from syncd.app.systemd import Notifier


def test_systemd_hears_all_that_happens(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        notifier.ready()
        notifier.reloading(1.5)
        notifier.status("3 connections\nREADY=0")
        notifier.alive()
        notifier.stopping()
        heard = [manager.recv(200).decode() for _ in range(5)]
    assert heard == [
        "READY=1", "RELOADING=1\nMONOTONIC_USEC=1500000", "STATUS=3 connections READY=0",
        "WATCHDOG=1", "STOPPING=1",
    ]  # fmt: skip


def test_an_abstract_address_works_as_well() -> None:
    name = f"syncd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).ready()
        assert manager.recv(200) == b"READY=1"


def test_without_systemd_or_after_its_end_nothing_happens(tmp_path: Path) -> None:
    Notifier({}).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()


def test_the_watchdog_is_fed_only_by_the_process_it_watches() -> None:
    usec = {"WATCHDOG_USEC": "30000000"}
    assert Notifier(usec).watchdog_s == 30.0
    assert Notifier({**usec, "WATCHDOG_PID": str(os.getpid())}).watchdog_s == 30.0
    assert Notifier({**usec, "WATCHDOG_PID": "1"}).watchdog_s is None
    assert Notifier({"WATCHDOG_USEC": "soon"}).watchdog_s is None
    assert Notifier({}).watchdog_s is None

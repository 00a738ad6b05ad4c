"""The service manager's protocol: readiness, reloads, stopping, the watchdog (sd_notify(3))."""

import os
import socket
from collections.abc import Mapping

US_PER_S = 1_000_000


class Notifier:
    """Tells systemd how we are; does nothing where there is no systemd."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read where to, and how often the watchdog wants to hear from us."""
        address = environ.get("NOTIFY_SOCKET", "")
        # A name that begins with @ lies in the abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_s = _watchdog_s(environ)

    def ready(self) -> None:
        """All is started, or a reload is over."""
        self._tell("READY=1")

    def reloading(self, monotonic_s: float) -> None:
        """A reload begins."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={int(monotonic_s * US_PER_S)}")

    def stopping(self) -> None:
        """We stop."""
        self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self._tell(f"STATUS={' '.join(text.split())}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._tell("WATCHDOG=1")

    def _tell(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
                out.sendto(text.encode(), self._address)
        except OSError:
            # Whoever started us and went away need not hear it; the watchdog tells if it matters.
            return


def _watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Seconds within which the watchdog must be fed; None: there is none for this process."""
    wanted = environ.get("WATCHDOG_USEC", "")
    for_pid = environ.get("WATCHDOG_PID", "")
    if not wanted.isdigit() or (for_pid and for_pid != str(os.getpid())):
        return None
    return int(wanted) / US_PER_S

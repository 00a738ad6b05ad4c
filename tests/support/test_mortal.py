"""What a test starts does not outlive its runner."""

import subprocess
import sys

import pytest

ENDS_MAX_S = 60.0
RUNNER = """
import os, signal, subprocess, sys
from tests.support.mortal import with_us
lives = "import signal; print('up', flush=True); signal.pause()"
words = [sys.executable, "-c", lives]
child = subprocess.Popen(words, preexec_fn=with_us(), stdout=subprocess.PIPE)
print(child.stdout.readline(), flush=True)
child = subprocess.Popen(words, preexec_fn=with_us())
os.read(0, 1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux binds a child to its parent")
def test_a_child_ends_with_a_runner_that_was_killed() -> None:
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert runner.stdout is not None
    told = [runner.stdout.readline() for _ in range(2)]
    assert told == [b"b'up\\n'\n", b"up\n"]
    # The second child holds the other end of this pipe for as long as it lives.
    rest, _ = runner.communicate(b"x", timeout=ENDS_MAX_S)
    assert (rest, runner.returncode) == (b"", -9)

"""Fail unless the demo's JSON says that nothing was lost, doubled or echoed.

usage: check_demo.py FILE
"""

import json
import sys
from pathlib import Path


def main(path: str) -> int:
    text = Path(path).read_text(encoding="utf-8")
    try:
        answer = json.loads(text)
    except ValueError as error:
        print(f"the demo's output is not JSON alone: {error}\n{text[:2000]}")
        return 1
    counts = {name: answer.get(name) for name in ("lost", "doubled", "echoed")}
    print("demo:", ", ".join(f"{name} {count}" for name, count in counts.items()))
    # An absent count is as bad as a wrong one; False must not pass for 0.
    if all(type(count) is int and count == 0 for count in counts.values()):
        return 0
    print(json.dumps(answer, indent=2)[:4000])
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

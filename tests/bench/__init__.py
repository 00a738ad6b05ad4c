"""The speed that syncd must reach (DESIGN section 10), measured: `make bench ARGS="--quick"`.

    python -m tests.bench [--quick] [--rounds N] [--only NAME …] [--folder DIR] [--list]

Flow: `catalogue` lists the benches; each sets up what it needs, measures in rounds and hands back
rows (`harness`): what syncd does and, where there is one, a floor, the same work without syncd,
taken in turns (floor, ours, floor, ours …), so that a noisy machine disturbs both. A row shows
medians over the rounds and the spread of what its goal is about.

The table and the progress go to standard error; standard output gets one JSON object at the end:
`{"rows": [{"row", "value", "floor", "ratio", "goal", "met", "spread", …}], …}`. A goal that is
missed is a finding, not a failure: exit status 1 means that a row could not be measured.

What needs a process of its own (a server beside the client, memory, a start) is a module that runs
by itself and speaks one line of JSON per message (`process`).
"""

"""Whatever people do on either side, the decision holds what DESIGN section 1 promises."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from syncd.core.plan import plan_link
from syncd.core.rules import ConflictPolicy
from syncd.core.state import PairState
from syncd.model.ids import Side
from syncd.model.ticket import Visibility
from tests.support.link_world import LinkWorld
from tests.support.mappings import mapping, traits

SIDES = st.sampled_from(list(Side))
TEXTS = st.sampled_from(["hello", "restart it", "same words", "same words", "ønsker svar"])


class LinkMachine(RuleBasedStateMachine):
    """People act on both sides; plans are stored and delivered in any order, answers get lost."""

    @initialize(
        policy=st.sampled_from([ConflictPolicy.ITSM, ConflictPolicy.VENDOR, ConflictPolicy.PARK]),
        source=SIDES,
    )
    def open(self, policy: ConflictPolicy, source: Side) -> None:
        self.world = LinkWorld(rules=mapping(policy), traits=dict.fromkeys(Side, traits()))
        self.said: dict[Side, list[str]] = {Side.ITSM: [], Side.VENDOR: []}
        self.private: list[str] = []
        self.files: dict[Side, list[str]] = {Side.ITSM: [], Side.VENDOR: []}
        self.title = "first"
        fields = {"title": "first", "assigned_group": "NOC", "status": "New", "description": "d"}
        priority = "1" if source is Side.ITSM else "Critical"
        self.world.creates(source, priority=priority, **fields)
        assert self.world.opens(source)

    def _is_there(self, side: Side) -> bool:
        return side in self.world.tickets

    @rule(side=SIDES, text=TEXTS)
    def comment(self, side: Side, text: str) -> None:
        if self._is_there(side):
            self.world.says(side, text)
            self.said[side].append(text)

    @rule(text=TEXTS)
    def note_privately(self, text: str) -> None:
        if self._is_there(Side.ITSM):
            self.world.says(Side.ITSM, f"secret {text}", visibility=Visibility.PRIVATE)
            self.private.append(f"secret {text}")

    @rule(side=SIDES, at=st.integers(0, 3))
    def attach(self, side: Side, at: int) -> None:
        if self._is_there(side):
            name = f"{side}-{at}.log"
            self.world.attaches(side, name)
            self.files[side].append(name)

    @rule(title=st.sampled_from(["first", "second", "third"]))
    def retitle(self, title: str) -> None:
        if self._is_there(Side.ITSM):
            self.world.sets(Side.ITSM, "title", title)
            self.title = title

    @rule(side=SIDES, at=st.integers(0, 2))
    def prioritise(self, side: Side, at: int) -> None:
        if self._is_there(side):
            labels = {Side.ITSM: "123", Side.VENDOR: ("Critical", "High", "Medium")}
            self.world.sets(side, "priority", labels[side][at])

    @rule(status=st.sampled_from(["New", "In Progress", "Resolved", "Closed"]))
    def move_itsm(self, status: str) -> None:
        if self._is_there(Side.ITSM):
            self.world.sets(Side.ITSM, "status", status)

    @rule(status=st.sampled_from(["New", "Solved", "Closed"]))
    def move_vendor(self, status: str) -> None:
        if self._is_there(Side.VENDOR):
            self.world.sets(Side.VENDOR, "status", status)

    @rule()
    def decide(self) -> None:
        self.world.plans()

    @rule(side=SIDES, lose_answer=st.booleans())
    def deliver(self, side: Side, lose_answer: bool) -> None:
        if self._is_there(side):  # A read that overlaps a write is thrown away: decide after.
            self.world.delivers(side, lose_answer=lose_answer and not self._is_file(side))
        else:
            self.world.delivers(side)

    def _is_file(self, side: Side) -> bool:
        head = self.world.head(side)
        return head is not None and head.planned.attachment is not None

    @invariant()
    def planning_twice_plans_nothing(self) -> None:
        if hasattr(self, "world"):
            self.world.plans()
            again = plan_link(self.world.state())
            assert not again.operations, again
            assert not again.superseded, again
            assert not again.conflicts, again

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.settles()
        self._comments_crossed_once()
        self._files_crossed_once()
        self._fields_agree()
        assert plan_link(self.world.state()).is_empty

    def _comments_crossed_once(self) -> None:
        for side in Side:
            copies = sorted(
                comment.body.removeprefix("Ann: ")
                for comment in self.world.tickets[side.other].comments
                if comment.author == "syncd" and "status is now" not in comment.body
            )
            assert copies == sorted(self.said[side])
        vendor = " ".join(each.body for each in self.world.tickets[Side.VENDOR].comments)
        assert "secret" not in vendor
        skipped = [p for p in self.world.pairs.values() if p.state is PairState.SKIPPED]
        assert len(skipped) >= len(self.private)

    def _files_crossed_once(self) -> None:
        for side in Side:
            names = sorted(each.name for each in self.world.tickets[side.other].attachments)
            assert names == sorted(self.files[side] + self.files[side.other])

    def _fields_agree(self) -> None:
        itsm, vendor = (self.world.tickets[side] for side in (Side.ITSM, Side.VENDOR))
        if self.world.origin is Side.ITSM:
            assert vendor.get("title") == self.title
        labels = {"1": "Critical", "2": "High", "3": "Medium"}
        if "both.priority" not in self.world.conflicts:
            assert labels[str(itsm.get("priority"))] == vendor.get("priority")
        assert itsm.get("vendor_ref") == vendor.number


TestLink = LinkMachine.TestCase
TestLink.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

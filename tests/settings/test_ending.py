"""`do: cancel`, `do: delete` and `no_longer: cancel` against what a provider can do."""

from dataclasses import replace

import pytest
from pydantic import BaseModel

from syncd.core.rules import NoLonger, StatusEffect
from syncd.model.errors import SettingsError
from syncd.model.features import Features, WriteFeature
from syncd.model.ids import MappingName
from syncd.model.operation import WriteKind
from syncd.registry import PROVIDERS, Provider
from syncd.settings.load import load
from syncd.settings.run_tests import run_tests
from syncd.settings.secrets import SecretSource
from syncd.settings.values import Settings
from tests.settings.support import DAEMON, MAPPING, Folder

REASONS = ("Duplicate request", "Request no longer needed")
CANCELLED = "    Cancelled: comment"
REASONED = "{do: cancel, reason: Duplicate request, only_from: [New], else: comment}"


def _providers() -> dict[str, Provider]:
    telenor = PROVIDERS["telenor"]

    def features(options: BaseModel) -> Features:
        made = telenor.features(options)
        return replace(
            made,
            statuses=(*made.statuses, "Withdrawn"),
            cancelled_status="Withdrawn",
            cancel_reasons=REASONS,
            writes={**made.writes, WriteKind.DELETE: WriteFeature()},
        )

    return {**PROVIDERS, "telenor": replace(telenor, features=features)}


def _load(folder: Folder, old: str, new: str) -> Settings:
    folder.edit(
        MAPPING,
        "    New: nothing\n    Solved",
        "    New: nothing\n    Withdrawn: nothing\n    Solved",
    )
    folder.edit(MAPPING, old, new)
    return load(
        folder.root / DAEMON,
        secrets=SecretSource(environ=folder.environ, needed=True),
        providers=_providers(),
    )


def test_a_status_cancels_with_the_providers_own_status_and_a_reason(folder: Folder) -> None:
    settings = _load(folder, CANCELLED, f"    Cancelled: {REASONED}")
    status = settings.mappings[MappingName("telenor-incidents")].status
    assert status is not None
    action = status.to_vendor["Cancelled"]
    assert (action.effect, action.status, action.cancel_reason) == (
        StatusEffect.CANCEL,
        "Withdrawn",
        "Duplicate request",
    )
    assert action.only_from == ("New",)
    assert action.otherwise is not None


def test_a_ticket_that_leaves_is_cancelled_with_a_reason(folder: Folder) -> None:
    settings = _load(folder, "no_longer: keep", f"no_longer: {REASONED}")
    opening = settings.mappings[MappingName("telenor-incidents")].open_to_vendor
    assert opening is not None
    assert opening.no_longer is NoLonger.CANCEL
    assert opening.cancel.cancel_reason == "Duplicate request"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            CANCELLED,
            "    Cancelled: {do: cancel, reason: Boredom}",
            "status.to_vendor.Cancelled.reason: 'Boredom' is not accepted; accepted:"
            " 'Duplicate request', 'Request no longer needed'",
        ),
        (
            CANCELLED,
            "    Cancelled: {do: cancel}",
            "status.to_vendor.Cancelled: a reason is needed: {do: cancel, reason: …}; accepted:"
            " Duplicate request, Request no longer needed",
        ),
        (
            "no_longer: keep",
            "no_longer: cancel",
            "open.to_vendor.no_longer: a reason is needed: {do: cancel, reason: …}; accepted:"
            " Duplicate request, Request no longer needed",
        ),
    ],
)
def test_a_reason_the_provider_does_not_know_is_told_with_its_place(
    folder: Folder, old: str, new: str, problem: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(folder, old, new)
    (told,) = caught.value.problems
    assert told.partition(": ")[2] == problem


@pytest.mark.parametrize(
    ("action", "expect"),
    [
        (REASONED, "{vendor: {status: Withdrawn, cancel_reason: Duplicate request}}"),
        ("{do: delete}", "{vendor: deleted}"),
    ],
)
def test_a_mappings_tests_can_say_it(folder: Folder, action: str, expect: str) -> None:
    text = (folder.root / MAPPING).read_text(encoding="utf-8")
    folder.write(
        MAPPING,
        text[: text.index("tests:")]
        + "tests:\n  - name: it\n    given: {linked: true, itsm: {status: New}, vendor: {status:"
        f" New}}}}\n    when: {{itsm: {{status: Cancelled}}}}\n    expect: {expect}\n",
    )
    settings = _load(folder, CANCELLED, f"    Cancelled: {action}")
    (outcome,) = run_tests(settings, _providers())
    assert outcome.failures == ()

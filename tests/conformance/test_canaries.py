"""For every promise an adapter that breaks it, which the kit must fail with the words meant."""

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from syncd.model.operation import WriteKind
from syncd.model.ticket import Value
from tests.conformance import (
    broken,
    test_attachments,
    test_cancellation,
    test_declared,
    test_feed,
    test_listed,
    test_login,
    test_lost_answers,
    test_odd_values,
    test_read_after_write,
    test_reading,
    test_secrets,
    test_text,
)
from tests.conformance.broken import Broken, Way
from tests.conformance.conftest import FIXTURES
from tests.conformance.test_declared import assert_n
from tests.conformance.world import World, world_of

RICHEST = "telenor"
"""The fixture around whose adapter the broken ones are built: it can nearly everything."""


class Restless:
    """An N that gives another form each time."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, _name: str, _value: Value) -> Value:
        self._count += 1
        return self._count


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A test of the kit, what the adapter does instead, and what the failure must say."""

    test: Callable[..., Any]
    ways: Mapping[str, Way]
    says: str
    options: Mapping[str, Any] = field(default_factory=dict)


def canary(test: Callable[..., Any], says: str, options: Any = None, **ways: Way) -> Canary:
    return Canary(test=test, ways=ways, says=says, options=options or {})


COMMENT = {"kind": WriteKind.COMMENT}
# One letter per promise; under their own names they would be collected here again.
R = test_read_after_write.TestReadAfterWrite
P = test_feed.TestPolling
B = test_reading.TestBadAnswers
L = test_lost_answers.TestLostAnswers
A = test_attachments.TestAttachments
F = test_declared.TestFields
T = test_text.TestOddText
U = test_lost_answers.TestOutcomeClasses
G = test_login.TestLogin
K = test_declared.TestCheckAndCalls
E = test_declared.TestFeatures
C = test_cancellation.TestCancellation
N = test_reading.TestAnotherTicket
M = test_reading.TestNotThere
S = test_read_after_write.TestSentOnce
Z = test_secrets.TestSecrets
V = test_odd_values.TestOddValues
W = test_listed.TestWholeList

CANARIES = [
    canary(V.test_any_value_in_any_place_ends_well, "KeyError", read=broken.read_or_crash),
    canary(V.test_half_a_letter_hides_neither_the_ticket_nor_the_rest_of_its_text, "OddAnswer",
           read=broken.read_strictly),
    canary(W.test_a_list_that_is_read_whole_tells_its_length_an_empty_one_too,
           "a feed has no whole list", poll=broken.poll_counts_itself),
    canary(W.test_a_list_with_an_item_that_cannot_be_read_tells_no_length, "is None",
           poll=broken.poll_counts_itself),
    canary(R.test_a_created_ticket_reads_as_it_was_sent, "location: sent",
           write=broken.drops("location")),
    canary(R.test_an_update_changes_what_it_names_and_nothing_else, "title: sent",
           write=broken.write_nothing),
    canary(R.test_all_fields_can_be_updated_at_once, "priority: sent",
           write=broken.drops("priority")),
    canary(R.test_a_status_is_read_back, "status: sent", write=broken.write_nothing),
    canary(R.test_comments_come_back_once_in_order_and_ours, "oldest first",
           read=broken.read_reversed),
    canary(R.test_an_attachment_comes_back_whole, "assert b", download=broken.download_short),
    canary(R.test_people_and_the_adapter_see_the_same_ticket, "two reads of one state",
           read=broken.read_restless),
    canary(S.test_one_write_sends_one_request, "assert 2 == 1", COMMENT,
           write=broken.write_twice),
    canary(P.test_a_provider_without_a_list_says_so, "PollResult", poll=broken.poll_says_no),
    canary(P.test_every_act_of_people_is_seen, "comment was missed",
           poll=broken.poll_without_comments),
    canary(P.test_silence_tells_nothing_and_costs_little, "== set()",
           poll=broken.poll_again_and_again),
    canary(P.test_equal_timestamps_hide_nothing, "in the instant of those known",
           poll=broken.poll_by_time),
    canary(P.test_drifting_pages_hide_nothing, "missed 1 of 40|missed .* of 40",
           poll=broken.poll_loses_one),
    canary(P.test_more_than_a_poll_reads_is_a_gap_that_goes_on, "missed|not told",
           poll=broken.poll_hides_its_gap),
    canary(P.test_a_cursor_is_all_that_is_remembered, "told twice after a restart",
           poll=broken.poll_remembers_itself),
    canary(P.test_a_poll_that_fails_loses_nothing, "RemoteError",
           {"fault": "error_before", "skip": 0}, poll=broken.poll_swallows),
    canary(P.test_a_page_that_is_cut_off_is_no_short_page, "OddAnswer", poll=broken.poll_swallows),
    canary(P.test_tickets_that_vanish_hide_no_others, "assert",
           poll=broken.poll_loses_one),
    canary(M.test_a_ticket_that_never_was, "NotFound", read=broken.read_whatever),
    canary(M.test_a_ticket_that_was_removed, "NotFound", read=broken.read_whatever),
    canary(M.test_writing_to_it, "update", write=broken.write_never_fails),
    canary(N.test_a_read_answered_with_another_ticket_is_odd, "Ticket",
           read=broken.read_whatever),
    canary(N.test_a_write_answered_with_another_ticket_is_not_its_receipt,
           "'B' ==", COMMENT, write=broken.write_elsewhere),
    canary(B.test_garbage_with_200_is_odd, "get_incident", {"body": "html"},
           read=broken.read_whatever),
    canary(B.test_json_of_another_shape_is_odd, "status", {"body": b"[]"},
           read=broken.read_crashes),
    canary(B.test_an_outage_is_unreachable_and_a_hiccup_is_not_noticed, "Unreachable",
           {"fault": "error_before"}, read=broken.read_misnames),
    canary(B.test_being_asked_to_wait_for_ever_is_told, "retry_after_s",
           read=broken.read_forgets_when),
    canary(L.test_what_happened_is_found_once, "comment happened",
           {**COMMENT, "fault": "lost_answer"}, probe=broken.probe_sees_nothing),
    canary(L.test_what_happened_is_found_once, "sent again",
           {**COMMENT, "fault": "lost_answer"}, write=broken.write_retries),
    canary(L.test_what_did_not_happen_is_absent_and_can_be_sent_again, "everything",
           {**COMMENT, "fault": "error_before"}, probe=broken.probe_sees_all),
    canary(L.test_what_did_not_happen_is_absent_and_can_be_sent_again, "told|taken",
           {**COMMENT, "fault": "error_before"}, write=broken.write_never_fails),
    canary(L.test_two_effects_are_both_told_oldest_first, "not enough values",
           COMMENT, probe=broken.probe_sees_the_first),
    canary(L.test_a_twin_under_another_key_is_not_ours, "FOUND", COMMENT,
           probe=broken.probe_sees_all),
    canary(L.test_a_probe_that_could_not_look_saw_no_absence, "nothing came back",
           {**COMMENT, "fault": "garbage"}, probe=broken.probe_blinks),
    canary(U.test_a_sure_refusal_had_no_effect, "400", {"status": 400},
           write=broken.write_knows_nothing),
    canary(U.test_what_is_no_sure_refusal_is_unknown, "502", {"status": 502},
           write=broken.write_knows_it_all),
    canary(U.test_being_asked_to_wait_costs_nothing_and_says_how_long,
           "assert 1.0 == 7.0", write=broken.write_forgets_when),
    canary(G.test_one_login_serves_many_calls, "assert 3 ==",
           read=broken.read_logs_in_anew),
    canary(G.test_a_read_with_an_expired_token_repeats_once_with_a_fresh_one,
           "assert", read=broken.read_restless),
    canary(G.test_a_write_with_an_expired_token_goes_back_unsent_and_then_works,
           "assert", write=broken.write_renews_its_token),
    canary(G.test_credentials_that_are_refused_are_told_by_reads_and_writes,
           "CredentialsRejected", read=broken.read_misnames),
    canary(G.test_a_second_refusal_of_a_fresh_token_ends_it, "two logins, two reads",
           read=broken.read_hammers),
    canary(T.test_in_fields, "title: sent", {"name": "emoji"}, write=broken.write_ascii),
    canary(T.test_in_comments, "comment: sent", {"name": "emoji"},
           write=broken.write_ascii),
    canary(T.test_from_people, "comment: sent", {"name": "emoji"},
           read=broken.read_ascii),
    canary(T.test_as_long_as_a_text_may_be, "description: sent",
           write=broken.write_short),
    canary(T.test_a_comment_beyond_the_limit_is_refused_unsent, "Refused",
           write=broken.write_short),
    canary(T.test_what_cannot_be_written_as_utf_8_is_refused_or_mended, "assert 2 == 1",
           write=broken.write_twice),
    canary(A.test_files_of_any_size_go_up_and_come_down, "assert", {"size": 255},
           download=broken.download_short),
    canary(A.test_an_empty_file_is_carried_or_refused_unsent, "empty", write=broken.write_crashes),
    canary(A.test_a_file_above_the_limit_is_refused_unsent, "Receipt", write=broken.write_short),
    canary(A.test_a_file_of_a_type_that_is_never_taken_is_refused_unsent, "Receipt",
           write=broken.write_never_fails),
    canary(A.test_fifty_megabytes_are_never_held, "MB were held", write=broken.write_holds_files),
    canary(A.test_names_people_give_files_are_kept, "Blb", {"name": "Blåbær.txt"},
           write=broken.write_ascii),
    canary(A.test_names_that_are_none_never_leave, "assert not", {"name": "../../etc/passwd"},
           write=broken.write_renames, read=broken.read_leaves_paths),
    canary(A.test_a_persons_file_is_seen_and_comes_down, "in one piece",
           download=broken.download_whole),
    canary(A.test_a_download_left_early_and_a_missing_file_do_no_harm, "DID NOT RAISE",
           download=broken.download_nothing),
    canary(C.test_a_read_can_be_cancelled, "DID NOT RAISE",
           read=broken.read_swallows_cancellation),
    canary(C.test_a_write_can_be_cancelled, "was repeated", COMMENT,
           write=broken.write_retries),
    canary(C.test_many_tasks_share_an_adapter, "assert",
           read=broken.read_one_for_all),
    canary(Z.test_no_log_error_or_answer_shows_a_secret, "shown:",
           read=broken.read_tells_secrets),
    canary(Z.test_an_error_that_quotes_our_login_shows_no_secret, "shown:", {"status": 400},
           read=broken.read_tells_secrets),
    canary(E.test_what_is_not_declared_is_unsupported, "delete",
           write=broken.write_never_fails),
    canary(E.test_another_kind_of_ticket_is_unsupported, "Unsupported",
           read=broken.read_takes_any_kind),
    canary(E.test_features_agree_with_themselves_and_the_registry, "looks",
           features=broken.features_brag),
    canary(F.test_each_field_is_told_once_and_readable_ones_are_read, "assert",
           fields=broken.fields_twice),
    canary(F.test_each_field_is_told_once_and_readable_ones_are_read, "read and not told of",
           read=broken.read_tells_more),
    canary(F.test_the_fixture_leaves_no_writable_field_out, "colour", fields=broken.fields_brag),
    canary(F.test_a_field_that_is_not_writable_is_refused_unsent, "closed_at",
           write=broken.write_any_field),
    canary(F.test_the_longest_text_is_taken_and_one_more_refused_unsent, "title: sent",
           write=broken.write_short),
    canary(F.test_every_listed_value_is_taken_and_another_is_refused, "status",
           write=broken.write_any_field),
    canary(K.test_a_check_reads_only_and_finds_what_is_wrong, "assert not",
           check=broken.check_writes),
    canary(K.test_a_check_tells_that_the_login_is_refused, "all is well",
           check=broken.check_says_yes),
    canary(K.test_a_call_nobody_offers_is_unsupported, "Unsupported",
           call=broken.call_anything),
]  # fmt: skip


def name_of(bird: Canary) -> str:
    return "-".join([bird.test.__qualname__, *(way.__name__ for way in bird.ways.values())])


SERVED_CANARIES = [
    canary(R.test_a_status_is_read_back, "status: sent", write=broken.write_nothing),
    canary(R.test_an_attachment_comes_back_whole, "assert b", download=broken.download_short),
    canary(S.test_one_write_sends_one_request, "assert 2 == 1", COMMENT,
           write=broken.write_twice),
    canary(P.test_equal_timestamps_hide_nothing, "in the instant of those known",
           poll=broken.poll_by_time),
    canary(L.test_what_happened_is_found_once, "comment happened",
           {**COMMENT, "fault": "lost_answer"}, probe=broken.probe_sees_nothing),
    canary(E.test_what_is_not_declared_is_unsupported, "create",
           write=broken.write_never_fails),
]  # fmt: skip
"""Beside those above: the stand shows the faults of a served adapter as sandboxes do."""


@pytest.mark.parametrize("bird", CANARIES, ids=name_of)
async def test_the_kit_fails_an_adapter_that_breaks_its_promise(bird: Canary) -> None:
    await assert_found(RICHEST, bird)


@pytest.mark.parametrize("bird", SERVED_CANARIES, ids=name_of)
async def test_the_kit_fails_a_served_adapter_that_breaks_its_promise(bird: Canary) -> None:
    await assert_found("smartops_serve", bird)


async def assert_found(fixture: str, bird: Canary) -> None:
    """Assert that a promise's test fails with the words meant."""
    worlds: list[World] = []
    async with world_of(FIXTURES[fixture], lambda one: Broken(one, bird.ways, worlds)) as world:
        worlds.append(world)
        owner = inspect.getmodule(bird.test)
        promise = getattr(owner, bird.test.__qualname__.partition(".")[0])()
        with pytest.raises((Exception, pytest.fail.Exception)) as failed:
            await bird.test(promise, world, **bird.options)
    told = f"{type(failed.value).__name__} {failed.value}"
    assert re.search(bird.says, told), told


def test_every_test_of_every_promise_has_a_canary() -> None:
    promises = {inspect.getmodule(one.test): None for one in CANARIES}
    tests = {
        f"{name}.{test}"
        for module in promises
        for name, promise in inspect.getmembers(module, inspect.isclass)
        if name.startswith("Test") and promise.__module__ == module.__name__  # type: ignore[union-attr]
        for test in vars(promise)
        if test.startswith("test_")
    }
    without = tests - {one.test.__qualname__ for one in CANARIES}
    assert without <= {
        # Theirs is below: N needs no world.
        "TestNormalise.test_n_twice_is_n_and_changes_nothing",
        "TestNormalise.test_the_adapter_and_the_registry_have_one_n",
    }


@pytest.mark.parametrize("n", [lambda _name, value: f"{value}!", Restless()])
def test_an_n_that_is_none_is_found(n: Callable[[str, Value], Value]) -> None:
    with pytest.raises(AssertionError):
        assert_n(n, "title", "A")

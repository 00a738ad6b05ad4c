"""What a connection's own keys accept."""

import pytest
from pydantic import ValidationError

from syncd.model.operation import WriteKind
from syncd.model.secret import Secret
from syncd.providers.telenor import declare, describe
from syncd.providers.telenor.trees import ORDER
from tests.providers.telenor.desk import settings


def test_texts_of_a_yaml_file_become_numbers_sizes_and_durations() -> None:
    one = settings(
        saml_on_all_calls="true",
        saml_token=Secret("saml"),
        application_id="app",
        limits={"attachment_bytes": "20MB", "comment_bytes": "3900"},
        settle={"create_s": "5m", "comment_s": "1.5"},
        feed={"page_size": "50", "overlap_s": "2m"},
        closed_literals={"true": "ja", "false": "nei"},
    )
    assert one.limits.attachment_bytes == 20_000_000
    assert (one.settle.create_s, one.settle.comment_s, one.feed.overlap_s) == (300.0, 1.5, 120.0)
    assert one.saml_on_all_calls
    assert "saml'" not in repr(one)
    assert "telenor-secret" not in repr(one)


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"colour": "red"}, "colour"),
        ({"feed": {"sort_tolerance_s": 500}}, "may not exceed overlap_s"),
        ({"statuses": ["New", "new "]}, "listed twice"),
        ({"saml_on_all_calls": True}, "needs saml_token"),
        ({"application_id": "acme"}, "belong together"),
        ({"limits": {"attachment_bytes": "much"}}, "attachment_bytes"),
        ({"user_name": ""}, "user_name"),
        (
            {"auth": {"token_url": "x", "client_id": "y", "client_secret": Secret("z")}},
            "system user",
        ),
    ],
)
def test_a_setting_that_cannot_be_is_refused(keys: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings(**keys)


def test_the_features_follow_the_settings() -> None:
    one = declare(settings(statuses=["Ny", "Løst"], settle={"create_s": 3}, probe={"looks": 2}))
    assert one.statuses == ("Ny", "Løst")
    create = next(feature for kind, feature in one.writes.items() if kind.value == "create")
    assert (create.settle_s, create.looks, create.marker) == (3.0, 2, True)
    assert describe(settings(), "change") == ()
    assert {info.name for info in describe(settings(), "order")} == set(ORDER.fields)


def test_an_order_can_do_all_but_change_its_status() -> None:
    one = declare(settings())
    assert set(one.writes) - set(one.of("order").writes) == {WriteKind.STATUS}
    assert one.of("incident") == one
    writable = {info.name: info.writable for info in describe(settings(), "order")}
    assert (writable["status"], writable["customer_reference"]) == (frozenset(), frozenset())

"""Digital Realty's Customer Support Tickets API v1, simulated from its document.

The document is digital_realty.md. Beside the ticket calls there are the sister APIs it points to:
tokens, comments, attachments, accounts, sites, locations and notifications. Several accounts may
live in one sandbox; each call sees those of the account its headers name.
"""

from syncd.sandbox.digital_realty.sandbox import DigitalRealtySandbox
from syncd.sandbox.digital_realty.settings import Account, DigitalRealtySandboxSettings, Site

__all__ = ["Account", "DigitalRealtySandbox", "DigitalRealtySandboxSettings", "Site"]

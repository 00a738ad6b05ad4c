"""How often things happen in the stories that have them, and how far they go."""

REFORMS = 0.25
"""Part of the stories in which the configuration is edited and pairs are taken apart."""
HURRIED = 0.25
"""Part of the stories in which feeds have small pages, tell nothing twice, and lives are short."""
TOKENS_REJECTED = 0.08
"""Part of the calls whose token is rejected, in stories of such."""
SEARCHES_LAG = 0.5
"""Part of the probes that do not see the newest, in stories of such."""
DISCARDS = 0.4
"""Part of the rounds in which an operator gives something up, in stories of such."""
CLOCKS_SET = 0.3
"""Part of the rounds after which a vendor's clock is set, in stories of such."""
VENDORS_OFF_S = 15.0
"""So far vendors' clocks are off at most."""
BACKUPS = 0.4
"""Part of the rounds in which a backup is made, in stories of such."""
RESTORES = 0.15
"""Part of the rounds after which it is put back."""
OUTAGES = 0.12
"""Part of the rounds after which a system goes away, in stories of such."""
STORMS = 0.3
"""Part of the rounds after which a storm of 429 begins, in stories of such."""
DRIFTS = 0.3
"""Part of the pages before which people move tickets, where lists are read in pages."""
ADOPTS = 0.4
"""Part of the rounds in which an operator runs `syncd adopt`."""

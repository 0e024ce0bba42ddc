"""What people agree to, and what happens when they no longer do.

model     consents and erasures as nouns
tables    their tables in the store, and the keys of pseudonyms
erasure_rows an erasure as a row of the `alerts` stream
service   gives, lists, withdraws: the calls that the command line and the pages make
"""

from hub.privacy.consent.model import Consent, ConsentRefused, Erasure
from hub.privacy.consent.service import ConsentService
from hub.privacy.consent.tables import Memory

__all__ = ["Consent", "ConsentRefused", "ConsentService", "Erasure", "Memory"]

"""What people agree to, and what happens when they no longer do.

life      consents and erasures as nouns
memory    their tables in the store, and the keys of pseudonyms
orders    an erasure as a row of the `alerts` stream
desk      gives, lists, withdraws: the calls that the command line and the pages make
"""

from hub.consent.desk import ConsentDesk
from hub.consent.life import Consent, ConsentRefused, Erasure
from hub.consent.memory import Memory

__all__ = ["Consent", "ConsentDesk", "ConsentRefused", "Erasure", "Memory"]

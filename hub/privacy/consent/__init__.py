"""Consents of people, and what their withdrawal causes.

model        consents and erasures
tables       their tables in the store, and the keys of pseudonyms
erasure_rows an erasure as a row of the `alerts` stream
service      the calls: give, list, withdraw
"""

from hub.privacy.consent.model import Consent, ConsentRefused, Erasure
from hub.privacy.consent.service import ConsentEffects, ConsentService
from hub.privacy.consent.tables import ConsentTables

__all__ = ["Consent", "ConsentEffects", "ConsentRefused", "ConsentService", "ConsentTables", "Erasure"]

"""For plugin authors: a session and a clock that live in a test.

    def test_it_reads_the_thermometer():
        session = FakeSession("acme_thermo", devices=[…])
        asyncio.run(session.run(acme_thermo.run, config))
        assert session.reports[0].values == {"temperature": 21.5}

What the hub refuses is refused here: reports for another plugin's device, metrics that nobody knows, values that no
such metric can have, dates that lie ahead, counters that have been, claims without a key, state that cannot be stored,
facts that are too large. One suite runs the same cases over the hub's session and this one. Nothing here is bound to an
event loop: one session may be used in several `asyncio.run`, as a hub starts a plugin again.

    session      FakeSession, and its parts: devices, state, http, network, commands, polling, radio
    clock        ManualClock, settle
    waiting      Inbox and Gate, of no event loop
    searching    FakeLent: the hub in a search for devices
    notifying    FakeNotifications, and notification: what a notifier is given
    view         FakeView: live values for an exporter
    judging      what the hub takes of a report
    contract/    the contract tests that hold for every integration
    peers/       the other end: Modbus, M-Bus, LoRaWAN, BACnet, KNX, MQTT, Bluetooth, a serial line
"""

from hub.sdk.session import Reply
from hub.sdk.testing.clock import ManualClock, settle
from hub.sdk.testing.commands import FakeCommands
from hub.sdk.testing.devices import FakeDevices, Refused
from hub.sdk.testing.http import FakeHttp, Request
from hub.sdk.testing.network import FakeNetwork
from hub.sdk.testing.notifying import FakeNotifications, notification
from hub.sdk.testing.polling import FakePolling
from hub.sdk.testing.radio import FakePacks, FakeRadio
from hub.sdk.testing.searching import FakeLent
from hub.sdk.testing.session import FakeSession
from hub.sdk.testing.state import FakeState
from hub.sdk.testing.view import FakeView
from hub.sdk.testing.waiting import Gate, Inbox

__all__ = [
    "FakeCommands", "FakeDevices", "FakeHttp", "FakeLent", "FakeNetwork", "FakeNotifications", "FakePacks",
    "FakePolling", "FakeRadio", "FakeSession", "FakeState", "FakeView", "Gate", "Inbox", "ManualClock", "Refused",
    "Reply", "Request", "notification", "settle",
]  # fmt: skip

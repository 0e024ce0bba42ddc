"""Negotiation of MAC settings with a device (LoRaWAN L2 1.0.4, TS001-1.0.4, chapter 5). Sans-I/O.

- The wanted settings are a `Radio`; where they differ from the device's known settings, a request goes out in every
  downlink until it is answered; after `PATIENCE` downlinks without an answer, or a refusal, it is not asked again in
  this session: the device does not support it, and the network continues with its present settings.
- An accepted change of the windows counts from the very uplink that carries the answer: the device used it already.
- RXParamSetupAns, RXTimingSetupAns and DlChannelAns are repeated in every uplink until the device hears any downlink
  (§5.4, §5.7, §5.8); so such an answer calls for a downlink, and a second copy is normal.
- LinkCheckReq and DeviceTimeReq are answered once, in the windows of the uplink that asked, or never.
"""

from __future__ import annotations

from msgspec.structs import replace

from integrations.lorawan import adr, gps
from integrations.lorawan import commands as c
from integrations.lorawan.device import Radio
from integrations.lorawan.region import FASTEST_ADR

PATIENCE = 8

_STICKY = frozenset({c.RXParamSetupAns.cid, c.RXTimingSetupAns.cid, c.DlChannelAns.cid})


class Link:
    """Measurements of an uplink, for the answers: best SNR in dB above the demodulation floor, number of gateways that
    heard it, Unix time of its end (None: the clock is not trusted)."""

    __slots__ = ("gateways", "margin", "time")

    def __init__(self, margin: float, gateways: int, time: float | None) -> None:
        self.margin = margin
        self.gateways = gateways
        self.time = time


class Negotiation:
    """Negotiation of one session. `radio`: known settings of the device; `battery` and `margin`: values of its last
    DevStatusAns; `limits`: ADR values that it has not refused; `must_answer`: the device waits for a downlink."""

    def __init__(self, radio: Radio) -> None:
        self.radio = radio
        self.limits = adr.USUAL
        self.battery: int | None = None
        self.margin: int | None = None
        self.must_answer = False
        self._asked: dict[tuple[int, int], tuple[c.Command, int]] = {}  # (cid, channel) → request, times sent
        self._refused: set[tuple[int, int]] = set()
        self._answers: list[c.Command] = []

    # what the device says

    def heard(self, row: list[c.Command], link: Link) -> list[str]:
        """Process the commands of one uplink, in order. Returns slugs to count."""
        self._answers.clear()
        self.must_answer = False
        slugs: list[str] = []
        for command in row:
            if isinstance(command, c.LinkCheckReq | c.DeviceTimeReq):
                self._answer(command, link)
            else:
                self.must_answer |= command.cid in _STICKY
                slug = self._settle(command)
                if slug:
                    slugs.append(slug)
        for key, (request, times) in list(self._asked.items()):
            if times >= PATIENCE:
                del self._asked[key]
                self._refused.add(key)
                slugs.append(f"mac-unanswered-{request.cid:02x}")
        return slugs

    def _answer(self, command: c.Command, link: Link) -> None:
        if any(answer.cid == command.cid for answer in self._answers):
            return
        if isinstance(command, c.LinkCheckReq):
            margin = max(0, min(254, round(link.margin)))
            self._answers.append(c.LinkCheckAns(margin, min(255, link.gateways)))
        elif link.time is not None:
            self._answers.append(c.DeviceTimeAns(round(gps.seconds(link.time) * 256)))
        self.must_answer |= bool(self._answers)

    def _settle(self, answer: c.Command) -> str:
        """Match an answer with its request. Answers come in the order of the requests."""
        key = next((key for key in self._asked if key[0] == answer.cid), None)
        if key is None:
            return "" if answer.cid in _STICKY else "unexpected-mac-answer"
        request, times = self._asked[key]
        if not times:
            return "unexpected-mac-answer"  # no such request was sent
        del self._asked[key]
        if isinstance(answer, c.DevStatusAns):
            self.battery, self.margin = answer.battery, answer.margin
            return ""
        if getattr(answer, "accepted", True):
            self.radio = _applied(self.radio, request)
            return ""
        return self._refusal(key, request, answer)

    def _refusal(self, key: tuple[int, int], request: c.Command, answer: c.Command) -> str:
        if isinstance(request, c.LinkADRReq) and isinstance(answer, c.LinkADRAns):
            fastest, weakest = self.limits
            if not answer.rate:
                fastest = max(0, request.rate - 1)
            if not answer.power:
                weakest = max(0, request.power - 1)
            self.limits = adr.Limits(fastest, weakest)
            if not answer.mask:
                self._refused.add(key)
        else:
            self._refused.add(key)
        return f"mac-refused-{request.cid:02x}"

    # what the network wants

    def want(self, goal: Radio) -> None:
        """Set the wanted settings; power and transmissions are left to ADR."""
        now = self.radio
        wanted: list[tuple[int, c.Command]] = []
        if (now.rx1_offset, now.rx2_rate, now.rx2_frequency) != (goal.rx1_offset, goal.rx2_rate, goal.rx2_frequency):
            wanted.append((0, c.RXParamSetupReq(goal.rx1_offset, goal.rx2_rate, goal.rx2_frequency)))
        if now.rx_delay != goal.rx_delay:
            wanted.append((0, c.RXTimingSetupReq(goal.rx_delay)))
        if now.duty != goal.duty:
            wanted.append((0, c.DutyCycleReq(goal.duty)))
        for index in sorted(now.channels.keys() | goal.channels.keys()):
            frequency = goal.channels.get(index, 0)
            if now.channels.get(index, 0) != frequency and index > 2:  # channels 0 to 2 are fixed in every device
                wanted.append((index, c.NewChannelReq(index, frequency, 0, FASTEST_ADR)))
        for index, frequency in goal.rx1_frequencies.items():
            if now.rx1_frequencies.get(index) != frequency and index in now.channels:
                wanted.append((index, c.DlChannelReq(index, frequency)))
        self._ask(wanted)

    def want_adr(self, setting: adr.Setting) -> None:
        """Ask the device to use this ADR setting from its next uplink on."""
        mask = sum(1 << index for index in self.radio.channels)
        self._ask([(0, c.LinkADRReq(setting.rate, setting.power, mask, 0, setting.nb_trans))])

    def want_status(self) -> None:
        """Ask the device for its battery level."""
        self._ask([(0, c.DevStatusReq())])

    def _ask(self, wanted: list[tuple[int, c.Command]]) -> None:
        for index, request in wanted:
            key = (request.cid, index)
            if key not in self._refused and self._asked.get(key, (None, 0))[0] != request:
                self._asked[key] = request, 0

    @property
    def waiting(self) -> bool:
        """Return whether a request is waiting for a downlink."""
        return bool(self._asked)

    # what goes out

    def row(self, room: int) -> list[c.Command]:
        """Return the commands for the next downlink, in at most `room` bytes: answers, then requests. Call `sent` with
        them."""
        chosen: list[c.Command] = []
        for command in (*self._answers, *(request for request, _ in self._asked.values())):
            size = 1 + len(command.fields())
            if size > room:
                break  # answers keep the order of the requests: none may overtake another
            chosen.append(command)
            room -= size
        return chosen

    def sent(self, row: list[c.Command]) -> None:
        """Record that these commands were sent. Answers are kept until the next uplink, for a second window."""
        for key, (request, times) in self._asked.items():
            if any(command is request for command in row):
                self._asked[key] = request, times + 1


def _applied(radio: Radio, request: c.Command) -> Radio:
    """Return the device's settings after it accepted `request`."""
    match request:
        case c.RXParamSetupReq(rx1_offset=offset, rx2_rate=rate, frequency=frequency):
            return replace(radio, rx1_offset=offset, rx2_rate=rate, rx2_frequency=frequency)
        case c.RXTimingSetupReq(delay=delay):
            return replace(radio, rx_delay=delay)
        case c.DutyCycleReq(exponent=exponent):
            return replace(radio, duty=exponent)
        case c.LinkADRReq(power=power, nb_trans=nb_trans):
            return replace(radio, power=power, nb_trans=nb_trans)
        case c.NewChannelReq(index=index, frequency=frequency):
            channels = {**radio.channels, index: frequency}
            return replace(radio, channels={i: f for i, f in sorted(channels.items()) if f})
        case c.DlChannelReq(index=index, frequency=frequency):
            return replace(radio, rx1_frequencies={**radio.rx1_frequencies, index: frequency})
    return radio

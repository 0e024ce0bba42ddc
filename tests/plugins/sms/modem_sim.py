"""A modem at the other end of a pseudo-terminal, as 3GPP TS 27.007 and TS 27.005 describe one, with a reader of
SMS-SUBMIT of its own: it unpacks bit by bit, by TS 23.040 and TS 23.038, and knows nothing of the plugin's code."""

from __future__ import annotations

import os
import threading
import tty

ALPHABET = [  # TS 23.038 section 6.2.1, row by row
    "@", "£", "$", "¥", "è", "é", "ù", "ì", "ò", "Ç", "\n", "Ø", "ø", "\r", "Å", "å",
    "Δ", "_", "Φ", "Γ", "Λ", "Ω", "Π", "Ψ", "Σ", "Θ", "Ξ", "<esc>", "Æ", "æ", "ß", "É",
    " ", "!", '"', "#", "¤", "%", "&", "'", "(", ")", "*", "+", ",", "-", ".", "/",
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", ":", ";", "<", "=", ">", "?",
    "¡", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "Ä", "Ö", "Ñ", "Ü", "§", "¿", *"abcdefghijklmnopqrstuvwxyz", "ä", "ö", "ñ", "ü",
    "à",
]  # fmt: skip
EXTENDED = {10: "\f", 20: "^", 40: "{", 41: "}", 47: "\\", 60: "[", 61: "~", 62: "]", 64: "|", 101: "€"}


def read_submit(text: str) -> dict[str, object]:
    """An SMS-SUBMIT PDU, with its service centre: number, text, (reference, of, part) or None, validity."""
    data = bytes.fromhex(text)
    at = 1 + data[0]
    first = data[at]
    assert first & 3 == 1, "not an SMS-SUBMIT"
    at += 2
    digits, kind = data[at], data[at + 1]
    octets = (digits + 1) // 2
    number = "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in data[at + 2 : at + 2 + octets])[:digits]
    at += 2 + octets
    assert data[at : at + 2] == b"\0\0", "protocol or alphabet is not the default"
    at += 2
    validity = None
    if (first >> 3) & 3 == 2:
        validity = data[at]
        at += 1
    length, user = data[at], data[at + 1 :]
    bits = "".join(f"{octet:08b}"[::-1] for octet in user)
    skip, joined = 0, None
    if first & 0x40:
        header = user[0] + 1
        assert user[1:3] == b"\0\x03", "not a concatenation"
        joined = (user[3], user[4], user[5])
        skip = -(-header * 8 // 7)
    numbers = [int(bits[n * 7 : n * 7 + 7][::-1], 2) for n in range(skip, length)]
    assert len(user) == -(-length * 7 // 8), "octets and septets do not fit"
    made, escaped = "", False
    for one in numbers:
        if escaped:
            made += EXTENDED[one]
        elif one != 27:
            made += ALPHABET[one]
        escaped = one == 27 and not escaped
    return {"number": ("+" if kind == 0x91 else "") + number, "text": made, "part": joined, "validity": validity}


class SimModem:
    """`answers` are what the next messages get instead of a reference; `sent` what the network took."""

    def __init__(self, *, pin: str = "", registered: str = "1", sim: bool = True) -> None:
        self.ours, theirs = os.openpty()
        tty.setraw(theirs)
        self._theirs = theirs
        self.port = os.ttyname(theirs)
        self.pin, self.registered, self.sim = pin, registered, sim
        self.tries = 0
        self.sent: list[dict[str, object]] = []
        self.answers: list[str] = []
        self.silent = False
        self.heard: list[str] = []
        self._echo, self._locked = True, bool(pin)
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()

    def close(self) -> None:
        os.close(self._theirs)
        self._serving.join(60)  # else it goes on with the number of what is opened next
        os.close(self.ours)

    def _say(self, *lines: str) -> None:
        os.write(self.ours, "".join(f"\r\n{line}\r\n" for line in lines).encode())

    def _serve(self) -> None:
        held, waiting = b"", 0
        while True:
            try:
                held += os.read(self.ours, 1000)
            except OSError:
                return
            if self.silent:
                held = b""
                continue
            while True:
                ends = [held.find(one) for one in ((b"\x1a",) if waiting else (b"\r",)) if one in held]
                if not ends:
                    break
                said, held = held[: ends[0]], held[ends[0] + 1 :]
                if waiting:
                    self._take(said.decode(), waiting)
                    waiting = 0
                    continue
                command = said.decode().strip().lstrip("\x1b").strip()
                if self._echo and command:
                    os.write(self.ours, said + b"\r")
                self.heard.append(command)
                if command.startswith("AT+CMGS="):
                    waiting = int(command[8:])
                    os.write(self.ours, b"\r\n> ")
                elif command:
                    self._obey(command)

    def _obey(self, command: str) -> None:
        if command == "ATE0":
            self._echo = False
        if command == "AT+CPIN?":
            if not self.sim:
                self._say("+CME ERROR: 10")
                return
            self._say("+CPIN: SIM PIN" if self._locked else "+CPIN: READY", "OK")
            return
        if command.startswith("AT+CPIN="):
            self.tries += 1
            if command != f'AT+CPIN="{self.pin}"':
                self._say("+CME ERROR: 16")
                return
            self._locked = False
        if command == "AT+CREG?":
            self._say("RING", f"+CREG: 0,{self.registered}", "OK")  # a call comes in meanwhile
            return
        if command == "AT+CEREG?":
            self._say("ERROR")
            return
        self._say("OK")

    def _take(self, pdu: str, length: int) -> None:
        assert len(pdu) // 2 - 1 - int(pdu[:2], 16) == length, "AT+CMGS said another length"
        answer = self.answers.pop(0) if self.answers else ""
        if answer:
            self._say(answer)
            return
        self.sent.append(read_submit(pdu))
        self._say('+CMTI: "SM",3', f"+CMGS: {len(self.sent)}", "OK")

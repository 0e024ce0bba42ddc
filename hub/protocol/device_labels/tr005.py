"""LoRa Alliance TR005, LoRaWAN Device Identification QR Codes (1.0.0, November 2020), §4.2. Pure.

    LW:D0:<JoinEUI>:<DevEUI>:<ProfileID>[:O<OwnerToken>][:S<SerNum>][:P<Proprietary>][:C<CheckSum>]

JoinEUI and DevEUI are 16 hexadecimal digits, ProfileID 8: the vendor's number at the Alliance and its own number of
the product. The rest may be left out; other letters are for later versions and are skipped. CheckSum (§4.2.5.5) is
CRC-16/MODBUS over the whole content without the CheckSum element, in 4 hexadecimal digits. The code never holds a key.

Two drafts are still met on devices, with the same first three parts: `URN:LW:DP:…:…:…[:%V…%S…%P…]` (draft 2) and
`URN:DEV:LW:…_…_…[_V…][_S…][_P…]` (draft 3); V is what OwnerToken is now.
"""

from __future__ import annotations

from hub.core.text import phrase
from hub.protocol.device_labels.label import Label, Unreadable, digits, eui

FORM = "TR005"


def is_one(text: str) -> bool:
    """True when a text claims to be one, of any version."""
    return text[:10].upper().startswith(("LW:", "URN:LW:DP:", "URN:DEV:LW"))


def read(text: str) -> Label:
    """Raises Unreadable: `tr005` when it is not whole, `tr005-checksum` when it was misread."""
    text = text.strip()
    head = text.upper()
    if head.startswith("LW:D0:"):
        join, device, profile, *rest = _parts(text[6:].split(":"))
        return _label(join, device, profile, _optional(text, rest))
    if head.startswith("URN:DEV:LW:"):
        join, device, profile, *rest = _parts(text[11:].split("_"))
        return _label(join, device, profile, rest)
    if head.startswith("URN:LW:DP:"):
        join, device, profile, *rest = _parts(text[10:].split(":", 3))
        return _label(join, device, profile, "".join(rest).replace("%25", "%").split("%"))
    raise Unreadable(
        "tr005",
        phrase(
            "qr-version-unknown",
            "this begins like a LoRaWAN QR code and is of a version that this hub does not know: enter "
            "DevEUI and AppKey",
        ),
    )


def checksum(content: str) -> str:
    """The four digits of CheckSum for a content without it: CRC-16/MODBUS (polynomial 0x8005 reflected, initial value
    0xFFFF, no final XOR)."""
    crc = 0xFFFF
    for byte in content.encode():
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return f"{crc:04X}"


def _parts(parts: list[str]) -> list[str]:
    if len(parts) < 3:
        raise Unreadable(
            "tr005",
            phrase(
                "qr-incomplete",
                "this LoRaWAN QR code is cut short: it names JoinEUI, DevEUI and ProfileID. Scan it again",
            ),
        )
    return parts


def _optional(text: str, elements: list[str]) -> list[str]:
    """The elements but CheckSum, which is verified."""
    others = [element for element in elements if element[:1] not in ("C", "c")]
    content = ":".join([*text.split(":")[:5], *others])
    sums = (checksum(content), checksum(content.upper()))
    if any(element[1:].upper() not in sums for element in elements if element[:1] in ("C", "c")):
        raise Unreadable(
            "tr005-checksum",
            phrase(
                "qr-checksum-wrong",
                "the checksum of this QR code does not fit its text: it was misread or mistyped. Scan it again",
            ),
        )
    return others


def _label(join: str, device: str, profile: str, elements: list[str]) -> Label:
    serial = next((element[1:65] for element in elements if element[:1] in ("S", "s")), "")
    return Label(
        form=FORM,
        device=f"lorawan:{eui(device)}",
        settings={"join_eui": eui(join, "JoinEUI")},
        profile=digits(profile, 4, "ProfileID").upper(),
        serial=serial if serial.isprintable() else "",
    )

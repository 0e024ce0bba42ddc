"""Writes archives shaped as ETS writes them: schema 11 (ETS 4), 14 (ETS 5), 20 (ETS 5.7), 21 and 23 (ETS 6); in clear,
with the old zip cipher (ETS 4 and 5) or with AES (ETS 6, by pyzipper)."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pyzipper
from xknxproject.zip.extractor import _generate_ets6_zip_password as ets6_password

PROJECT = "P-04F2"
APP = "M-0083_A-0019-13-D1A4"
PRODUCT = "M-0083_H-BEM.2DT0101-1_P-BE.2D01"
HP = "M-0083_H-BEM.2DT0101-1_HP-0019-13-D1A4"
SCHEMAS = (11, 14, 20, 21, 23)


def attributes(**named: object) -> str:
    return "".join(f" {name}={quoteattr(str(value))}" for name, value in named.items() if value is not None)


def master(schema: int) -> str:
    return f"""<?xml version="1.0" encoding="utf-8"?>
<KNX xmlns="http://knx.org/xml/project/{schema}" CreatedBy="ETS" ToolVersion="x">
 <MasterData Version="1" Signature="AA==">
  <Manufacturers>
   <Manufacturer Id="M-0083" KnxManufacturerId="131" Name="MDT technologies" DefaultLanguage="de-DE"/>
  </Manufacturers>
  <SpaceUsages><SpaceUsage Id="SU-1" Number="1" Text="Kitchen"/></SpaceUsages>
  <FunctionTypes><FunctionType Id="FT-1" Number="1" Text="switchable light"/></FunctionTypes>
 </MasterData>
</KNX>
"""


def information(schema: int, style: str = "ThreeLevel", name: str = "École Jean-Jaurès") -> str:
    return f"""<?xml version="1.0" encoding="utf-8"?>
<KNX xmlns="http://knx.org/xml/project/{schema}"><Project Id="{PROJECT}">
<ProjectInformation{
        attributes(
            Name=name,
            GroupAddressStyle=style,
            Guid="8a",
            LastModified="2026-01-01T10:00:00Z",
            ProjectStart="2026-01-01T10:00:00Z",
            CodePage="fr-FR",
            ProjectId="1",
        )
    }/>
</Project></KNX>
"""


def hardware(schema: int) -> str:
    return f"""<?xml version="1.0" encoding="utf-8"?>
<KNX xmlns="http://knx.org/xml/project/{schema}"><ManufacturerData><Manufacturer RefId="M-0083"><Hardware>
<Hardware Id="M-0083_H-BEM.2DT0101-1" Name="Capteur" SerialNumber="1" VersionNumber="1">
<Products><Product Id="{PRODUCT}" Text="Capteur d'ambiance" OrderNumber="SCN-01"/></Products>
<Hardware2Programs><Hardware2Program Id="{HP}" MediumTypes="MT-0">
<ApplicationProgramRef RefId="{APP}"/></Hardware2Program></Hardware2Programs>
</Hardware></Hardware></Manufacturer></ManufacturerData></KNX>
"""


def program(schema: int) -> str:
    def flags(read: str, transmit: str) -> str:
        return attributes(
            ReadFlag=read,
            WriteFlag="Disabled",
            CommunicationFlag="Enabled",
            TransmitFlag=transmit,
            UpdateFlag="Disabled",
            ReadOnInitFlag="Disabled",
        )

    return f"""<?xml version="1.0" encoding="utf-8"?>
<KNX xmlns="http://knx.org/xml/project/{schema}"><ManufacturerData><Manufacturer RefId="M-0083"><ApplicationPrograms>
<ApplicationProgram Id="{APP}" ApplicationNumber="25" ApplicationVersion="19" Name="P" DefaultLanguage="de-DE"><Static>
<ComObjectTable>
<ComObject Id="{APP}_O-1" Name="T" Text="Température" Number="1" FunctionText="" ObjectSize="2 Bytes"
 DatapointType="DPST-9-1"{flags("Enabled", "Enabled")}/>
<ComObject Id="{APP}_O-2" Name="H" Text="Humidité" Number="2" FunctionText="" ObjectSize="2 Bytes"
 DatapointType="DPT-9"{flags("Disabled", "Enabled")}/>
<ComObject Id="{APP}_O-3" Name="S" Text="Commande" Number="3" FunctionText="" ObjectSize="1 Bit"
 DatapointType="DPST-1-1"{flags("Disabled", "Disabled")}/>
</ComObjectTable>
<ComObjectRefs>
<ComObjectRef Id="{APP}_O-1_R-1" RefId="{APP}_O-1"/>
<ComObjectRef Id="{APP}_O-2_R-2" RefId="{APP}_O-2" DatapointType="DPST-9-7" Text="Humidité relative"/>
<ComObjectRef Id="{APP}_O-3_R-3" RefId="{APP}_O-3"/>
<ComObjectRef Id="{APP}_O-3_R-4" RefId="{APP}_O-3" TransmitFlag="Enabled" DatapointType="DPST-1-18"/>
</ComObjectRefs>
</Static></ApplicationProgram></ApplicationPrograms></Manufacturer></ManufacturerData></KNX>
"""


def installation(schema: int) -> str:
    """Two rooms with a sensor each, a board with an actuator, and a function."""
    new = schema >= 20

    def ga(number: int) -> str:
        return f"GA-{number}" if new else f"{PROJECT}-0_GA-{number}"

    def full(what: str) -> str:
        return f"{PROJECT}-0_{what}"

    def linked(ref: str, *groups: int, **more: object) -> str:
        ref = ref if new else f"{APP}_{ref}"
        if new:
            return f"<ComObjectInstanceRef{attributes(RefId=ref, Links=' '.join(map(ga, groups)), **more)}/>"
        ends = [f"<Send{attributes(GroupAddressRefId=ga(groups[0]))}/>"]
        ends += [f"<Receive{attributes(GroupAddressRefId=ga(g))}/>" for g in groups[1:]]
        ref_attributes = attributes(RefId=ref, **more)
        return f"<ComObjectInstanceRef{ref_attributes}><Connectors>{''.join(ends)}</Connectors></ComObjectInstanceRef>"

    def device(number: int, address: int | None, name: str, *objects: str) -> str:
        named = attributes(
            Id=full(f"DI-{number}"),
            Address=address,
            Name=name,
            ProductRefId=PRODUCT,
            Hardware2ProgramRefId=HP,
            Puid=number,
        )
        return (
            f"<DeviceInstance{named}><ComObjectInstanceRefs>{''.join(objects)}</ComObjectInstanceRefs></DeviceInstance>"
        )

    devices = "".join(
        [
            device(1, 10, "Capteur salle 12", linked("O-1_R-1", 1), linked("O-2_R-2", 2), linked("O-3_R-4", 3)),
            device(2, 11, "Capteur CDI", linked("O-1_R-1", 4)),
            device(
                3,
                20,
                "Actionneur",
                linked("O-3_R-3", 5),
                linked("O-3_R-4", 6, DatapointType="DPST-1-11"),
                linked("O-1_R-1", 7, 1, DatapointType="DPST-5-1"),
            ),
        ]
    )
    line = f"<Segment{attributes(Id=full('S-1'), Number=0, MediumTypeRefId='MT-0', Puid=90)}>{devices}</Segment>"
    line = line if schema >= 21 else devices
    topology = (
        f"<Topology><Area{attributes(Id=full('A-1'), Address=1, Name='A', Puid=91)}>"
        f"<Line{attributes(Id=full('L-1'), Address=1, Name='L', Puid=92)}>{line}</Line></Area></Topology>"
    )
    part = "Space" if schema >= 14 else "BuildingPart"

    def space(number: int, kind: str, name: str, inside: str) -> str:
        return f"<{part}{attributes(Id=full(f'BP-{number}'), Type=kind, Name=name, Puid=20 + number)}>{inside}</{part}>"

    def mounted(number: int) -> str:
        return f"<DeviceInstanceRef{attributes(RefId=full(f'DI-{number}'))}/>"

    function = (
        f"<Function{attributes(Id=full('F-1'), Type='FT-1', Name='Éclairage', Puid=60)}>"
        f"<GroupAddressRef{attributes(Id=full('GF-1'), RefId=full('GA-6'), Name='', Role='InfoOnOff', Puid=61)}/>"
        "</Function>"
    )
    rooms = space(3, "Room", "Salle 12", mounted(1) + (function if new else "")) + space(4, "Room", "CDI", mounted(2))
    board = space(5, "DistributionBoard", "TD 1", mounted(3))
    building = space(1, "Building", "Bâtiment A", space(2, "Floor", "Étage 1", rooms + board))
    buildings = f"<Locations>{building}</Locations>" if schema >= 14 else f"<Buildings>{building}</Buildings>"

    def group(number: int, address: int, name: str, dpt: str | None, **more: object) -> str:
        ident = full(f"GA-{number}")
        named = attributes(Id=ident, Address=address, Name=name, DatapointType=dpt, Puid=40 + number, **more)
        return f"<GroupAddress{named}/>"

    def grouped(number: int, name: str, start: int, end: int, inside: str) -> str:
        named = attributes(Id=full(f"GR-{number}"), Name=name, RangeStart=start, RangeEnd=end, Puid=80 + number)
        return f"<GroupRange{named}>{inside}</GroupRange>"

    air = group(1, 2305, "Température salle 12", "DPST-9-1", Description="au mur") + group(2, 2306, "Humidité", None)
    air += group(3, 2307, "Présence", None) + group(4, 2308, "Température CDI", "DPST-9-1")
    light = group(5, 2561, "Éclairage commande", "DPST-1-1") + group(6, 2562, "Éclairage état", "DPST-1-11")
    light += group(7, 2563, "Gradation", "DPST-5-1") + group(8, 2564, "Sans rien", None)
    ranges = grouped(
        1, "Premier étage", 2048, 4095, grouped(2, "Air", 2304, 2559, air) + grouped(3, "Lumière", 2560, 2815, light)
    )
    return f"""<?xml version="1.0" encoding="utf-8"?>
<KNX xmlns="http://knx.org/xml/project/{schema}" CreatedBy="ETS" ToolVersion="x"><Project Id="{PROJECT}"><Installations>
<Installation Name="" InstallationId="0" BCUKey="4294967295">{topology}{buildings}
<GroupAddresses><GroupRanges>{ranges}</GroupRanges></GroupAddresses>
</Installation></Installations></Project></KNX>
"""


def inner(schema: int, **changed: str) -> dict[str, str]:
    files = {
        "project.xml" if schema > 11 else "Project.xml": information(schema, changed.pop("style", "ThreeLevel")),
        "0.xml": installation(schema),
    }
    return files | changed


def archive(path: Path, schema: int, password: str = "", **changed: str) -> Path:
    """One project at `path`."""
    files = inner(schema, **changed)
    outer = {
        "knx_master.xml": master(schema), "M-0083/Hardware.xml": hardware(schema), f"M-0083/{APP}.xml": program(schema),
    }  # fmt: skip
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, text in outer.items():
            zipped.writestr(name, text)
        zipped.writestr(f"{PROJECT}.signature", b"")
        if not password:
            for name, text in files.items():
                zipped.writestr(f"{PROJECT}/{name}", text)
        elif schema >= 21:
            zipped.writestr(f"{PROJECT}.zip", aes_archive(files, ets6_password(password)))
        else:
            zipped.writestr(f"{PROJECT}.zip", old_archive(files, password.encode()))
    return path


def aes_archive(files: dict[str, str], password: bytes) -> bytes:
    buffer = io.BytesIO()
    with pyzipper.AESZipFile(buffer, "w", compression=zipfile.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as zipped:
        zipped.setpassword(password)
        for name, text in files.items():
            zipped.writestr(name, text)
    return buffer.getvalue()


def old_archive(files: dict[str, str], password: bytes) -> bytes:
    """The traditional cipher of PKWARE (APPNOTE.TXT 6.1), which Python reads and does not write."""
    out, directory = io.BytesIO(), io.BytesIO()
    for name, text in files.items():
        plain = text.encode()
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = packer.compress(plain) + packer.flush()
        crc = zlib.crc32(plain)
        keys = Keys(password)
        sealed = bytes(keys.encrypt(bytes(11) + bytes([crc >> 24])) + keys.encrypt(packed))
        head = b"".join(
            n.to_bytes(size, "little")
            for n, size in (
                (20, 2),
                (1, 2),
                (8, 2),
                (0, 4),
                (crc, 4),
                (len(sealed), 4),
                (len(plain), 4),
                (len(name), 2),
                (0, 2),
            )
        )
        offset = out.tell()
        out.write(b"PK\x03\x04" + head + name.encode() + sealed)
        directory.write(b"PK\x01\x02\x14\x00" + head + bytes(10) + offset.to_bytes(4, "little") + name.encode())
    start, listed = out.tell(), directory.getvalue()
    count = len(files).to_bytes(2, "little")
    end = (
        b"PK\x05\x06"
        + bytes(4)
        + count
        + count
        + len(listed).to_bytes(4, "little")
        + start.to_bytes(4, "little")
        + bytes(2)
    )
    return out.getvalue() + listed + end


class Keys:
    def __init__(self, password: bytes) -> None:
        self.keys = [0x12345678, 0x23456789, 0x34567890]
        for octet in password:
            self._update(octet)

    def _update(self, octet: int) -> None:
        first, second, third = self.keys
        first = _crc(first, octet)
        second = (second + (first & 0xFF)) * 134775813 + 1 & 0xFFFFFFFF
        self.keys = [first, second, _crc(third, second >> 24)]

    def encrypt(self, data: bytes) -> bytes:
        def octets() -> Iterator[int]:
            for octet in data:
                salt = self.keys[2] & 0xFFFF | 2
                yield octet ^ (salt * (salt ^ 1) >> 8 & 0xFF)
                self._update(octet)

        return bytes(octets())


def _crc(crc: int, octet: int) -> int:
    return zlib.crc32(bytes([octet]), crc ^ 0xFFFFFFFF) ^ 0xFFFFFFFF

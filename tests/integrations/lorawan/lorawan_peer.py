"""npm `lora-packet` as functions, and a device made of it alone: not a line of our code makes or reads its frames."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "peers" / "node"


class LoraPacket:
    """One node process. A call returns what `tests/peers/node/lorawan.mjs` says; bytes are hexadecimal."""

    def __init__(self) -> None:
        if not (FOLDER / "node_modules" / "lora-packet").is_dir():
            raise RuntimeError("the peers in JavaScript are not installed: run `make setup`")
        self._process = subprocess.Popen(
            ["node", FOLDER / "lorawan.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, call: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": call, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "refused" in answer:
            raise ValueError(answer["refused"])
        return answer["result"]

    def data(
        self,
        *,
        uplink: bool,
        address: int,
        fcnt: int,
        nwk: bytes,
        app: bytes,
        fport: int | None = None,
        payload: bytes = b"",
        fopts: bytes = b"",
        confirmed: bool = False,
        adr: bool = False,
        adr_ack_req: bool = False,
        ack: bool = False,
        pending: bool = False,
    ) -> bytes:
        return bytes.fromhex(
            self(
                "data",
                uplink=uplink,
                confirmed=confirmed,
                address=address,
                fcnt=fcnt,
                fport=fport,
                payload=payload.hex(),
                fopts=fopts.hex(),
                adr=adr,
                adrAckReq=adr_ack_req,
                ack=ack,
                pending=pending,
                nwk=nwk.hex(),
                app=app.hex(),
            )
        )

    def read(self, frame: bytes, *, fcnt: int, nwk: bytes, app: bytes) -> dict[str, Any]:
        return self("read", frame=frame.hex(), fcnt=fcnt, nwk=nwk.hex(), app=app.hex())

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(120)
        self._process.stdout.close()


@dataclass
class PeerDevice:
    """A class A device: joins, sends, reads what comes down. Refuses a downlink whose MIC or counter is wrong, and
    whatever uses a counter or a JoinNonce twice."""

    peer: LoraPacket
    dev_eui: bytes
    app_key: bytes
    join_eui: bytes = bytes(8)
    address: int = 0
    nwk: bytes = b""
    app: bytes = b""
    fcnt_up: int = 0
    fcnt_down: int = -1
    delay: int = 1
    nonces: list[int] = field(default_factory=list)
    downlinks: list[dict[str, Any]] = field(default_factory=list)

    def join_request(self, dev_nonce: int) -> bytes:
        self.dev_nonce = dev_nonce
        return bytes.fromhex(
            self.peer(
                "joinRequest",
                joinEui=self.join_eui.hex(),
                devEui=self.dev_eui.hex(),
                devNonce=dev_nonce,
                appKey=self.app_key.hex(),
            )
        )

    def join_accept(self, frame: bytes) -> dict[str, Any]:
        said = self.peer("openJoinAccept", frame=frame.hex(), appKey=self.app_key.hex(), devNonce=self.dev_nonce)
        assert said["mic"], "the MIC of the join accept"
        assert said["joinNonce"] not in self.nonces, "a JoinNonce used twice"
        self.nonces.append(said["joinNonce"])
        self.address, self.delay = said["address"], said["delay"]
        self.nwk, self.app = bytes.fromhex(said["nwk"]), bytes.fromhex(said["app"])
        self.fcnt_up, self.fcnt_down = 0, -1
        return said

    def uplink(self, payload: bytes = b"", fport: int | None = 2, **flags: Any) -> bytes:
        """The next uplink; `repeat` the last with the bytes you have."""
        frame = self.peer.data(
            uplink=True,
            address=self.address,
            fcnt=self.fcnt_up,
            nwk=self.nwk,
            app=self.app,
            fport=fport,
            payload=payload,
            **flags,
        )
        self.fcnt_up += 1
        return frame

    def downlink(self, frame: bytes) -> dict[str, Any]:
        low = int.from_bytes(frame[6:8], "little")
        fcnt = (self.fcnt_down & ~0xFFFF if self.fcnt_down >= 0 else 0) | low
        if fcnt <= self.fcnt_down:
            fcnt += 0x10000
        said = self.peer.read(frame, fcnt=fcnt, nwk=self.nwk, app=self.app)
        assert said["mic"], "the MIC of a downlink, or a counter that did not rise"
        self.fcnt_down = fcnt
        self.downlinks.append(said)
        return said

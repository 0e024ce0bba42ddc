"""An integration whose plugin also reads frames of a radio that another one hears."""

import asyncio
import os
import time

import hub
from hub.core.model import Frame


class Options(hub.Config):
    does: str = ""


def decode(frame: Frame, keys):
    said = frame.data.get("manufacturer:ac3e")
    if said is None:
        return None
    word = said.decode()
    own = f"{frame.kind}:{frame.address}"
    if word == "spins":
        time.sleep(60)
    if word == "dies":
        os._exit(7)
    if word == "bug":
        raise KeyError(word)
    if word == "wrong":
        raise hub.DecodeError("bad-crc", "it is damaged")
    if word == "sealed":
        if keys(own) is None:
            return hub.NeedKey(own, "Acme Tag")
        proof = hub.Proof("acme", 1, authenticated=True, sealed=True)
        return hub.Decoded(device=own, values={"temperature": float(keys(own)[0])}, proof=proof)
    if word == "asks":  # for keys of its own scheme, and of others
        found = [keys(one) for one in (own, "acme:1", "ble:another", "lorawan:1")]
        return hub.Decoded(device=own, values={}, model=repr(found))
    if word == "foreign":
        return hub.Decoded(device="knx:1", values={"temperature": 1.0})
    if word == "personal":
        return hub.Decoded(device=own, values={"temperature": 2.0, "people": 3.0}, model="Acme Tag")
    if word == "strange":
        return hub.Decoded(device=own, values={}, skipped=("not a reason",))
    return hub.Decoded(device=own, values={"temperature": float(word)}, model="Acme Tag")


async def run(config: Options, session: hub.Session) -> None:
    session.state.put("runs", session.state.get("runs", 0) + 1)
    await asyncio.get_running_loop().create_future()


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("acme", Options, run)


@hub.hookimpl
def register_decoders(register: hub.RegisterDecoder) -> None:
    register("acme-tag", "ble", decode)

from acme_thermo import AcmeThermo, run

import hub

REASONS = {
    "acme-no-probe": "The probe is unplugged: check its plug",
    "acme-fault-*": "Fault {part} of the device: see its manual",
}


def decode(body: dict[str, float]) -> hub.Report:
    if body.get("fault"):
        raise hub.DecodeError(f"acme-fault-{body['fault']}")
    if body["t"] is None:
        raise hub.DecodeError("acme-no-probe")
    return hub.Report(device=f"acme:{body['sn']}", values={"temperature": body["t"] / 10})


@hub.hookimpl
def register_integrations(register: hub.Register) -> None:
    register("acme_words", AcmeThermo, run, reasons=REASONS)

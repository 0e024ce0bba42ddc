"""Sentences and remedies for the faults of a forwarder's log. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hub.core.text import phrase
from hub.operations.concentrator import log_faults as log

Plan = dict[str, Any]


class Text(NamedTuple):
    """`says` takes the plan, the log's detail and how often; `remedy` takes the plan."""

    state: str
    says: Callable[[Plan, str, int], str]
    remedy: Callable[[Plan], str]


def _pins(plan: Plan) -> list[str]:
    return [f"{name} GPIO {pin}" for name, pin in plan["lines"].items()]


TEXTS: dict[str, Text] = {
    log.CHIP_ZERO: Text(
        "wrong",
        lambda plan, _detail, _count: phrase(
            "radio-chip-zero", "the chip does not answer (version 0): it is in reset, without power, or badly seated"
        ),
        lambda plan: phrase(
            "radio-check-pins",
            "is the model right, and are its lines ({lines})? `ilot radio setup --reset GPIO` gives another",
            lines=_pins(plan),
        ),
    ),
    log.CHIP_WRONG: Text(
        "wrong",
        lambda plan, _detail, _count: phrase(
            "radio-chip-wrong", "another chip answers than that of {model}", model=plan["model"]
        ),
        lambda plan: phrase("radio-choose-model", "choose the model again: `ilot radio setup --model`"),
    ),
    log.IN_USE: Text(
        "wrong",
        lambda plan, detail, _count: phrase(
            "radio-in-use", "{device} is held by process {process}", device=plan["device"], process=detail
        ),
        lambda plan: phrase(
            "radio-stop-other", "`ps -p PROCESS` names it: another packet forwarder? Stop and disable it"
        ),
    ),
    log.DENIED: Text(
        "wrong",
        lambda plan, _detail, _count: phrase(
            "radio-denied", "the forwarder may not open {device}", device=plan["device"]
        ),
        lambda plan: phrase(
            "radio-check-rights",
            "udevadm trigger, then `ls -l`: the device belongs to the group spi, gpio, i2c or dialout, and "
            "ilot-radio is in it",
        ),
    ),
    log.NO_DEVICE: Text(
        "wrong",
        lambda plan, _detail, _count: phrase("radio-device-gone", "{device} was not there", device=plan["device"]),
        lambda plan: phrase(
            "radio-spi-line-short", "dtparam=spi=on in /boot/firmware/config.txt for a HAT; plugged in, for USB"
        ),
    ),
    log.NO_I2C: Text(
        "wrong",
        lambda plan, _detail, _count: phrase(
            "radio-no-i2c", "the temperature sensor's bus /dev/i2c-1 cannot be opened"
        ),
        lambda plan: phrase(
            "radio-i2c-line",
            "dtparam=i2c_arm=on in /boot/firmware/config.txt, i2c-dev in /etc/modules, and restart the machine",
        ),
    ),
    log.NO_SENSOR: Text(
        "wrong",
        lambda plan, _detail, _count: phrase(
            "radio-no-sensor", "this board has no temperature sensor, and this build of the forwarder wants one"
        ),
        lambda plan: phrase(
            "radio-patched-build", "install the build with the patch: docs/how-to/lora-concentrator.md"
        ),
    ),
    log.NOT_OPENED: Text(
        "wrong",
        lambda plan, _detail, _count: phrase(
            "radio-not-opened", "the forwarder could not open {device}", device=plan["device"]
        ),
        lambda plan: phrase(
            "radio-check-rights",
            "udevadm trigger, then `ls -l`: the device belongs to the group spi, gpio, i2c or dialout, and "
            "ilot-radio is in it",
        ),
    ),
    log.START_FAILED: Text(
        "wrong",
        lambda plan, detail, _count: phrase(
            "radio-start-failed", "the concentrator does not start: {detail}", detail=detail
        ),
        lambda plan: phrase("radio-check-all", "check model, lines ({lines}) and power supply", lines=_pins(plan)),
    ),
    log.NOT_LISTED: Text(
        "wrong",
        lambda plan, detail, _count: phrase(
            "radio-refused-by-hub", "the hub refuses the gateway: {detail}", detail=detail
        ),
        lambda plan: phrase(
            "radio-add-gateway", "name {eui} below `gateways`: `ilot radio setup` does it", eui=plan["eui"]
        ),
    ),
    log.WRONG_TOKEN: Text(
        "wrong",
        lambda plan, detail, _count: phrase(
            "radio-wrong-token", "the hub refuses the forwarder's token (HTTP {status})", status=detail
        ),
        lambda plan: phrase("radio-write-anew", "the token changed: `ilot radio setup` writes it anew"),
    ),
    log.NOT_LISTENING: Text(
        "wrong",
        lambda plan, _detail, _count: phrase(
            "radio-not-listening", "nobody listens at {uri}", uri=plan["files"]["tc.uri"].strip()
        ),
        lambda plan: phrase(
            "radio-start-hub", "does the hub run, and its integration lorawan with a section `station`?"
        ),
    ),
    log.CERTIFICATE: Text(
        "wrong",
        lambda plan, detail, _count: phrase(
            "radio-certificate", "the forwarder does not trust the hub's certificate: {detail}", detail=detail
        ),
        lambda plan: phrase(
            "radio-certificate-anew", "it was renewed, or names another host: `ilot radio setup` copies it anew"
        ),
    ),
    log.REGION: Text(
        "wrong",
        lambda plan, detail, _count: phrase(
            "radio-region-mismatch", "the forwarder does not know the region {region} that it was given", region=detail
        ),
        lambda plan: phrase(
            "radio-hub-gives-region",
            "it gets its region from the hub: does tc.uri ({uri}) lead there?",
            uri=plan["files"]["tc.uri"].strip(),
        ),
    ),
    log.CLOCK: Text(
        "note",
        lambda plan, _detail, count: phrase(
            "radio-clock-drifts", "the concentrator's clock drifts or stands still; times: {count}", count=count
        ),
        lambda plan: phrase("radio-check-supply", "under-voltage and heat do that: check the power supply"),
    ),
    log.NO_PPS: Text(
        "note",
        lambda plan, detail, _count: phrase("radio-no-pps", "no pulse of the GPS for {seconds} s", seconds=detail),
        lambda plan: phrase(
            "radio-pps-not-needed", "only class B needs it, which this hub does not do; its antenna wants open sky"
        ),
    ),
    log.TX_REFUSED: Text(
        "note",
        lambda plan, _detail, count: phrase(
            "radio-tx-refused", "downlinks that could not be sent: {count}", count=count
        ),
        lambda plan: phrase(
            "radio-tx-late", "too late, or two at once; many mean that this machine is overloaded or the clock drifts"
        ),
    ),
    log.DUTY_CYCLE: Text(
        "note",
        lambda plan, _detail, count: phrase(
            "radio-duty-cycle", "downlinks held back because the sub-band's airtime is spent: {count}", count=count
        ),
        lambda plan: phrase("radio-airtime-waits", "downlinks wait; fewer commands, or another gateway"),
    ),
}

"""Alerts on a broker that is not ours (mosquitto), read by another client."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import aiomqtt
import pytest

from hub.automation.alerts import CLEARED
from hub.automation.alerts.lifecycle import transition
from plugins.mqtt_notifier import Config, run

from ..homeassistant.test_homeassistant import hanging_up, mosquitto
from ..notify_kit import HUB, alert, notifying, until


@pytest.mark.real("network, processes")
async def test_an_open_alert_stays_at_the_broker_until_it_is_cleared(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as port:
        config = Config(host="127.0.0.1", port=port)
        async with notifying("mqtt_notifier", run, config) as (queue, _, health):
            first = alert()
            queue.offer(first)
            await until(lambda: queue.status()["waiting"] == 0)
            assert health.state == "running"
            async with aiomqtt.Client("127.0.0.1", port) as late:
                await late.subscribe("ilot/alerts/#", qos=1)
                message = await anext(aiter(late.messages))
                assert str(message.topic) == f"ilot/alerts/{HUB}/a"
                assert message.retain
                said = json.loads(bytes(message.payload))  # type: ignore[arg-type]
                assert (said["state"], said["change"], said["text_fr"]) == ("raised", 1, first.text_fr)
                over = transition(first, CLEARED, first.changed + 1, "rule:loop")
                assert over is not None
                queue.offer(over)
                heard = [bytes((await anext(aiter(late.messages))).payload) for _ in range(2)]  # type: ignore[arg-type]
                assert json.loads(heard[0])["state"] == "cleared"
                assert heard[1] == b""
            await until(lambda: queue.status()["waiting"] == 0)
            async with aiomqtt.Client("127.0.0.1", port) as later:
                await later.subscribe("ilot/alerts/#", qos=1)
                await later.publish("ilot/alerts/end", b"x", qos=1)
                assert str((await anext(aiter(later.messages))).topic) == "ilot/alerts/end"  # nothing else stands there


@pytest.mark.real("network, processes")
async def test_a_broker_that_refuses_the_user_stops_the_notifier(tmp_path: Path) -> None:
    async with mosquitto(tmp_path, "allow_anonymous false") as port:
        config = Config(host="127.0.0.1", port=port, user="x", password="y")
        async with notifying("mqtt_notifier", run, config) as (queue, _, health):
            queue.offer(alert())
            await until(lambda: health.state == "stopped")
            assert "refuses this user" in health.error


@pytest.mark.real("network")
async def test_a_broker_that_is_away_is_not_ready() -> None:
    async with notifying("mqtt_notifier", run, Config(host="127.0.0.1", port=1)) as (queue, _, health):
        queue.offer(alert())
        await until(lambda: health.state == "waiting" and health.error)
        assert "127.0.0.1:1" in health.error


def patient(port: int) -> Config:
    """Gives an answer more time than a test has."""
    made = Config(host="127.0.0.1", port=port)
    return made.model_copy(update={"timeout": timedelta(hours=1)})


@pytest.mark.real("network")
async def test_a_broker_that_hangs_up_before_it_answers_is_told_at_once() -> None:
    async with hanging_up() as port, notifying("mqtt_notifier", run, patient(port)) as parts:
        queue, _, health = parts
        queue.offer(alert())
        await until(lambda: health.state == "waiting" and health.error)  # not its time-out
        assert "closes the connection" in health.error


async def test_a_ca_that_cannot_be_read_stops_the_notifier_and_names_the_option(tmp_path: Path) -> None:
    config = Config(host="127.0.0.1", port=1, tls=True, ca=tmp_path / "gone.pem")
    async with notifying("mqtt_notifier", run, config) as (queue, _, health):
        queue.offer(alert())
        await until(lambda: health.state == "stopped")
        assert "notifiers.mqtt_notifier.ca" in health.error

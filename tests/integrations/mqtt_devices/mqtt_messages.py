"""A published message, for both tests."""

# As Zigbee2MQTT publishes them for an Aqara temperature and humidity sensor (its documentation of Home Assistant).
SENSOR = {
    "device": {
        "identifiers": ["zigbee2mqtt_0x00158d0001b7d9b2"], "manufacturer": "Xiaomi", "model": "WSDCGQ11LM",
        "name": "office",
    },
    "device_class": "temperature", "state_class": "measurement", "state_topic": "zigbee2mqtt/office",
    "unique_id": "0x00158d0001b7d9b2_temperature_zigbee2mqtt", "unit_of_measurement": "°C",
    "value_template": "{{ value_json.temperature }}",
}  # fmt: skip
TOPIC = "homeassistant/sensor/0x00158d0001b7d9b2/temperature/config"

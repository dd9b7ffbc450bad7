"""MQTT on the real Mosquitto: events, states that Home Assistant discovers, and the last will."""

import json

import pytest
from fixtures_notify import free_port, notify_settings
from fixtures_storage import alert, score, stream_info, until

from notify.destinations import broker_of
from notify.home_assistant import StreamStates, slug
from notify.messages import Sender
from notify.mqtt import Broker
from notify.notifier import Notifier
from radd.errors import NotifyError
from radd.types import AlertState, Call, Score, Verdict

SENDER = Sender("here", "")
MICROPHONE = stream_info(id="s1", source="USB Audio")
CALL = stream_info(id="s2", source="twilio", call=Call("CA1", "inbound"))


def scored(p_spoof):
    plain = score(2_048, None if p_spoof is None else 1.0, Verdict.BONAFIDE)
    values = {name: getattr(plain, name) for name in Score.__slots__}
    return Score(**values | {"p_spoof": p_spoof})


def states(broker):
    return StreamStates(broker, "homeassistant")


def test_states_are_retained_and_discovered(mosquitto, subscriber):
    broker = broker_of(notify_settings(mqtt=mosquitto.url))
    with states(broker) as watcher:
        watcher.begin(MICROPHONE, dict)
        watcher.write(scored(0.125), "s1")
        until(lambda: subscriber.latest.get("radd/here/usb_audio/p_spoof") == "12.5")
        watcher.write(alert(), "s1")
        until(lambda: subscriber.latest["radd/here/usb_audio/alert"] == "ON")
        watcher.write(alert(AlertState.CLOSE), "s1")
        watcher.write(scored(None), "s1")
        until(lambda: subscriber.latest["radd/here/usb_audio/alert"] == "OFF")
        until(lambda: subscriber.latest["radd/here/usb_audio/p_spoof"] == "None")
    assert subscriber.latest["radd/here/status"] == "online"
    binary, sensor = (
        json.loads(subscriber.latest[f"homeassistant/{kind}/radd_here/usb_audio/config"])
        for kind in ("binary_sensor", "sensor")
    )
    assert binary["state_topic"] == "radd/here/usb_audio/alert"
    assert sensor["state_topic"] == "radd/here/usb_audio/p_spoof"
    assert sensor["unit_of_measurement"] == "%"
    for config in (binary, sensor):
        assert config["availability_topic"] == "radd/here/status"
        assert config["device"]["identifiers"] == ["radd_here"]
    assert binary["unique_id"] != sensor["unique_id"]
    broker.close()
    until(lambda: subscriber.latest["radd/here/status"] == "offline")


def test_a_call_that_ends_leaves_no_sensor_and_a_microphone_does(mosquitto, subscriber):
    broker = broker_of(notify_settings(mqtt=mosquitto.url))
    with states(broker) as watcher:
        for stream in (MICROPHONE, CALL):
            watcher.begin(stream, dict)
        configs = {
            name: f"homeassistant/sensor/radd_here/{name}/config"
            for name in ("usb_audio", "ca1_inbound")
        }
        until(lambda: all(subscriber.latest.get(topic) for topic in configs.values()))
        watcher.write(alert(), "s1")
        for stream in ("s1", "s2"):
            watcher.end(stream)
        until(lambda: subscriber.latest[configs["ca1_inbound"]] == "")
        until(lambda: subscriber.latest["radd/here/usb_audio/alert"] == "OFF")
    assert subscriber.latest[configs["usb_audio"]] != ""
    broker.close()


def connect_and_stop(url):
    broker = Broker(url, "radd", "victim", 60.0)
    broker.open()
    broker.send([SENDER.sample(1e9)])


def test_the_last_will_says_offline_after_a_kill(mosquitto, subscriber, killed_after):
    killed_after(connect_and_stop, mosquitto.url)
    until(lambda: subscriber.latest.get("radd/victim/status") == "offline")
    assert ("radd/victim/status", "online") in subscriber.messages


def test_events_that_came_without_a_broker_arrive_when_it_is_there(mosquitto, tmp_path):
    from fixtures_notify import Subscriber

    mosquitto.stop()
    settings = notify_settings(mqtt=mosquitto.url, timeout_s=0.2)
    broker = broker_of(settings)
    with Notifier(settings, SENDER, tmp_path, [broker]) as notifies, states(broker):
        notifies.write(alert())
        until(lambda: notifies.counts()["mqtt"]["failed"])
        mosquitto.start()
        subscriber = Subscriber(mosquitto.port)
        until(subscriber.events)
        until(lambda: notifies.waiting()["mqtt"] == 0)
    assert [event["type"] for event in subscriber.events()] == ["alert.open"]
    subscriber.close()


def test_a_broker_that_is_not_there_is_an_error_with_its_address():
    broker = Broker(f"mqtt://ann:hidden@127.0.0.1:{free_port()}", "radd", "here", 0.5)
    broker.open()
    with pytest.raises(NotifyError, match="127.0.0.1:.* is not connected: it cannot") as failure:
        broker.send([SENDER.sample(1e9)])
    broker.close()
    assert "hidden" not in str(failure.value)


@pytest.mark.parametrize(
    "text, topic",
    [("USB Audio", "usb_audio"), ("/a/b#+.wav", "a_b_wav"), ("Ä", "stream"), ("", "stream")],
)
def test_a_topic_level_has_no_wildcards(text, topic):
    assert slug(text) == topic


def test_streams_of_one_name_have_topics_of_their_own(mosquitto, subscriber):
    broker = broker_of(notify_settings(mqtt=mosquitto.url))
    with StreamStates(broker, "") as watcher:
        watcher.begin(MICROPHONE, dict)
        watcher.begin(stream_info(id="s3", source="USB Audio"), dict)
        until(lambda: "radd/here/usb_audio_2/alert" in subscriber.latest)
    assert not [topic for topic in subscriber.latest if topic.startswith("homeassistant")]
    broker.close()

"""The state of each stream over MQTT, and its discovery by Home Assistant.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass

from notify.mqtt import Broker
from notify.watcher import Counts
from radd.types import Alert, AlertState, Event, Score
from storage.records import StreamInfo
from storage.spool.courier import Courier

EVERY_S = 1.0  # a probability is published at most so often
UNKNOWN = "None"  # what Home Assistant shows as unknown
LONGEST_SLUG = 64


@dataclass(slots=True)
class _State:
    """The values of one stream, and those that were published."""

    stream: StreamInfo
    slug: str
    alert: str = "OFF"
    p_spoof: str = UNKNOWN
    published: tuple[str, str] | None = None


class StreamStates:
    """A StreamWatcher that publishes whether each stream has an alert, and its probability.

    PREFIX/NODE/STREAM/alert is ON or OFF, PREFIX/NODE/STREAM/p_spoof a percentage or None; both
    retained. With a discovery prefix Home Assistant makes a binary sensor and a sensor of each. A
    call that has ended is removed; any other source stays, because it has the same topics at the
    next start.
    """

    def __init__(self, broker: Broker, discovery: str):
        self._broker, self._discovery = broker, discovery
        self._lock = threading.Lock()
        self._states: dict[str, _State] = {}
        self._gone: list[_State] = []
        self._courier = Courier("mqtt states", self._publish)

    def __enter__(self) -> StreamStates:
        self._broker.connected = self._again
        self._courier.start()
        self._broker.open()
        return self

    def __exit__(self, *exc) -> None:
        self._courier.close(EVERY_S)

    def begin(self, stream: StreamInfo, counts: Counts) -> None:
        """A stream begins."""
        with self._lock:
            taken = {state.slug for state in self._states.values()}
            self._states[stream.id] = _State(stream, _slug(stream, taken))
        self._courier.wake()

    def write(self, event: Event, stream: str | None = None) -> None:
        """Remember the latest values; they are published in another thread."""
        with self._lock:
            state = self._states.get(stream or "")
            if state is None:
                return
            if isinstance(event, Score):
                p_spoof = event.p_spoof
                state.p_spoof = UNKNOWN if p_spoof is None else f"{100 * p_spoof:.1f}"
            elif isinstance(event, Alert):
                state.alert = "ON" if event.state is AlertState.OPEN else "OFF"
                self._courier.wake()

    def end(self, stream: str) -> None:
        """A stream has ended."""
        with self._lock:
            state = self._states.get(stream)
            if state is None:
                return
            state.alert, state.p_spoof = "OFF", UNKNOWN
            if state.stream.call:
                self._gone.append(self._states.pop(stream))
        self._courier.wake()

    def _again(self) -> None:
        """After a connect: publish everything, as the broker may have forgotten it."""
        with self._lock:
            for state in self._states.values():
                state.published = None
        self._courier.wake()

    def _publish(self) -> float | None:
        with self._lock:
            new = [state for state in self._states.values() if state.published is None]
            changed = [
                (state, state.alert, state.p_spoof)
                for state in self._states.values()
                if state.published != (state.alert, state.p_spoof)
            ]
            for state, *values in changed:
                state.published = (values[0], values[1])
            gone, self._gone = self._gone, []
        for state in new:
            self._announce(state)
        for state, alert, p_spoof in changed:
            self._broker.state(f"{self._broker.topic}/{state.slug}/alert", alert)
            self._broker.state(f"{self._broker.topic}/{state.slug}/p_spoof", p_spoof)
        for state in gone:
            self._remove(state)
        return EVERY_S if self._states else None

    def _announce(self, state: _State) -> None:
        if self._discovery:
            for component, config in self._configs(state).items():
                self._broker.state(self._config_topic(component, state), json.dumps(config))

    def _remove(self, state: _State) -> None:
        topics = [f"{self._broker.topic}/{state.slug}/{value}" for value in ("alert", "p_spoof")]
        if self._discovery:
            kinds = ("binary_sensor", "sensor")
            topics = [self._config_topic(kind, state) for kind in kinds] + topics
        for topic in topics:
            self._broker.state(topic, "")

    def _config_topic(self, component: str, state: _State) -> str:
        node = self._broker.topic.replace("/", "_")
        return f"{self._discovery}/{component}/{node}/{state.slug}/config"

    def _configs(self, state: _State) -> dict[str, dict]:
        topic = self._broker.topic
        node = topic.replace("/", "_")
        common = {
            "availability_topic": f"{topic}/status",
            "device": {
                "identifiers": [node],
                "name": f"RADD {topic.rpartition('/')[2]}",
                "manufacturer": "RADD",
            },
            "origin": {"name": "RADD"},
        }
        return {
            "binary_sensor": common
            | {
                "name": f"{state.stream.source} synthetic voice",
                "unique_id": f"{node}_{state.slug}_alert",
                "state_topic": f"{topic}/{state.slug}/alert",
                "device_class": "problem",
            },
            "sensor": common
            | {
                "name": f"{state.stream.source} probability of a synthetic voice",
                "unique_id": f"{node}_{state.slug}_p_spoof",
                "state_topic": f"{topic}/{state.slug}/p_spoof",
                "unit_of_measurement": "%",
                "state_class": "measurement",
            },
        }


def slug(text: str) -> str:
    """A topic level or an id of Home Assistant: a to z, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[-LONGEST_SLUG:] or "stream"


def _slug(stream: StreamInfo, taken: set[str]) -> str:
    """Of the call and track, or of the source, which is the same at the next start."""
    call = stream.call
    first = slug(f"{call.id} {call.track}" if call else stream.source)
    number, found = 1, first
    while found in taken:
        number += 1
        found = f"{first}_{number}"
    return found

"""RTP that comes in: codecs, loss, another order, two tracks, strangers, and the end of a call."""

import socket
from contextlib import ExitStack, suppress

import numpy as np
import pytest
from fixtures_calls import SETTINGS, Calls, listening
from fixtures_patience import PATIENCE_S
from fixtures_rtp import CODECS, Relay, bye, ffmpeg, packets, send

from radd.errors import ConfigError
from radd.types import SAMPLE_RATE_HZ
from stream.calls import sdp
from stream.calls.address import parse
from stream.calls.listeners import call_server
from stream.calls.rtp import rtp_tracks

SDP = """v=0
o=- 1 1 IN IP4 192.0.2.9
s=call
c=IN IP4 127.0.0.1
t=0 0
m=audio 40000 RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
m=video 40010 RTP/AVP 96
m=audio 40002 RTP/AVP 97 0
a=rtpmap:97 speex/8000
"""


def tone(seconds, rate_hz):
    return (0.3 * np.sin(np.arange(round(seconds * rate_hz)) * 2_000 / rate_hz)).astype(np.float32)


def numbered(made, first):
    """The packets again with other numbers of their own, as another call has."""
    return [
        one[:2] + (first + k & 0xFFFF).to_bytes(2, "big") + one[4:] for k, one in enumerate(made)
    ]


@pytest.mark.parametrize("codec", CODECS)
def test_rtp_of_every_codec_is_heard(codec):
    made = packets(tone(2, CODECS[codec][1]), codec)
    with listening(f"rtp://127.0.0.1:0?format={codec}") as calls:
        if codec == "opus":
            made = [one[:1] + bytes((one[1] & 0x80 | 96,)) + one[2:] for one in made]
        send(calls.listener.port, [*made, bye()])
        heard = calls.next().to_the_end()
    assert heard.source.native_rate_hz == CODECS[codec][1] and heard.call.track == "1"
    assert len(heard.samples) == pytest.approx(2 * SAMPLE_RATE_HZ, abs=1_600) and not heard.causes
    level = np.sqrt(np.mean(heard.samples[4_000:-4_000] ** 2))
    assert level == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


def test_packets_in_another_order_are_sorted():
    made = packets(tone(2, 8_000), "pcmu")
    straight, swapped = [], list(made)
    for at in range(4, len(swapped) - 2, 7):
        swapped[at], swapped[at + 1] = swapped[at + 1], swapped[at]
    for sent in (made, swapped):
        with listening("rtp://127.0.0.1:0?format=pcmu") as calls:
            send(calls.listener.port, [*sent, bye()])
            straight.append(calls.next().to_the_end().samples)
    np.testing.assert_array_equal(*straight)


def test_a_few_lost_packets_are_filled_and_many_are_a_gap():
    made = packets(tone(4, 8_000), "pcmu")
    lost = [*made[:60], *made[62:90], *made[130:]]
    with listening("rtp://127.0.0.1:0?format=pcmu") as calls:
        send(calls.listener.port, [*lost, bye()])
        heard = calls.next().to_the_end()
    assert heard.causes == ["packets are missing: lost, or none were sent in a pause"]
    (gap,) = [
        (a.end, b.start)
        for a, b in zip(heard.chunks, heard.chunks[1:], strict=False)
        if a.end != b.start
    ]
    assert (gap[1] - gap[0]) / SAMPLE_RATE_HZ == pytest.approx(40 * 0.02, abs=0.1)
    assert heard.chunks[-1].end == pytest.approx(4 * SAMPLE_RATE_HZ, abs=1_600)


def test_a_relay_that_drops_delays_and_reorders_leaves_a_call_that_can_be_judged():
    rng = np.random.default_rng(3)

    def choose(recent, number):
        if number % 10 == 5:  # held back until the next one has gone
            return []
        if number % 10 == 6:
            return [recent[-1], recent[-2]]
        return [] if rng.random() < 0.02 else recent[-1:]

    made = packets(tone(3, 8_000), "pcma")
    with (
        listening("rtp://127.0.0.1:0?format=pcma") as calls,
        Relay(calls.listener.port, choose) as relay,
    ):
        send(relay.port, [*made, bye()])
        heard = calls.next().to_the_end()
    assert not heard.causes, "two per cent of lost packets leave no gap"
    assert len(heard.samples) == pytest.approx(3 * SAMPLE_RATE_HZ, abs=3_200)


def test_two_lines_of_media_are_two_tracks_of_one_call(tmp_path):
    file = tmp_path / "call.sdp"
    file.write_text(SDP)
    first, second = sdp.read(str(file))
    assert (first.codec, second.codec, second.payload) == ("PCMA", "PCMU", 0)
    with listening(f"rtp://127.0.0.1:0?sdp={file}") as calls:
        ports = [t.get_extra_info("sockname")[1] for t in calls.listener._transports]
        send(ports[0], packets(tone(1, 8_000), "pcma"))
        send(ports[1], [*packets(tone(1, 8_000), "pcmu"), bye()])
        tracks = [calls.next().to_the_end() for _ in range(2)]
    assert {heard.call.track for heard in tracks} == {"1", "2"}
    assert len({heard.call.id for heard in tracks}) == 1
    assert all(len(heard.samples) > 14_000 for heard in tracks)


def test_after_a_call_the_same_port_takes_the_next_one():
    made = packets(tone(1, 8_000), "pcmu")
    with listening("rtp://127.0.0.1:0?format=pcmu", reconnect_s=0.3, stall_s=0.25) as calls:
        send(calls.listener.port, made)
        first = calls.next().to_the_end()
        send(calls.listener.port, numbered(made, 30_000))
        second = calls.next().to_the_end()
    assert first.call.id != second.call.id
    assert all(len(heard.samples) > 14_000 for heard in (first, second))


def test_senders_that_are_not_named_are_dropped_and_reported_once(caplog):
    made = packets(tone(1, 8_000), "pcmu")
    with listening("rtp://127.0.0.1:0?format=pcmu&from=192.0.2.0/24") as calls:
        send(calls.listener.port, made)
        calls.server.close()
        assert calls.none_has_come()
    assert sum("does not name it" in one.getMessage() for one in caplog.records) <= 1


def test_ffmpeg_as_a_sender_in_real_time():
    with listening("rtp://127.0.0.1:0?format=opus", reconnect_s=1.0) as calls:
        sender = ffmpeg(
            *("-f", "lavfi", "-i", "sine=440:duration=3", "-c:a", "libopus", "-ar", "48000"),
            *("-payload_type", "96", "-f", "rtp", f"rtp://127.0.0.1:{calls.listener.port}"),
        )
        heard = calls.next().to_the_end()
        assert sender.wait(PATIENCE_S) == 0
    assert len(heard.samples) == pytest.approx(3 * SAMPLE_RATE_HZ, rel=0.05)


def free_range(ports):
    """The first of as many ports, every second of which is free."""
    while True:
        with ExitStack() as opened:
            sockets = [opened.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in ports]
            sockets[0].bind(("127.0.0.1", 0))
            first = sockets[0].getsockname()[1]
            with suppress(OSError, OverflowError):
                for number, one in enumerate(sockets[1:], 1):
                    one.bind(("127.0.0.1", first + 2 * number))
                return first


def test_each_port_of_a_range_takes_a_call_of_its_own_at_the_same_time():
    first = free_range(range(3))
    server = call_server([f"rtp://127.0.0.1:{first}-{first + 5}?format=pcmu"], SETTINGS)
    with server:
        calls = Calls(server, server._listeners[0], server._admission)
        sine = "-f", "lavfi", "-i"
        senders = [
            ffmpeg(
                *(*sine, f"sine=frequency={440 * (number + 1)}:duration=2:sample_rate=8000"),
                *("-c:a", "pcm_mulaw", "-f", "rtp", f"rtp://127.0.0.1:{first + 2 * number}"),
            )
            for number in range(3)
        ]
        heard = [calls.next() for _ in senders]
        samples = [each.to_the_end().samples for each in heard]
        assert [sender.wait(PATIENCE_S) for sender in senders] == [0, 0, 0]
    assert len({each.call.id for each in heard}) == 3
    assert sorted(pitch_hz(each) for each in samples) == pytest.approx([440, 880, 1320], rel=0.02)


def pitch_hz(samples):
    spectrum = np.abs(np.fft.rfft(samples))
    return np.argmax(spectrum) * SAMPLE_RATE_HZ / len(samples)


def test_a_range_has_room_for_the_tracks_of_each_call(tmp_path):
    file = tmp_path / "call.sdp"
    file.write_text(SDP)
    each = parse(f"rtp://127.0.0.1:40000-40009?sdp={file}").each(4)
    ports = [[track.port for track in rtp_tracks(address)] for address in each]
    assert ports == [[40_000, 40_002], [40_004, 40_006]]


@pytest.mark.parametrize(
    ("ports", "why"),
    [
        ("40000-40000", "which takes 2"),
        ("0-10", "from 1 to 65535"),
        ("40010-40000", "expected FIRST-LAST"),
        ("40000-65536", "from 1 to 65535"),
        ("10000-20000", "room for 5000 calls; expected at most 500"),
    ],
)
def test_a_range_that_cannot_be_used_is_refused(ports, why):
    with pytest.raises(ConfigError, match=why):
        parse(f"rtp://127.0.0.1:{ports}").each(2)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("v=0", "0 lines m=audio"),
        ("m=audio 4000 RTP/SAVP 0", "encrypted RTP"),
        ("m=audio 0 RTP/AVP 0", "a port from 1"),
        ("m=audio x RTP/AVP 0", "a port from 1"),
        ("m=audio 4000 RTP/AVP 101", "expected one of PCMU"),
        ("c=IN IP4 radd.example\nm=audio 4000 RTP/AVP 0", "expected c=IN IP4 ADDRESS"),
        ("m=audio 4000 RTP/AVP 0\n" * 9, "9 lines m=audio"),
    ],
)
def test_a_description_that_cannot_be_heard_is_refused(text, why):
    with pytest.raises(ConfigError, match=why):
        sdp.tracks(text, "call.sdp")

"""How much sound is missing where packets of a file cannot be decoded or are not there."""

from __future__ import annotations

LONGEST_JITTER_S = 0.05  # timestamps are rounded; a step that is no longer is no loss
EXACT = {"sdp"}
"""formats in which no step of the timestamps is rounding: RTP counts samples"""
SHORTEST_STEP_S = 0.001
LONGEST_GAP_S = 3_600.0  # a longer step is another timeline
START_FORGIVEN_S = 0.5  # a stream that was joined late begins in the middle of a packet
UNTIMED = {"mp3", "aac", "amr", "amrnb", "amrwb", "ac3", "eac3", "wav"}
"""formats without timestamps: FFmpeg counts packets, so bytes that are no packet take no time"""
EDITED = {"matroska", "mov", "asf", "flv"}
"""formats in which a hole may be meant"""
ONE_RATE = UNTIMED | {"flac"}
"""formats whose timestamps tell nothing once the rate has changed"""
TAGS = (b"ID3", b"TAG", b"APE", b"LYR")  # of MP3 files that were joined: no sound
DAMAGED, EMPTY = "the file is damaged here", "the file has no sound here"
MISSING = "packets are missing: lost, or none were sent in a pause"


class LossClock:
    """Follows the packets and frames of one track."""

    def __init__(self, form: str):
        """`form` is FFmpeg's name of the format."""
        self._may_be_edited = form in EDITED
        self._jitter_s = SHORTEST_STEP_S if form in EXACT else LONGEST_JITTER_S
        self._damaged = MISSING if form in EXACT else DAMAGED
        self._is_untimed, self._has_one_rate = form in UNTIMED, form in ONE_RATE
        self.done_s = self.lost_s = 0.0
        self.gaps = self.bad_in_row = self.link_frames = 0
        self.broken = False
        """whether the rest was given up"""
        self._bad_s = 0.0
        self._rate_hz: int | None = None
        self._is_timed = True
        self._end_s: float | None = None
        self._bytes, self._packets = 0, 0

    def restart(self) -> None:
        """Another timeline begins."""
        self._end_s = self._rate_hz = None
        self.link_frames = 0

    def took(self, packet) -> None:
        """A packet that was decoded."""
        self.bad_in_row = 0
        self._bytes, self._packets = self._bytes + packet.size, self._packets + 1

    def lose(self, packet) -> None:
        """A packet that was not."""
        self.bad_in_row += 1
        if bytes(packet)[:3] in TAGS:
            return
        long_s = float((packet.duration or 0) * packet.time_base) if packet.time_base else 0.0
        if self._is_untimed and self._packets:
            long_s *= max(1.0, packet.size / (self._bytes / self._packets))
        self._bad_s += max(long_s, 1e-3)

    def lose_link(self) -> None:
        """A part of a chain that is no sound; how long it was is not known."""
        self._bad_s += LONGEST_JITTER_S

    def lost_before(self, frame) -> tuple[float, str | None]:
        """Seconds lost before a frame, and why; the frame counts as decoded."""
        step_s = self._step_s(frame)
        lost_s, cause = 0.0, None
        if self._bad_s and (self.done_s or self._bad_s > START_FORGIVEN_S):
            lost_s, cause = max(self._bad_s, step_s), self._damaged
        elif step_s > self._jitter_s and self.done_s:
            lost_s, cause = step_s, EMPTY if self._may_be_edited else self._damaged
        if lost_s:
            self.gaps, self.lost_s = self.gaps + 1, self.lost_s + lost_s
        self._bad_s = 0.0
        self.done_s += frame.samples / frame.rate
        self.link_frames += frame.samples
        return lost_s, cause

    def _step_s(self, frame) -> float:
        """From the end of the frame before to this one's beginning, by their timestamps; 0 where
        they tell nothing.
        """
        self._is_timed &= self._rate_hz in (None, frame.rate) or not self._has_one_rate
        self._rate_hz = frame.rate
        if frame.pts is None or frame.time_base is None or not self._is_timed:
            begin_s = self._end_s
        else:
            begin_s = float(frame.pts * frame.time_base)
        step_s = 0.0 if begin_s is None or self._end_s is None else begin_s - self._end_s
        self._end_s = None if begin_s is None else begin_s + frame.samples / frame.rate
        return step_s if 0 < step_s < LONGEST_GAP_S else 0.0

import os
import resource
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from radd.errors import StorageError
from storage.spool.directory import BLOCK_BYTES, RESERVE_BYTES, Spool
from storage.spool.entry import EntryKind, decode, encode_head

ROOMY = 100_000_000


def drain(spool):
    """Deliver everything; the versions in the order in which they came out."""
    found = []
    while entry := spool.oldest():
        found.append(entry)
        spool.done(entry)
    return found


def records(spool):
    return [entry.record for entry in drain(spool)]


@contextmanager
def files_no_larger_than(size):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path):
    """A disk of three megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = (
        shutil.which("mount")
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "none", disk], capture_output=True
        ).returncode
        == 0
    )
    if not mounted:
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_entries_come_out_in_order_once_and_leave_nothing_behind(tmp_path):
    with Spool(tmp_path / "spool", ROOMY) as spool:
        for number in range(20):
            spool.put(EntryKind.ROWS, {"number": number})
        assert spool.waiting == 20
        assert records(spool) == [{"number": number} for number in range(20)]
        assert spool.waiting == spool.bytes == 0
    assert sorted(os.listdir(tmp_path / "spool")) == ["lock", "reserve"]


def test_nobody_else_may_read_the_sound(tmp_path):
    with Spool(tmp_path / "spool", ROOMY) as spool:
        name = spool.put(EntryKind.ALERT, {}, b"voice")
    assert (tmp_path / "spool").stat().st_mode & 0o077 == 0
    assert (tmp_path / "spool" / name).stat().st_mode & 0o077 == 0


def test_a_live_entry_is_delivered_and_stays_until_its_final_version_was(tmp_path):
    with Spool(tmp_path, ROOMY) as spool:
        name = spool.put(EntryKind.ALERT, {"state": "open"}, b"short", live=True)
        assert records(spool) == [{"state": "open"}] and spool.waiting == 0
        spool.put(EntryKind.ALERT, {"state": "close"}, b"long", name=name)
        assert [entry.clip for entry in drain(spool)] == [b"long"]
        assert spool.bytes == 0


def test_a_final_version_that_comes_during_a_delivery_is_delivered_too(tmp_path):
    with Spool(tmp_path, ROOMY) as spool:
        name = spool.put(EntryKind.ALERT, {"state": "open"}, live=True)
        under_way = spool.oldest()
        spool.put(EntryKind.ALERT, {"state": "close"}, name=name)
        spool.done(under_way)
        assert records(spool) == [{"state": "close"}]


def leave_open(directory):
    spool = Spool(directory, ROOMY).__enter__()
    spool.put(EntryKind.STREAM, {"id": 1}, live=True)
    spool.put(EntryKind.ALERT, {"id": 2}, b"voice", live=True)
    drain(spool)


def test_what_a_killed_process_left_open_is_interrupted_and_served_by_one_delivery(
    tmp_path, killed_after
):
    killed_after(leave_open, tmp_path)
    with Spool(tmp_path, ROOMY) as spool:
        assert [entry.record for entry in spool.left()] == [{"id": 1}, {"id": 2}]
        assert [(entry.interrupted, entry.clip) for entry in drain(spool)] == [
            (True, b""),
            (True, b"voice"),
        ]
        assert spool.left() == [] and spool.bytes == 0


def test_a_second_owner_is_refused_with_the_pid_of_the_first(tmp_path):
    told = pytest.raises(StorageError, match=f"in use by process {os.getpid()}: stop it")
    with Spool(tmp_path, ROOMY), told:
        Spool(tmp_path, ROOMY).__enter__()
    with Spool(tmp_path, ROOMY) as spool:
        assert spool.waiting == 0


def test_a_place_that_cannot_be_a_spool_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be used.*must be a directory"):
        Spool(tmp_path / "file", ROOMY).__enter__()


def test_a_damaged_entry_is_set_aside_and_counted(tmp_path):
    with Spool(tmp_path, ROOMY) as spool:
        torn = spool.put(EntryKind.ALERT, {"number": 1})
        spool.put(EntryKind.ALERT, {"number": 2})
        (tmp_path / torn).write_bytes((tmp_path / torn).read_bytes()[:10])
        assert records(spool) == [{"number": 2}] and spool.damaged == 1
    with Spool(tmp_path, ROOMY) as spool:
        assert spool.damaged == 1 and spool.waiting == 0


def test_a_refused_entry_is_out_of_the_way_until_the_next_start(tmp_path):
    with Spool(tmp_path, ROOMY) as spool:
        spool.put(EntryKind.ALERT, {"number": 1})
        spool.put(EntryKind.ALERT, {"number": 2})
        spool.refuse(spool.oldest())
        assert records(spool) == [{"number": 2}] and spool.refused == 1
    with Spool(tmp_path, ROOMY) as spool:
        assert records(spool) == [{"number": 1}]


def test_over_quota_rows_go_first_then_clips_and_alerts_last(tmp_path):
    clip = bytes(10 * BLOCK_BYTES - 1_000)
    with Spool(tmp_path, 24 * BLOCK_BYTES) as spool:
        for number in range(2):
            spool.put(EntryKind.ROWS, {"rows": number})
            spool.put(EntryKind.ALERT, {"alert": number}, clip)
        spool.put(EntryKind.ALERT, {"alert": 2}, clip)
        assert spool.dropped == {"rows": 2, "clip": 1}
        spool.put(EntryKind.ALERT, {"alert": 3}, bytes(30 * BLOCK_BYTES))
        assert spool.dropped == {"rows": 2, "clip": 4}
        assert [(entry.record["alert"], entry.clip) for entry in drain(spool)] == [
            (n, None) for n in range(4)
        ]


def test_rows_never_cost_a_clip(tmp_path):
    with Spool(tmp_path, 4 * BLOCK_BYTES) as spool:
        spool.put(EntryKind.ALERT, {}, bytes(4 * BLOCK_BYTES - 500))
        with pytest.raises(StorageError, match="its quota is used up; free space.*spool_quota_mb"):
            spool.put(EntryKind.ROWS, {})
        assert spool.dropped == {"rows": 1} and spool.oldest().clip


def test_a_clip_too_large_for_the_disk_is_given_up_and_its_alert_kept(tmp_path):
    with Spool(tmp_path, ROOMY) as spool, files_no_larger_than(20_000):
        spool.put(EntryKind.ALERT, {"alert": 1}, bytes(10_000))
        spool.put(EntryKind.ALERT, {"alert": 2}, bytes(100_000))
        assert [entry.clip for entry in drain(spool)] == [None, None]
        assert spool.dropped == {"clip": 2}


def test_on_a_full_disk_alerts_last_longest(small_disk):
    with Spool(small_disk / "spool", ROOMY) as spool:
        spool.put(EntryKind.ROWS, {"rows": 0})
        spool.put(EntryKind.ALERT, {"alert": 0}, bytes(500_000))
        with open(small_disk / "somebody else", "wb", buffering=0) as other, pytest.raises(OSError):
            while True:
                other.write(bytes(BLOCK_BYTES))
        for number in range(1, 300):
            spool.put(EntryKind.ALERT, {"alert": number}, bytes(300_000))
        assert not (small_disk / "spool" / "reserve").exists()
        with pytest.raises(StorageError, match="No space left on device; free space on its disk"):
            for _ in range(1_000):
                spool.put(EntryKind.ALERT, {"alert": -1})
        assert spool.dropped[EntryKind.ALERT] == 1 and spool.dropped[EntryKind.ROWS] == 1
        kept = [entry.record["alert"] for entry in drain(spool)]
        assert kept[:300] == list(range(300))
        (small_disk / "somebody else").unlink()
        spool.put(EntryKind.ALERT, {}, b"voice")
        assert drain(spool)[0].clip == b"voice"
        assert (small_disk / "spool" / "reserve").stat().st_size == RESERVE_BYTES


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON), st.binary(), st.booleans())
def test_an_entry_says_what_was_put_in(record, clip, live):
    data = encode_head(record, clip, live) + clip
    entry = decode(data, "name", EntryKind.ALERT, False, 3)
    assert (entry.record, entry.clip, entry.clip_bytes, entry.live, entry.version) == (
        record,
        clip,
        len(clip),
        live,
        3,
    )


@given(st.dictionaries(st.text(), JSON), st.binary(min_size=1), st.data())
def test_a_file_cut_anywhere_is_damaged_or_has_lost_its_clip(record, clip, data):
    head = encode_head(record, clip, False)
    cut = data.draw(st.integers(0, len(head) + len(clip) - 1))
    entry = decode((head + clip)[:cut], "name", EntryKind.ALERT, False, 0)
    assert entry is None if cut < len(head) - 1 else (entry.record, entry.clip) == (record, None)


@given(st.binary())
def test_any_bytes_are_an_entry_or_damaged(data):
    assert decode(data, "name", EntryKind.ROWS, False, 0) is None


class SpoolMachine(RuleBasedStateMachine):
    """A spool that is opened and left at any moment, beside a list that says what must still be
    delivered.
    """

    def __init__(self):
        super().__init__()
        self.directory = Path(mkdtemp())
        self.waiting = {}
        self.open = {}
        self.number = 0

    @initialize()
    def open_first(self):
        self.spool = Spool(self.directory, ROOMY).__enter__()

    @rule(live=st.booleans(), clip=st.binary(max_size=20))
    def put(self, live, clip):
        self.number += 1
        name = self.spool.put(EntryKind.ALERT, {"number": self.number}, clip, live)
        self.waiting[self.number] = (live, False)
        if live:
            self.open[self.number] = name

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def finish(self, data):
        number = data.draw(st.sampled_from(sorted(self.open)))
        self.spool.put(EntryKind.ALERT, {"number": number}, name=self.open.pop(number))
        self.waiting[number] = (False, False)

    @precondition(lambda self: self.waiting)
    @rule()
    def deliver(self):
        entry = self.spool.oldest()
        assert (entry.live, entry.interrupted) == self.waiting.pop(entry.record["number"])
        self.spool.done(entry)

    @rule()
    def crash_and_start(self):
        self.spool.__exit__()
        self.spool = Spool(self.directory, ROOMY).__enter__()
        left = {entry.record["number"] for entry in self.spool.left()}
        assert left == set(self.open) | {
            n for n, (_, interrupted) in self.waiting.items() if interrupted
        }
        self.waiting |= dict.fromkeys(left, (True, True))
        self.open = {}

    @invariant()
    def nothing_is_lost(self):
        if hasattr(self, "spool"):
            assert self.spool.waiting == len(self.waiting)

    def teardown(self):
        if hasattr(self, "spool"):
            self.spool.__exit__()
        shutil.rmtree(self.directory)


SpoolMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestSpoolMachine = SpoolMachine.TestCase

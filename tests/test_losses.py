"""The file of losses: what was told is read, and a run that goes on drops what it learns again."""

from hypothesis import given
from hypothesis import strategies as st

from training.losses import LOSSES, read_losses, tell_loss, untell_losses

TOLD = st.lists(st.floats(0, 100).map(lambda x: round(x, 4)), min_size=1, max_size=6)


@given(TOLD, st.data())
def test_a_file_cut_off_at_any_byte_is_read_and_goes_on(tmp_path_factory, told, data):
    file = tmp_path_factory.mktemp("told") / LOSSES
    for step, loss in enumerate(told, 1):
        tell_loss(file, step, loss)
    whole = [*enumerate(told, 1)]
    assert read_losses(file) == whole
    content = file.read_bytes()
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    left = read_losses(file)
    assert left == whole[: len(left)]
    untell_losses(file, len(left))
    tell_loss(file, len(left) + 1, 0.5)
    assert read_losses(file) == [*left, (len(left) + 1, 0.5)]

"""The lowest floor: audio -> features -> embedding -> neighbours -> score. No device, thread, clock
or database.
"""

import os

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS",
    "1",
    # set before numpy is imported: work is spread over processes, and numpy's threads would compete
    # with them
)

"""The ground floor: sound -> features -> embedding -> neighbours -> score. No device, thread, clock
or database.
"""

import os

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # for numpy, before it is imported: work is spread over processes

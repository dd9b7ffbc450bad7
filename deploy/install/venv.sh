#!/bin/sh
# deploy/install/venv.sh DIRECTORY: makes a virtual environment with the first Python from 3.11 on that is found.
for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "RADD needs Python 3.11 or later (Debian, Ubuntu: python3.11 and python3.11-venv; macOS: brew install python)" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    "$(dirname "$0")/system.sh" "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
fi
exec "$python" -m venv "$1"

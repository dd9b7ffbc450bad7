# One image for daemon, console, retraining and review; `docker compose` says which command runs. See compose.yaml.
FROM python:3.11-slim-bookworm

# A sound server lets in only the user that it belongs to: build with that user's number.
ARG UID=1000
# Versions are not pinned: Debian keeps one of each package, and a pinned one would be gone with its next update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libportaudio2 libasound2-plugins libpulse0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid "$UID" --home-dir /var/lib/radd --create-home radd \
    && printf 'pcm.!default pulse\nctl.!default pulse\n' > /etc/asound.conf

WORKDIR /opt/radd
COPY requirements.txt ./
RUN pip install --no-cache-dir --requirement requirements.txt
COPY . .
RUN pip install --no-cache-dir --editable '.[serve,retrain]'
# New models and the file that names the one in use go here; compose.yaml makes it a volume.
RUN chown -R radd: models

USER $UID
WORKDIR /var/lib/radd
VOLUME /var/lib/radd
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
ENTRYPOINT ["python"]
CMD ["/opt/radd/detect.py", "--json"]

-- The tables of RADD in MySQL and MariaDB. The program creates them itself in an empty database
-- (storage/migrations); load this file to create them by hand.
--
-- *_utc      wall clock in UTC, to the millisecond
-- *_samples  16 kHz samples since the stream began: 16000 are one second
-- llr        natural-log likelihood ratio, higher = bona fide; NULL: not measured
-- bundle     name and version of the model in use

-- One run over one source.
CREATE TABLE streams (
  id             VARCHAR(36) NOT NULL PRIMARY KEY,  -- UUID
  state          VARCHAR(16) NOT NULL,              -- running, ended, or interrupted: its daemon was killed
  source         TEXT NOT NULL,                     -- display name: microphone, path or "-"
  device         TEXT,                              -- the device's own name; NULL: not a device
  native_rate_hz INT NOT NULL,
  host           TEXT NOT NULL,                     -- machine of the daemon
  bundle         TEXT NOT NULL,
  config_hash    VARCHAR(64) NOT NULL,              -- SHA-256 of the effective settings
  started_utc    DATETIME(3) NOT NULL,              -- sample 0
  ended_utc      DATETIME(3),                       -- this and the totals below: NULL until a regular end
  length_samples BIGINT,
  lost_samples   BIGINT,                            -- inside the gaps
  scores         INT,                               -- one per 128 ms
  judged         INT,                               -- of these, how many have a number
  alerts         INT,
  gaps           INT,
  call_id        VARCHAR(255),                      -- as the sender names the call; NULL: not a call
  track          VARCHAR(255),                      -- of the call, such as inbound
  call_details   TEXT,                              -- JSON object: what [calls] keep names; deleted like clips
  KEY ix_streams_started (started_utc),
  KEY ix_streams_call (call_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The audio of alerts, each clip once. When the quota evicts a clip, its row stays, without audio.
CREATE TABLE clips (
  sha256         VARCHAR(64) NOT NULL PRIMARY KEY,  -- of the FLAC bytes, hexadecimal
  state          VARCHAR(16) NOT NULL,              -- stored or evicted
  length_samples INT NOT NULL,
  size_bytes     INT NOT NULL,                      -- of the FLAC bytes; kept after eviction
  stored_utc     DATETIME(3) NOT NULL,
  evicted_utc    DATETIME(3),
  flac           LONGBLOB,                          -- 16 kHz mono, 16 bit; NULL: evicted
  KEY ix_clips_state_stored (state, stored_utc, size_bytes)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- An alert, or a random sample of speech without an alert, for finding misses.
CREATE TABLE alerts (
  id                 VARCHAR(36) NOT NULL PRIMARY KEY,           -- UUID
  stream_id          VARCHAR(36) NOT NULL,
  state              VARCHAR(16) NOT NULL,                       -- open, close, interrupted: its daemon was killed; or sample
  review             VARCHAR(16) NOT NULL DEFAULT 'pending',     -- review state of its clip: pending, fake, real,
                                                                 -- unsure, conflict, or expired without a label
  began_samples      BIGINT NOT NULL,                            -- start of the evidence
  end_samples        BIGINT NOT NULL,                            -- so far, unless state is close
  began_utc          DATETIME(3) NOT NULL,
  ended_utc          DATETIME(3),                                -- NULL unless state is close or sample
  peak_p_spoof       DOUBLE,                                     -- highest posterior of spoof, 0 to 1
  min_llr            DOUBLE,
  gaps               INT NOT NULL,                               -- in the stream before the end of the alert
  bundle             TEXT NOT NULL,
  clip_sha256        VARCHAR(64) NOT NULL,
  clip_start_samples BIGINT NOT NULL,
  informative        DOUBLE NOT NULL DEFAULT 0,                  -- review priority, 0 to 1, higher = first
  KEY ix_alerts_stream (stream_id, began_samples),
  KEY ix_alerts_clip (clip_sha256),
  KEY ix_alerts_queue (review, informative, id, began_utc, state),
  KEY ix_alerts_stream_queue (stream_id, review, informative, id, began_utc, state),
  CONSTRAINT fk_alerts_stream FOREIGN KEY (stream_id) REFERENCES streams (id),
  CONSTRAINT fk_alerts_clip FOREIGN KEY (clip_sha256) REFERENCES clips (sha256)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The evidence of an alert.
CREATE TABLE evidence (
  alert_id   VARCHAR(36) NOT NULL PRIMARY KEY,
  trace      MEDIUMTEXT NOT NULL,  -- JSON: [[end in samples, llr or null], ...], each score inside the clip
  neighbours MEDIUMTEXT NOT NULL,  -- JSON: [{"id", "label", "system", "similarity"}, ...], nearest first, at the peak
  CONSTRAINT fk_evidence_alert FOREIGN KEY (alert_id) REFERENCES alerts (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Lost audio.
CREATE TABLE gaps (
  stream_id     VARCHAR(36) NOT NULL,
  start_samples BIGINT NOT NULL,
  end_samples   BIGINT NOT NULL,
  cause         TEXT NOT NULL,
  PRIMARY KEY (stream_id, start_samples),
  CONSTRAINT fk_gaps_stream FOREIGN KEY (stream_id) REFERENCES streams (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- One row per second of a stream.
CREATE TABLE timeline (
  stream_id  VARCHAR(36) NOT NULL,
  second     INT NOT NULL,          -- 0: the first second of the stream
  verdict    VARCHAR(16) NOT NULL,  -- the most serious: spoof, suspect, bonafide, own_voice, gap, shed, too_noisy, no_speech, warming_up
  llr        DOUBLE,                -- mean
  level_dbfs DOUBLE NOT NULL,       -- mean power, dB re full scale, at least -120
  distance   DOUBLE,                -- mean of 1 - cosine to the nearest known voice, 0 to 2; NULL: not compared
  PRIMARY KEY (stream_id, second),
  CONSTRAINT fk_timeline_stream FOREIGN KEY (stream_id) REFERENCES streams (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- References that people added to the bundle's index, one row per audio block.
CREATE TABLE overlay_references (
  encoder_id    VARCHAR(64) NOT NULL,  -- encoder of the embedding; embeddings of others are not comparable
  id            VARCHAR(36) NOT NULL,  -- of the recording: first digits of the SHA-256 of its audio
  start_samples BIGINT NOT NULL,       -- start of the block in the recording
  label         VARCHAR(16) NOT NULL,  -- bonafide or spoof
  system        TEXT NOT NULL,         -- synthesis system; "-" for bona fide
  source        TEXT NOT NULL,         -- origin of the recording
  licence       TEXT NOT NULL,
  clip_sha256   VARCHAR(64),           -- its alert clip; NULL: none, or deleted
  embedding     BLOB NOT NULL,         -- float32, little-endian, unit length
  reviewer      TEXT NOT NULL,         -- who added it
  reason        TEXT NOT NULL,         -- and why
  added_utc     DATETIME(3) NOT NULL,
  PRIMARY KEY (encoder_id, id, start_samples),
  CONSTRAINT fk_overlay_references_clip FOREIGN KEY (clip_sha256) REFERENCES clips (sha256) ON DELETE SET NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- References of the bundle that people removed: they stay in its files but are hidden.
CREATE TABLE overlay_removals (
  encoder_id   VARCHAR(64) NOT NULL,
  reference_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  reviewer     TEXT NOT NULL,          -- who removed it
  reason       TEXT NOT NULL,          -- and why
  removed_utc  DATETIME(3) NOT NULL,
  PRIMARY KEY (encoder_id, reference_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Incremented by every change of the two tables above, in the same transaction; daemons watch it.
CREATE TABLE overlay_versions (
  encoder_id VARCHAR(64) NOT NULL PRIMARY KEY,
  version    BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The label history of clips; the latest label of each reviewer counts.
CREATE TABLE labels (
  clip_sha256  VARCHAR(64) NOT NULL,
  number       INT NOT NULL,          -- 1, 2, ... in order of arrival
  label        VARCHAR(16) NOT NULL,  -- fake, real or unsure
  reviewer     TEXT NOT NULL,
  reason       TEXT NOT NULL,
  labelled_utc DATETIME(3) NOT NULL,
  PRIMARY KEY (clip_sha256, number),
  CONSTRAINT fk_labels_clip FOREIGN KEY (clip_sha256) REFERENCES clips (sha256) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Clips with an agreed label in the overlay of this encoder's index.
CREATE TABLE indexed_clips (
  clip_sha256 VARCHAR(64) NOT NULL,
  encoder_id  VARCHAR(64) NOT NULL,
  blocks      INT NOT NULL,           -- number of references; 0: too little speech
  PRIMARY KEY (clip_sha256, encoder_id),
  CONSTRAINT fk_indexed_clips_clip FOREIGN KEY (clip_sha256) REFERENCES clips (sha256) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The process that may retrain now.
CREATE TABLE leases (
  name      VARCHAR(32) NOT NULL PRIMARY KEY,
  holder    VARCHAR(255) NOT NULL,            -- process id and machine
  until_utc DATETIME(3) NOT NULL              -- renewed by the holder; free afterwards
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- One retraining round that was due or requested.
CREATE TABLE retrainings (
  id        VARCHAR(36) NOT NULL PRIMARY KEY,  -- UUID
  state     VARCHAR(16) NOT NULL,              -- running, shadow, promoted, refused, failed, not_due, or interrupted (killed)
  step      VARCHAR(16) NOT NULL,              -- progress: due (if requested), clips, fit, prove, shadow, promote
  why       TEXT NOT NULL,                     -- why it started
  champion  TEXT NOT NULL,                     -- directory of the bundle in use at that time
  candidate TEXT NOT NULL,                     -- empty until there is one
  began_utc DATETIME(3) NOT NULL,
  ended_utc DATETIME(3),
  outcome   TEXT,                              -- in one sentence
  report    MEDIUMTEXT                         -- Markdown
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Promotions, rollbacks and refusals of bundles.
CREATE TABLE decisions (
  id          VARCHAR(36) NOT NULL PRIMARY KEY,  -- UUID
  action      VARCHAR(16) NOT NULL,              -- promote, rollback, refuse, or shadow (scores in shadow mode)
  model       TEXT NOT NULL,                     -- directory of the bundle
  version     TEXT NOT NULL,                     -- its name and version, as in alerts
  `before`    TEXT NOT NULL,                     -- directory of the bundle in use before
  reason      MEDIUMTEXT NOT NULL,
  numbers     MEDIUMTEXT NOT NULL,               -- JSON: the numbers behind the decision
  decided_utc DATETIME(3) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Distance of a stream's audio from all known voices on one day, in UTC.
CREATE TABLE drift (
  stream_id VARCHAR(36) NOT NULL,
  day       DATE NOT NULL,
  seconds   INT NOT NULL,           -- compared audio
  distance  DOUBLE NOT NULL,        -- mean of timeline.distance
  PRIMARY KEY (stream_id, day),
  CONSTRAINT fk_drift_stream FOREIGN KEY (stream_id) REFERENCES streams (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Results of a candidate in shadow mode, per hour of a stream.
CREATE TABLE shadows (
  stream_id        VARCHAR(36) NOT NULL,
  hour_utc         DATETIME(3) NOT NULL,  -- start of the hour
  candidate        VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,  -- its name and version
  seconds          DOUBLE NOT NULL,       -- speech scored by both models
  difference       DOUBLE NOT NULL,       -- mean LLR, candidate minus champion, nats
  champion_alerts  INT NOT NULL,          -- 12 s segments that alone raise an alert: by the champion ...
  candidate_alerts INT NOT NULL,          -- ... and by the candidate
  PRIMARY KEY (stream_id, hour_utc, candidate),
  CONSTRAINT fk_shadows_stream FOREIGN KEY (stream_id) REFERENCES streams (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Commands of operators to a running stream, which its daemon carries out.
CREATE TABLE stream_commands (
  id        VARCHAR(36) NOT NULL PRIMARY KEY,  -- UUID
  stream_id VARCHAR(36) NOT NULL,
  action    VARCHAR(16) NOT NULL,              -- pause, resume or stop
  given_by  TEXT NOT NULL,                     -- reviewer or role
  given_utc DATETIME(3) NOT NULL,
  done_utc  DATETIME(3),                       -- NULL: not carried out yet
  KEY ix_stream_commands_stream (stream_id, done_utc),
  CONSTRAINT fk_stream_commands_stream FOREIGN KEY (stream_id) REFERENCES streams (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Calls that detectors of a fleet judge: the state from which another detector goes on.
CREATE TABLE call_states (
  stream_id   VARCHAR(36) NOT NULL PRIMARY KEY,
  detector    TEXT NOT NULL,         -- who wrote it last
  end_samples BIGINT NOT NULL,       -- up to here everything is stored
  sequence    BIGINT NOT NULL,       -- number of the next chunk
  state       LONGBLOB NOT NULL,     -- decision, open alert with its clip, counts
  updated_utc DATETIME(3) NOT NULL,
  CONSTRAINT fk_call_states_stream FOREIGN KEY (stream_id) REFERENCES streams (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- What the detectors of a fleet report about themselves, every few seconds.
CREATE TABLE detectors (
  name         VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
  calls        INT NOT NULL,         -- tracks of calls that it is judging
  lag_s        DOUBLE NOT NULL,      -- greatest delay from capture to judgement among its latest chunks
  busy         DOUBLE NOT NULL,      -- share of the time in which it worked, 0 to 1
  shed_hops    BIGINT NOT NULL,      -- hops without a score because it was late, since its start
  dead_letters BIGINT NOT NULL,      -- messages that it rejected, since its start
  seen_utc     DATETIME(3) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Recordings that an admin enrolled together. The newest of kind line is in effect, and all of kind own_voice.
-- Undoing one deletes its rows here and below.
CREATE TABLE enrolments (
  id        VARCHAR(36) NOT NULL PRIMARY KEY,  -- UUID
  kind      VARCHAR(16) NOT NULL,              -- line: people, and perhaps fakes, as they sound here; own_voice
  admin     TEXT NOT NULL,                     -- who enrolled them
  reason    TEXT NOT NULL,                     -- and why
  began_utc DATETIME(3) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

CREATE TABLE enrolled_recordings (
  enrolment_id   VARCHAR(36) NOT NULL,
  sha256         VARCHAR(64) NOT NULL,  -- of its samples, hexadecimal
  label          VARCHAR(16) NOT NULL,  -- bonafide, spoof or own_voice
  name           TEXT NOT NULL,         -- of its file
  speaker        TEXT NOT NULL,         -- person or synthesis system, as the folders of the files told
  length_samples INT NOT NULL,          -- of the part that was enrolled
  flac           LONGBLOB,              -- that part, 16 kHz mono, for another bundle; NULL: not kept, or expired
  PRIMARY KEY (enrolment_id, sha256),
  CONSTRAINT fk_enrolled_recordings_enrolment FOREIGN KEY (enrolment_id) REFERENCES enrolments (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Their blocks, one row each. They count in pairs of both labels, never as confirmed references.
CREATE TABLE enrolled_blocks (
  encoder_id    VARCHAR(64) NOT NULL,  -- encoder of the embedding
  enrolment_id  VARCHAR(36) NOT NULL,
  sha256        VARCHAR(64) NOT NULL,
  start_samples BIGINT NOT NULL,       -- start of the block in the recording
  embedding     BLOB NOT NULL,         -- float32, little-endian, unit length
  PRIMARY KEY (encoder_id, enrolment_id, sha256, start_samples),
  CONSTRAINT fk_enrolled_blocks_recording FOREIGN KEY (enrolment_id, sha256)
    REFERENCES enrolled_recordings (enrolment_id, sha256) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- What a bundle's scores become on this line, or how close its own voices come; measured once for each bundle.
CREATE TABLE operating_points (
  enrolment_id VARCHAR(36) NOT NULL,
  bundle       VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,  -- its name and version
  encoder_id   VARCHAR(64) NOT NULL,
  point        MEDIUMTEXT NOT NULL,   -- JSON: of a line scale, offset_llr and pair weights; of own voices a threshold
  report       MEDIUMTEXT NOT NULL,   -- JSON: what it changed
  measured_utc DATETIME(3) NOT NULL,
  PRIMARY KEY (enrolment_id, bundle),
  CONSTRAINT fk_operating_points_enrolment FOREIGN KEY (enrolment_id) REFERENCES enrolments (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Recordings that people added with a label; each is a sample of a stream named after who added it.
CREATE TABLE uploads (
  alert_id     VARCHAR(36) NOT NULL PRIMARY KEY,  -- of its row in alerts
  file         TEXT NOT NULL,                     -- its name
  source       TEXT NOT NULL,                     -- where it comes from, as its uploader says
  licence      TEXT NOT NULL,                     -- or who allowed its use
  uploaded_by  TEXT NOT NULL,
  uploaded_utc DATETIME(3) NOT NULL,
  CONSTRAINT fk_uploads_alert FOREIGN KEY (alert_id) REFERENCES alerts (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The newest applied migration.
CREATE TABLE alembic_version (
  version_num VARCHAR(32) NOT NULL PRIMARY KEY
);
INSERT INTO alembic_version VALUES ('0009');

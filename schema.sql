-- What RADD keeps, as MySQL and MariaDB see it. The program makes these tables itself in an empty database
-- (storage/migrations); who prefers to make them by hand loads this file.
--
-- *_utc      wall clock in UTC, to the millisecond
-- *_samples  16 kHz samples since the stream began, so that 16000 are one second
-- llr        natural-log likelihood ratio, higher = bona fide; NULL: not measured
-- bundle     name and version of the model that judged

-- One run over one source.
CREATE TABLE streams (
  id             VARCHAR(36) NOT NULL PRIMARY KEY,  -- UUID
  state          VARCHAR(16) NOT NULL,              -- running, ended, or interrupted: its daemon was killed
  source         TEXT NOT NULL,                     -- microphone, path or "-", as the user knows it
  device         TEXT,                              -- the device's own name; NULL: no device
  native_rate_hz INT NOT NULL,
  host           TEXT NOT NULL,                     -- the machine that listened
  bundle         TEXT NOT NULL,
  config_hash    VARCHAR(64) NOT NULL,              -- SHA-256 of the settings in force
  started_utc    DATETIME(3) NOT NULL,              -- sample 0
  ended_utc      DATETIME(3),                       -- this and the totals below: NULL until it has ended in order
  length_samples BIGINT,
  lost_samples   BIGINT,                            -- inside the gaps
  scores         INT,                               -- one each 128 ms
  judged         INT,                               -- those with a number
  alerts         INT,
  gaps           INT,
  KEY ix_streams_started (started_utc)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- The sound of alerts, each once. A row without sound says so: evicted by the quota, its row stays.
CREATE TABLE clips (
  sha256         VARCHAR(64) NOT NULL PRIMARY KEY,  -- of the FLAC bytes, hexadecimal
  state          VARCHAR(16) NOT NULL,              -- stored or evicted
  length_samples INT NOT NULL,
  size_bytes     INT NOT NULL,                      -- of the FLAC bytes, also once evicted
  stored_utc     DATETIME(3) NOT NULL,
  evicted_utc    DATETIME(3),
  flac           LONGBLOB,                          -- 16 kHz mono, 16 bit; NULL: evicted
  KEY ix_clips_state_stored (state, stored_utc, size_bytes)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- A synthetic voice was heard; or speech that raised no alert was drawn at random, so that people find what was missed.
CREATE TABLE alerts (
  id                 VARCHAR(36) NOT NULL PRIMARY KEY,           -- UUID
  stream_id          VARCHAR(36) NOT NULL,
  state              VARCHAR(16) NOT NULL,                       -- open, close, interrupted: its daemon was killed; or sample
  review             VARCHAR(16) NOT NULL DEFAULT 'pending',     -- what the labels of its clip come to: pending, fake, real,
                                                                 -- unsure, conflict, or expired: its sound went unanswered
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
  informative        DOUBLE NOT NULL DEFAULT 0,                  -- what a label would teach, 0 to 1, higher = more
  KEY ix_alerts_stream (stream_id, began_samples),
  KEY ix_alerts_clip (clip_sha256),
  KEY ix_alerts_queue (review, informative, id, began_utc, state),
  KEY ix_alerts_stream_queue (stream_id, review, informative, id, began_utc, state),
  CONSTRAINT fk_alerts_stream FOREIGN KEY (stream_id) REFERENCES streams (id),
  CONSTRAINT fk_alerts_clip FOREIGN KEY (clip_sha256) REFERENCES clips (sha256)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Why an alert was raised.
CREATE TABLE evidence (
  alert_id   VARCHAR(36) NOT NULL PRIMARY KEY,
  trace      MEDIUMTEXT NOT NULL,  -- JSON: [[end in samples, llr or null], ...], each score inside the clip
  neighbours MEDIUMTEXT NOT NULL,  -- JSON: [{"id", "label", "system", "similarity"}, ...], nearest first, at the peak
  CONSTRAINT fk_evidence_alert FOREIGN KEY (alert_id) REFERENCES alerts (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Sound that was lost.
CREATE TABLE gaps (
  stream_id     VARCHAR(36) NOT NULL,
  start_samples BIGINT NOT NULL,
  end_samples   BIGINT NOT NULL,
  cause         TEXT NOT NULL,
  PRIMARY KEY (stream_id, start_samples),
  CONSTRAINT fk_gaps_stream FOREIGN KEY (stream_id) REFERENCES streams (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- What was heard in each second.
CREATE TABLE timeline (
  stream_id  VARCHAR(36) NOT NULL,
  second     INT NOT NULL,          -- 0: the first second of the stream
  verdict    VARCHAR(16) NOT NULL,  -- the gravest: spoof, suspect, bonafide, gap, shed, too_noisy, no_speech, warming_up
  llr        DOUBLE,                -- mean
  level_dbfs DOUBLE NOT NULL,       -- mean power, dB re full scale, at least -120
  distance   DOUBLE,                -- mean of 1 - cosine to the nearest known voice, 0 to 2; NULL: not compared
  PRIMARY KEY (stream_id, second),
  CONSTRAINT fk_timeline_stream FOREIGN KEY (stream_id) REFERENCES streams (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Known voices that people have added to the bundle's index, one row a block of sound.
CREATE TABLE overlay_references (
  encoder_id    VARCHAR(64) NOT NULL,  -- the encoder that made the embedding; another one's do not compare
  id            VARCHAR(36) NOT NULL,  -- of the recording: the first digits of the SHA-256 of its sound
  start_samples BIGINT NOT NULL,       -- where the block begins in the recording
  label         VARCHAR(16) NOT NULL,  -- bonafide or spoof
  system        TEXT NOT NULL,         -- what synthesised it; "-" for bona fide
  source        TEXT NOT NULL,         -- where it comes from
  licence       TEXT NOT NULL,
  clip_sha256   VARCHAR(64),           -- the clip of an alert that it was taken from; NULL: none, or gone
  embedding     BLOB NOT NULL,         -- float32, little-endian, of unit length
  reviewer      TEXT NOT NULL,         -- who added it
  reason        TEXT NOT NULL,         -- and why
  added_utc     DATETIME(3) NOT NULL,
  PRIMARY KEY (encoder_id, id, start_samples),
  CONSTRAINT fk_overlay_references_clip FOREIGN KEY (clip_sha256) REFERENCES clips (sha256) ON DELETE SET NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- References of the bundle that people took for wrong: they are in its files still, but nobody is shown them.
CREATE TABLE overlay_removals (
  encoder_id   VARCHAR(64) NOT NULL,
  reference_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  reviewer     TEXT NOT NULL,          -- who removed it
  reason       TEXT NOT NULL,          -- and why
  removed_utc  DATETIME(3) NOT NULL,
  PRIMARY KEY (encoder_id, reference_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Grows with every change of the two above, in the same transaction, so that a daemon sees it.
CREATE TABLE overlay_versions (
  encoder_id VARCHAR(64) NOT NULL PRIMARY KEY,
  version    BIGINT NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- What people have said of a clip, each answer a row that stays; the latest of each reviewer counts.
CREATE TABLE labels (
  clip_sha256  VARCHAR(64) NOT NULL,
  number       INT NOT NULL,          -- 1, 2, ... in the order in which they came
  label        VARCHAR(16) NOT NULL,  -- fake, real or unsure
  reviewer     TEXT NOT NULL,
  reason       TEXT NOT NULL,
  labelled_utc DATETIME(3) NOT NULL,
  PRIMARY KEY (clip_sha256, number),
  CONSTRAINT fk_labels_clip FOREIGN KEY (clip_sha256) REFERENCES clips (sha256) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Clips whose label is agreed and that have entered the overlay of this encoder's index.
CREATE TABLE indexed_clips (
  clip_sha256 VARCHAR(64) NOT NULL,
  encoder_id  VARCHAR(64) NOT NULL,
  blocks      INT NOT NULL,           -- how many references it gave; 0: too little speech in it
  PRIMARY KEY (clip_sha256, encoder_id),
  CONSTRAINT fk_indexed_clips_clip FOREIGN KEY (clip_sha256) REFERENCES clips (sha256) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Who alone may retrain now.
CREATE TABLE leases (
  name      VARCHAR(32) NOT NULL PRIMARY KEY,
  holder    VARCHAR(255) NOT NULL,            -- process id and machine
  until_utc DATETIME(3) NOT NULL              -- renewed while it lives; later anybody may take it
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- One run of train.py retrain that had something to do.
CREATE TABLE retrainings (
  id        VARCHAR(36) NOT NULL PRIMARY KEY,  -- UUID
  state     VARCHAR(16) NOT NULL,              -- running, shadow, promoted, refused, failed, not_due, or interrupted: it was killed
  step      VARCHAR(16) NOT NULL,              -- how far it came: due where it was asked for, clips, fit, prove, shadow, promote
  why       TEXT NOT NULL,                     -- why it began
  champion  TEXT NOT NULL,                     -- the bundle in use then, its directory's name
  candidate TEXT NOT NULL,                     -- empty until one is made
  began_utc DATETIME(3) NOT NULL,
  ended_utc DATETIME(3),
  outcome   TEXT,                              -- in a sentence
  report    MEDIUMTEXT                         -- Markdown
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Which bundle was put to use, taken back or refused.
CREATE TABLE decisions (
  id          VARCHAR(36) NOT NULL PRIMARY KEY,  -- UUID
  action      VARCHAR(16) NOT NULL,              -- promote, rollback, refuse, or shadow: it judges beside the champion
  model       TEXT NOT NULL,                     -- directory of the bundle that it is about
  version     TEXT NOT NULL,                     -- its name and version, as alerts have it
  `before`    TEXT NOT NULL,                     -- directory of the bundle in use until then
  reason      MEDIUMTEXT NOT NULL,
  numbers     MEDIUMTEXT NOT NULL,               -- JSON: what it was decided on
  decided_utc DATETIME(3) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- How far the sound of a stream was from all known voices on one day, in UTC.
CREATE TABLE drift (
  stream_id VARCHAR(36) NOT NULL,
  day       DATE NOT NULL,
  seconds   INT NOT NULL,           -- of sound that was compared
  distance  DOUBLE NOT NULL,        -- their mean of timeline.distance
  PRIMARY KEY (stream_id, day),
  CONSTRAINT fk_drift_stream FOREIGN KEY (stream_id) REFERENCES streams (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- What a candidate has judged beside the bundle in use, without a voice, in one hour of a stream.
CREATE TABLE shadows (
  stream_id        VARCHAR(36) NOT NULL,
  hour_utc         DATETIME(3) NOT NULL,  -- in which it begins
  candidate        VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,  -- its name and version
  seconds          DOUBLE NOT NULL,       -- of speech that both have judged
  difference       DOUBLE NOT NULL,       -- mean LLR, the candidate's less that in use, nats
  champion_alerts  INT NOT NULL,          -- stretches of 12 s that make an alert by themselves, by the bundle in use ...
  candidate_alerts INT NOT NULL,          -- ... and by the candidate
  PRIMARY KEY (stream_id, hour_utc, candidate),
  CONSTRAINT fk_shadows_stream FOREIGN KEY (stream_id) REFERENCES streams (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;

-- Which migration made all this.
CREATE TABLE alembic_version (
  version_num VARCHAR(32) NOT NULL PRIMARY KEY
);
INSERT INTO alembic_version VALUES ('0005');

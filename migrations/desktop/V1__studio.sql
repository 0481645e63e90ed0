-- The studio's first schema.
--
-- Tables that people search or that lists are read from have an explicit integer key, so that a
-- full-text index can be attached to them later; ids that leave this file are UUIDs in text.
-- Times are Unix milliseconds, UTC. Large columns stand last, so that a list never reads them.

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE projects (
    key          INTEGER PRIMARY KEY,
    id           TEXT    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    description  TEXT    NOT NULL DEFAULT '',
    status       TEXT    NOT NULL DEFAULT 'draft'
                 CHECK (status IN ('draft', 'generating', 'completed', 'failed', 'deployed')),
    tokens_used  INTEGER NOT NULL DEFAULT 0 CHECK (tokens_used >= 0),
    deployed_url TEXT,
    github_url   TEXT,
    favourite    INTEGER NOT NULL DEFAULT 0 CHECK (favourite IN (0, 1)),
    archived_at  INTEGER,
    trashed_at   INTEGER,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX projects_in_order ON projects (favourite DESC, updated_at DESC) WHERE trashed_at IS NULL;

CREATE TABLE project_tags (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    tag        TEXT NOT NULL,
    PRIMARY KEY (project_id, tag)
) STRICT, WITHOUT ROWID;

-- Bytes of files, once however many versions have them.
CREATE TABLE blobs (
    key      INTEGER PRIMARY KEY,
    sha256   BLOB    NOT NULL UNIQUE CHECK (length(sha256) = 32),
    size     INTEGER NOT NULL CHECK (size >= 0),
    encoding TEXT    NOT NULL CHECK (encoding IN ('plain', 'zstd')),
    bytes    BLOB    NOT NULL
) STRICT;

CREATE TABLE versions (
    key              INTEGER PRIMARY KEY,
    project_id       TEXT    NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    number           INTEGER NOT NULL CHECK (number >= 1),
    parent           INTEGER CHECK (parent < number),
    cause            TEXT    NOT NULL CHECK (cause IN ('generation', 'restore', 'edit', 'import')),
    cause_generation TEXT,
    cause_number     INTEGER,
    label            TEXT,
    file_count       INTEGER NOT NULL,
    added            INTEGER NOT NULL,
    changed          INTEGER NOT NULL,
    removed          INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    UNIQUE (project_id, number),
    CHECK ((cause = 'generation') = (cause_generation IS NOT NULL)),
    CHECK ((cause = 'restore') = (cause_number IS NOT NULL))
) STRICT;

CREATE TABLE version_files (
    version INTEGER NOT NULL REFERENCES versions (key) ON DELETE CASCADE,
    path    TEXT    NOT NULL,
    blob    INTEGER NOT NULL REFERENCES blobs (key),
    change  TEXT    NOT NULL CHECK (change IN ('added', 'changed', 'same')),
    PRIMARY KEY (version, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX version_files_by_blob ON version_files (blob);

CREATE TABLE generations (
    key           INTEGER PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,
    -- The account it was sent under; null for a model of the creator's own.
    user_id       TEXT,
    project_id    TEXT    REFERENCES projects (id) ON DELETE SET NULL,
    base_version  INTEGER,
    role          TEXT    NOT NULL,
    provider      TEXT    NOT NULL DEFAULT 'relay',
    model         TEXT    NOT NULL,
    status        TEXT    NOT NULL
                  CHECK (status IN ('queued', 'pending', 'completed', 'failed', 'cancelled', 'interrupted')),
    waking        INTEGER NOT NULL DEFAULT 0 CHECK (waking IN (0, 1)),
    finish_reason TEXT    CHECK (finish_reason IN ('stop', 'length', 'cancelled')),
    error_code    TEXT,
    error_text    TEXT,
    reserved      INTEGER,
    charged       INTEGER,
    tokens_in     INTEGER,
    tokens_out    INTEGER,
    -- The version that it made.
    version       INTEGER,
    last_seq      INTEGER NOT NULL DEFAULT 0,
    nonce         TEXT    NOT NULL,
    -- The generation whose output this one goes on from, word for word.
    continues     TEXT,
    created_at    INTEGER NOT NULL,
    -- When it left the queue: its spool cannot live longer than a while after this.
    sent_at       INTEGER,
    completed_at  INTEGER,
    prompt        TEXT    NOT NULL,
    attachments   TEXT    NOT NULL DEFAULT '[]',
    explanation   TEXT    NOT NULL DEFAULT '',
    -- The request as it was sent, JSON: it is sent again byte for byte when re-attaching.
    payload       TEXT    NOT NULL,
    -- What the model said, byte for byte: null while it runs (then it is in generation_pieces).
    output        TEXT
) STRICT;
CREATE INDEX generations_of_project ON generations (project_id, created_at DESC);
CREATE INDEX generations_open ON generations (status) WHERE status IN ('queued', 'pending');
CREATE INDEX generations_by_role ON generations (role, completed_at DESC) WHERE status = 'completed';
-- One at a time in one project.
CREATE UNIQUE INDEX one_pending_generation ON generations (project_id) WHERE status = 'pending';

-- What has arrived of a running generation, as it arrived.
CREATE TABLE generation_pieces (
    generation_id TEXT    NOT NULL REFERENCES generations (id) ON DELETE CASCADE,
    seq           INTEGER NOT NULL,
    text          TEXT    NOT NULL,
    PRIMARY KEY (generation_id, seq)
) STRICT, WITHOUT ROWID;

-- Copies of what the relay knows, by account.
CREATE TABLE accounts (
    user_id          TEXT    NOT NULL PRIMARY KEY,
    session          TEXT    NOT NULL CHECK (session IN ('signed_in', 'expired')),
    secret_place     TEXT    CHECK (secret_place IN ('keyring', 'file', 'memory')),
    snapshot_version INTEGER,
    snapshot_at      INTEGER,
    -- The `after` of the next ledger page.
    ledger_after     TEXT,
    snapshot         TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE relay_configs (
    relay_url   TEXT    NOT NULL PRIMARY KEY,
    received_at INTEGER NOT NULL,
    config      TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE checkouts (
    user_id    TEXT    NOT NULL PRIMARY KEY,
    plan_id    TEXT    NOT NULL,
    url        TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    -- Stripe's; null while a plan is being changed in the portal.
    session_id TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_entries (
    key           INTEGER PRIMARY KEY,
    user_id       TEXT    NOT NULL,
    id            TEXT    NOT NULL,
    at            INTEGER NOT NULL,
    kind          TEXT    NOT NULL
                  CHECK (kind IN ('grant', 'reserve', 'settle', 'release', 'expire', 'revoke')),
    tokens        INTEGER NOT NULL CHECK (tokens >= 0),
    generation_id TEXT,
    source        TEXT,
    balance_after INTEGER NOT NULL,
    UNIQUE (user_id, id)
) STRICT;
CREATE INDEX ledger_entries_by_generation ON ledger_entries (generation_id)
    WHERE generation_id IS NOT NULL;

-- Kept so that a cold start by deep link can finish one; erased on use, never in backups.
CREATE TABLE sign_in_attempts (
    -- Which came first, whatever the clock says.
    key          INTEGER PRIMARY KEY,
    state        TEXT    NOT NULL UNIQUE,
    verifier     TEXT    NOT NULL,
    redirect_uri TEXT    NOT NULL,
    url          TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT;

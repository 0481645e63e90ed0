-- People, and the ledger of their tokens.
--
-- Times are Unix milliseconds. Every row of `lots` and `people` obeys
-- granted = available + reserved + spent + expired + revoked, each part at least zero: the
-- database itself refuses a write that would break it.

CREATE TABLE people (
    id                   TEXT PRIMARY KEY,              -- Clerk's user id
    version              BIGINT NOT NULL,              -- of the account snapshot
    email                TEXT,
    clerk_name           TEXT,
    own_name             TEXT,                          -- set here; outlasts Clerk's
    image_url            TEXT,
    locale               TEXT NOT NULL,                 -- es, en
    marketing_emails     BIGINT NOT NULL DEFAULT 1,
    created_at           BIGINT NOT NULL,
    updated_at           BIGINT NOT NULL,
    profile_at           BIGINT,                       -- last userinfo that was read
    -- The plan in force, as the snapshot tells it; written by billing only.
    plan_id              TEXT NOT NULL DEFAULT 'free',
    subscription_status  TEXT,
    billing_interval     TEXT,
    period_start         BIGINT,
    period_end           BIGINT,
    cancel_at_period_end BIGINT NOT NULL DEFAULT 0,
    grace_until          BIGINT,
    -- Generations of `month` (YYYY-MM, UTC).
    month                TEXT NOT NULL,
    generations_count    BIGINT NOT NULL DEFAULT 0,
    last_generation_at   BIGINT,
    -- Kept balances; always the sums over the person's lots.
    granted              BIGINT NOT NULL DEFAULT 0,
    available            BIGINT NOT NULL DEFAULT 0 CHECK (available >= 0),
    reserved             BIGINT NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    spent                BIGINT NOT NULL DEFAULT 0 CHECK (spent >= 0),
    expired              BIGINT NOT NULL DEFAULT 0 CHECK (expired >= 0),
    revoked              BIGINT NOT NULL DEFAULT 0 CHECK (revoked >= 0),
    CHECK (granted = available + reserved + spent + expired + revoked)
);

CREATE INDEX people_by_month ON people (month);

CREATE TABLE lots (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES people (id),
    source     TEXT NOT NULL UNIQUE,                    -- free:…, invoice:…, upgrade:…, grant:…
    plan_id    TEXT,                                    -- for a plan's lot
    granted    BIGINT NOT NULL CHECK (granted >= 0),
    available  BIGINT NOT NULL CHECK (available >= 0),
    reserved   BIGINT NOT NULL DEFAULT 0 CHECK (reserved >= 0),
    spent      BIGINT NOT NULL DEFAULT 0 CHECK (spent >= 0),
    expired    BIGINT NOT NULL DEFAULT 0 CHECK (expired >= 0),
    revoked    BIGINT NOT NULL DEFAULT 0 CHECK (revoked >= 0),
    -- To be revoked as soon as running generations give it back.
    owed       BIGINT NOT NULL DEFAULT 0 CHECK (owed >= 0),
    starts_at  BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    ended_at   BIGINT,                                 -- null while it is live
    created_at BIGINT NOT NULL,
    CHECK (granted = available + reserved + spent + expired + revoked)
);

CREATE INDEX live_lots_by_person ON lots (user_id, ends_at) WHERE ended_at IS NULL;
CREATE INDEX live_lots_by_end ON lots (ends_at) WHERE ended_at IS NULL;
CREATE INDEX lots_by_person ON lots (user_id);

-- Append-only. `seq` is the order; `id` is what people are shown.
CREATE TABLE entries (
    seq           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    user_id       TEXT NOT NULL,
    at            BIGINT NOT NULL,
    kind          TEXT NOT NULL,
    tokens        BIGINT NOT NULL CHECK (tokens >= 0),
    generation_id TEXT,
    source        TEXT,
    reason        TEXT,                                  -- why something was revoked
    balance_after BIGINT NOT NULL CHECK (balance_after >= 0)
);

CREATE INDEX entries_by_person ON entries (user_id, seq);

CREATE TABLE reservations (
    user_id       TEXT NOT NULL REFERENCES people (id),
    generation_id TEXT NOT NULL,
    tokens        BIGINT NOT NULL CHECK (tokens >= 0),
    state         TEXT NOT NULL CHECK (state IN ('open', 'settled', 'released')),
    charged       BIGINT NOT NULL DEFAULT 0 CHECK (charged >= 0 AND charged <= tokens),
    lease         TEXT NOT NULL,                        -- the process that runs it
    at            BIGINT NOT NULL,
    ended_at      BIGINT,
    PRIMARY KEY (user_id, generation_id)
);

CREATE INDEX reservations_by_time ON reservations (user_id, at);
CREATE INDEX open_reservations ON reservations (lease) WHERE state = 'open';

-- How much of an open reservation each lot holds; gone when the reservation ends.
CREATE TABLE holds (
    user_id       TEXT NOT NULL,
    generation_id TEXT NOT NULL,
    lot_id        BIGINT NOT NULL REFERENCES lots (id),
    tokens        BIGINT NOT NULL CHECK (tokens > 0),
    PRIMARY KEY (user_id, generation_id, lot_id)
);

CREATE INDEX holds_by_lot ON holds (lot_id);

-- Stripe: whose customer is whose, what Stripe last said of each, and the inbox of its events.
--
-- Times are Unix milliseconds. What Stripe says is kept only as the facts that billing decides by;
-- who somebody is, is in `people`.

CREATE TABLE customers (
    id             TEXT PRIMARY KEY,                    -- Stripe's cus_…
    user_id        TEXT NOT NULL,
    facts          TEXT,                                -- JSON; null until Stripe was first asked
    folded_at      BIGINT,                             -- when that was
    next_change_at BIGINT,                             -- when time alone changes what follows from it
    deleted_at     BIGINT,                             -- deleted at Stripe
    created_at     BIGINT NOT NULL
);

CREATE UNIQUE INDEX one_customer_per_person ON customers (user_id) WHERE deleted_at IS NULL;
CREATE INDEX customers_by_person ON customers (user_id);
CREATE INDEX customers_by_change ON customers (next_change_at) WHERE next_change_at IS NOT NULL;

-- A row is durable before Stripe is answered; the key makes a second delivery nothing.
CREATE TABLE stripe_events (
    id          TEXT PRIMARY KEY,                       -- evt_…
    kind        TEXT NOT NULL,
    object_id   TEXT,
    object_type TEXT,
    customer    TEXT,                                   -- null until it is known
    charge      TEXT,                                   -- by which it can be found
    created     BIGINT NOT NULL,                       -- Stripe's, milliseconds
    received_at BIGINT NOT NULL,
    payload     BYTEA,                                   -- as it came; null once it was let go
    state       TEXT NOT NULL CHECK (state IN ('pending', 'done', 'ignored', 'failed')),
    attempts    BIGINT NOT NULL DEFAULT 0,
    due_at      BIGINT NOT NULL,                       -- not to be taken before
    ended_at    BIGINT,
    error       TEXT                                    -- why the last attempt failed
);

CREATE INDEX pending_events ON stripe_events (due_at) WHERE state = 'pending';
CREATE INDEX pending_events_by_customer ON stripe_events (customer) WHERE state = 'pending';
CREATE INDEX events_by_receipt ON stripe_events (received_at);

-- Subscriptions that were found live beside another: cancelled and refunded, and never counted.
CREATE TABLE duplicate_subscriptions (
    id        TEXT PRIMARY KEY,                         -- sub_…
    customer  TEXT NOT NULL,
    found_at  BIGINT NOT NULL,
    undone_at BIGINT
);

CREATE INDEX duplicates_by_customer ON duplicate_subscriptions (customer);

-- What each dispute took from each lot, to be given back if it is won.
CREATE TABLE dispute_takings (
    dispute TEXT NOT NULL,                              -- du_…
    source  TEXT NOT NULL,                              -- of the lot
    tokens  BIGINT NOT NULL CHECK (tokens >= 0),
    PRIMARY KEY (dispute, source)
);

-- Which checkout was opened for what, so that an open one can be used again.
CREATE TABLE checkouts (
    session    TEXT PRIMARY KEY,                        -- cs_…
    customer   TEXT NOT NULL,
    price      TEXT NOT NULL,
    locale     TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX checkouts_by_customer ON checkouts (customer);

-- When Stripe's record of events was last read to its end. One row.
CREATE TABLE reconciliation (
    id           BIGINT PRIMARY KEY CHECK (id = 1),
    last_pass_at BIGINT NOT NULL
);

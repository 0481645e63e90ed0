-- Mails: the outbox, and the addresses that are not written to.
--
-- Times are Unix milliseconds. A row is made in the transaction that causes the mail, and its key
-- (whom, what kind, what it is about) makes a second cause nothing.

CREATE TABLE mails (
    id         TEXT PRIMARY KEY,                        -- also Resend's Idempotency-Key
    user_id    TEXT NOT NULL,
    kind       TEXT NOT NULL,                           -- welcome, tokens_50, …
    about      TEXT NOT NULL,                           -- a lot, an invoice, …; '' where the person is all
    news       TEXT,                                    -- JSON: what only the cause knew
    state      TEXT NOT NULL CHECK (state IN (
        'waiting',                                      -- no address is known yet
        'pending', 'sent',
        'skipped',                                      -- nothing to send with
        'parked',                                       -- refused, or its fate cannot be known
        'suppressed',                                   -- the address is not written to
        'dropped')),                                    -- nobody wants it any more
    attempts   BIGINT NOT NULL DEFAULT 0,
    due_at     BIGINT NOT NULL,                         -- not to be taken before
    tried_at   BIGINT,                                  -- the first attempt that may have arrived
    created_at BIGINT NOT NULL,
    ended_at   BIGINT,
    payload    TEXT,                                    -- the request's body as rendered; null once let go
    resend_id  TEXT,
    error      TEXT,                                    -- why the last attempt failed
    UNIQUE (user_id, kind, about)
);

CREATE INDEX pending_mails ON mails (due_at) WHERE state = 'pending';
CREATE INDEX waiting_mails_of_person ON mails (user_id) WHERE state = 'waiting';

-- Never the address: a keyed hash of it.
CREATE TABLE mail_suppressions (
    address_hash BYTEA PRIMARY KEY,
    reason       TEXT NOT NULL,                         -- bounced, complained, …
    at           BIGINT NOT NULL
);

-- Whom the series of the first days has come to.
CREATE INDEX people_by_creation ON people (created_at);

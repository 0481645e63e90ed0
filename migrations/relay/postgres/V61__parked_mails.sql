-- The gauge of mails that were refused counts them every few seconds.
CREATE INDEX parked_mails ON mails (created_at) WHERE state = 'parked';

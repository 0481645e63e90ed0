-- Rendered mails are let go of after a while: found without looking at all of them.

CREATE INDEX rendered_mails ON mails (ended_at) WHERE payload IS NOT NULL;

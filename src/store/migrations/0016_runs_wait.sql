-- A run that nobody waits for may begin later, as when tokens are cheaper: not before this moment, in UTC.
ALTER TABLE runs ADD COLUMN not_before TEXT;

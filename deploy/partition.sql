-- Partitions the tables of users by hash, for tens of millions of them. docs/scale.md says when, and what it costs.
--
--   psql --single-transaction --set ON_ERROR_STOP=1 --file deploy/partition.sql "$SALLYPORT_DATABASE_URL"
--
-- Once, on a database whose schema is up to date, with every node stopped: it copies the tables. Take a backup first.
-- The service notices nothing: the same statements run, and the same row counts come back.

CREATE FUNCTION pg_temp.partition(name text, key text, pieces int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I RENAME TO %I', name, name || '_before');
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS) PARTITION BY HASH (%I)', name, name || '_before', key);
    FOR piece IN 0 .. pieces - 1 LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS %s, REMAINDER %s)',
                       name || '_' || piece, name, pieces, piece);
    END LOOP;
    EXECUTE format('INSERT INTO %I SELECT * FROM %I', name, name || '_before');
END $$;

-- Everything of a user lies by the user. Sessions and refresh tokens lie by what they are looked for by, which is their
-- own id and digest. Challenges, counted tries, mail and its tokens are few at any time; the audit log only grows at its
-- end.
SELECT pg_temp.partition(name, key, 16)
FROM (VALUES ('users', 'id'), ('passwords', 'user_id'), ('totp', 'user_id'), ('backup_sets', 'user_id'),
             ('backup_codes', 'user_id'), ('known_clients', 'user_id'), ('sessions', 'id'),
             ('refresh_tokens', 'token_digest')) AS partitioned (name, key);

ALTER TABLE challenges DROP CONSTRAINT challenges_user_id_fkey;
ALTER TABLE outbox DROP CONSTRAINT outbox_user_id_fkey;
ALTER TABLE mailed_tokens DROP CONSTRAINT mailed_tokens_user_id_fkey;
ALTER TABLE removed_totp DROP CONSTRAINT removed_totp_user_id_fkey;
ALTER TABLE role_members DROP CONSTRAINT role_members_user_id_fkey;
ALTER TABLE approvals DROP CONSTRAINT approvals_user_id_fkey;
ALTER TABLE caller_codes DROP CONSTRAINT caller_codes_user_id_fkey;
ALTER TABLE mfa_resets DROP CONSTRAINT mfa_resets_user_id_fkey;
ALTER TABLE api_keys DROP CONSTRAINT api_keys_user_id_fkey;
ALTER TABLE devices DROP CONSTRAINT devices_user_id_fkey;
ALTER TABLE browser_sessions DROP CONSTRAINT browser_sessions_session_id_fkey;
DROP TABLE users_before, passwords_before, totp_before, backup_sets_before, backup_codes_before, known_clients_before,
           sessions_before, refresh_tokens_before;

ALTER TABLE users ADD PRIMARY KEY (id);
ALTER TABLE passwords ADD PRIMARY KEY (user_id), ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE totp ADD PRIMARY KEY (user_id, id), ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE backup_sets ADD PRIMARY KEY (user_id), ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE backup_codes ADD PRIMARY KEY (user_id, code_digest),
                         ADD FOREIGN KEY (user_id) REFERENCES backup_sets ON DELETE CASCADE;
ALTER TABLE known_clients ADD PRIMARY KEY (user_id, token_digest),
                          ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE sessions ADD PRIMARY KEY (id), ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE refresh_tokens ADD PRIMARY KEY (token_digest),
                           ADD FOREIGN KEY (session_id) REFERENCES sessions ON DELETE CASCADE;
ALTER TABLE challenges ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE outbox ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE mailed_tokens ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE removed_totp ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE role_members ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE approvals ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE caller_codes ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE mfa_resets ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE api_keys ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE devices ADD FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
ALTER TABLE browser_sessions ADD FOREIGN KEY (session_id) REFERENCES sessions ON DELETE CASCADE;

CREATE INDEX users_by_creation ON users (created_at, id);
CREATE INDEX users_by_email ON users (email_key, id);
CREATE INDEX passwords_by_sealing_key ON passwords (substr(hash_sealed, 2, 8));
CREATE INDEX totp_by_sealing_key ON totp (substr(seed_sealed, 2, 8));
CREATE UNIQUE INDEX totp_one_pending ON totp (user_id) WHERE enrolled_at IS NULL;
CREATE INDEX ix_backup_sets_pepper_id ON backup_sets (pepper_id);
CREATE INDEX ix_sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_by_last_use ON sessions (last_used_at);
CREATE INDEX ix_refresh_tokens_session_id ON refresh_tokens (session_id);
CREATE INDEX known_clients_by_last_use ON known_clients (last_used_at);

-- A name, and a verified address, is one user's in all partitions. A unique constraint of `users` would have to have
-- the id in it, and would hold nothing; so each has a table of its own, which the triggers below keep. For look-ups
-- each partition has an index too.
CREATE INDEX users_by_name ON users (name_key);
CREATE INDEX users_by_verified_email ON users (verified_email_key);
CREATE TABLE taken_names (name_key text COLLATE "C" PRIMARY KEY);
CREATE TABLE taken_emails (email_key text COLLATE "C" PRIMARY KEY);
INSERT INTO taken_names SELECT name_key FROM users;
INSERT INTO taken_emails SELECT verified_email_key FROM users WHERE verified_email_key IS NOT NULL;

-- A new user whose name is taken is no row, as ON CONFLICT DO NOTHING has it. Who comes second waits for the first one's
-- commit, as with a unique constraint.
CREATE FUNCTION take_name() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO taken_names VALUES (NEW.name_key) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF NEW.verified_email_key IS NOT NULL THEN
        INSERT INTO taken_emails VALUES (NEW.verified_email_key);
    END IF;
    RETURN NEW;
END $$;

-- A change to what another has is an error, as with a unique constraint.
CREATE FUNCTION keep_taken() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.name_key <> OLD.name_key THEN
        DELETE FROM taken_names WHERE name_key = OLD.name_key;
    END IF;
    IF TG_OP = 'DELETE' OR NEW.verified_email_key IS DISTINCT FROM OLD.verified_email_key THEN
        DELETE FROM taken_emails WHERE email_key = OLD.verified_email_key;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.name_key <> OLD.name_key THEN
        INSERT INTO taken_names VALUES (NEW.name_key);
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.verified_email_key IS DISTINCT FROM OLD.verified_email_key
       AND NEW.verified_email_key IS NOT NULL THEN
        INSERT INTO taken_emails VALUES (NEW.verified_email_key);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER name_taken BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION take_name();
CREATE TRIGGER taken_kept AFTER DELETE OR UPDATE OF name_key, verified_email_key ON users
    FOR EACH ROW EXECUTE FUNCTION keep_taken();
CREATE TRIGGER users_counted AFTER INSERT OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION count_users();
CREATE TRIGGER mfa_counted AFTER UPDATE OF mfa_since ON users FOR EACH ROW
    WHEN ((OLD.mfa_since IS NULL) <> (NEW.mfa_since IS NULL)) EXECUTE FUNCTION count_mfa();
CREATE TRIGGER mfa_brought AFTER INSERT ON users FOR EACH ROW
    WHEN (NEW.mfa_since IS NOT NULL) EXECUTE FUNCTION count_mfa();
CREATE TRIGGER mfa_taken_along AFTER DELETE ON users FOR EACH ROW
    WHEN (OLD.mfa_since IS NOT NULL) EXECUTE FUNCTION count_mfa();

-- Planning over sixteen pieces takes longer than the statement: each connection plans once, and leaves out at run time
-- what can't have the row. Disks that seek for free (SSD) make index look-ups in all pieces cheaper than reading one.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET plan_cache_mode = force_generic_plan', current_database());
    EXECUTE format('ALTER DATABASE %I SET random_page_cost = 1.1', current_database());
END $$;
ANALYZE;

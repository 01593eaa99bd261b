CREATE OR REPLACE FUNCTION privacy_refuse(words text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', words USING ERRCODE = 'integrity_constraint_violation';
END $$
--
CREATE OR REPLACE FUNCTION privacy_keep_posted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    erasable text;
    was jsonb := to_jsonb(OLD);
    becomes jsonb;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        becomes := to_jsonb(NEW);
        -- The first argument is what is said, the others are the columns that may be emptied.
        FOREACH erasable IN ARRAY TG_ARGV[1:] LOOP
            IF COALESCE(becomes ->> erasable, '') = '' THEN
                was := was - erasable;
                becomes := becomes - erasable;
            END IF;
        END LOOP;
        IF was = becomes THEN
            RETURN NEW;
        END IF;
    END IF;
    PERFORM privacy_refuse(TG_TABLE_NAME || ': ' || TG_ARGV[0]);
    RETURN NULL;
END $$
--
CREATE OR REPLACE FUNCTION privacy_keep_all() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    filled boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', TG_TABLE_NAME) INTO filled;
    IF filled THEN
        PERFORM privacy_refuse(TG_TABLE_NAME || ': ' || TG_ARGV[0]);
    END IF;
    RETURN NULL;
END $$

CREATE OR REPLACE FUNCTION donations_reversal_mirrors() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    wrong donations_transaction;
BEGIN
    -- Locked, so that nothing is allocated at the same moment.
    SELECT * INTO wrong FROM donations_transaction WHERE id = NEW.reverses_id FOR NO KEY UPDATE;
    IF wrong.reverses_id IS NOT NULL OR wrong.amount_minor <> -NEW.amount_minor OR wrong.fund_id <> NEW.fund_id
        OR wrong.currency <> NEW.currency OR wrong.account_id IS DISTINCT FROM NEW.account_id THEN
        PERFORM privacy_refuse('donations_transaction: a reversal mirrors what it reverses, which is no reversal');
    END IF;
    IF (SELECT COALESCE(SUM(amount_minor), 0) FROM donations_allocation WHERE transaction_id = wrong.id) <> 0 THEN
        PERFORM privacy_refuse('donations_transaction: undo the allocations before the reversal');
    END IF;
    RETURN NEW;
END $$
--
CREATE TRIGGER donations_reversal_mirrors BEFORE INSERT ON donations_transaction
FOR EACH ROW WHEN (NEW.reverses_id IS NOT NULL) EXECUTE FUNCTION donations_reversal_mirrors()
--
CREATE OR REPLACE FUNCTION donations_transaction_is_of_one_fund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT 1 FROM donations_bankaccount WHERE id = NEW.account_id AND fund_id = NEW.fund_id
        AND currency IN ('', NEW.currency) AND (approved_at IS NOT NULL OR NEW.reverses_id IS NOT NULL)
    ) THEN
        PERFORM privacy_refuse('donations_transaction: the account is of another fund or currency, or not approved');
    END IF;
    RETURN NEW;
END $$
--
CREATE TRIGGER donations_transaction_is_of_one_fund BEFORE INSERT ON donations_transaction
FOR EACH ROW WHEN (NEW.account_id IS NOT NULL) EXECUTE FUNCTION donations_transaction_is_of_one_fund()
--
CREATE OR REPLACE FUNCTION donations_allocation_fits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    paid donations_transaction;
    wrong donations_allocation;
    total numeric;
BEGIN
    SELECT * INTO paid FROM donations_transaction WHERE id = NEW.transaction_id FOR NO KEY UPDATE;
    SELECT NEW.amount_minor + COALESCE(SUM(amount_minor), 0) INTO total
        FROM donations_allocation WHERE transaction_id = NEW.transaction_id;
    IF total * SIGN(paid.amount_minor) NOT BETWEEN 0 AND ABS(paid.amount_minor) THEN
        PERFORM privacy_refuse('donations_allocation: allocations never exceed their transaction');
    END IF;
    IF NEW.reverses_id IS NULL THEN
        IF paid.reverses_id IS NOT NULL
            OR EXISTS (SELECT 1 FROM donations_transaction WHERE reverses_id = NEW.transaction_id) THEN
            PERFORM privacy_refuse('donations_allocation: the transaction is reversed');
        END IF;
        IF NEW.amount_minor * SIGN(paid.amount_minor) < 0 THEN
            PERFORM privacy_refuse('donations_allocation: an allocation goes the way of its transaction');
        END IF;
    ELSE
        SELECT * INTO wrong FROM donations_allocation WHERE id = NEW.reverses_id;
        IF wrong.reverses_id IS NOT NULL OR wrong.amount_minor <> -NEW.amount_minor OR wrong.kind <> NEW.kind
            OR wrong.transaction_id <> NEW.transaction_id OR wrong.pledge_id IS DISTINCT FROM NEW.pledge_id
            OR wrong.sheet_id IS DISTINCT FROM NEW.sheet_id
            OR wrong.disbursement_id IS DISTINCT FROM NEW.disbursement_id THEN
            PERFORM privacy_refuse('donations_allocation: a reversal mirrors what it reverses, which is no reversal');
        END IF;
    END IF;
    IF EXISTS (SELECT 1 FROM donations_pledge WHERE id = NEW.pledge_id
            AND (fund_id, currency) IS DISTINCT FROM (paid.fund_id, paid.currency))
        OR EXISTS (SELECT 1 FROM donations_collectionsheet WHERE id = NEW.sheet_id
            AND (fund_id, currency) IS DISTINCT FROM (paid.fund_id, paid.currency))
        OR EXISTS (SELECT 1 FROM donations_disbursement WHERE id = NEW.disbursement_id
            AND (fund_id, currency) IS DISTINCT FROM (paid.fund_id, paid.currency)) THEN
        PERFORM privacy_refuse('donations_allocation: of another fund or currency than its transaction');
    END IF;
    IF NEW.disbursement_id IS NOT NULL
        AND (SELECT COUNT(*) FROM donations_approval WHERE disbursement_id = NEW.disbursement_id) < 2 THEN
        PERFORM privacy_refuse('donations_allocation: a disbursement needs two approvals');
    END IF;
    IF EXISTS (SELECT 1 FROM donations_cancellation WHERE disbursement_id = NEW.disbursement_id) THEN
        PERFORM privacy_refuse('donations_allocation: the disbursement is cancelled');
    END IF;
    RETURN NEW;
END $$
--
CREATE TRIGGER donations_allocation_fits BEFORE INSERT ON donations_allocation
FOR EACH ROW EXECUTE FUNCTION donations_allocation_fits()
--
CREATE OR REPLACE FUNCTION donations_cancelled_is_unpaid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT COALESCE(SUM(amount_minor), 0) FROM donations_allocation
            WHERE disbursement_id = NEW.disbursement_id) <> 0 THEN
        PERFORM privacy_refuse('donations_cancellation: undo the payments before');
    END IF;
    RETURN NEW;
END $$
--
CREATE TRIGGER donations_cancelled_is_unpaid BEFORE INSERT ON donations_cancellation
FOR EACH ROW EXECUTE FUNCTION donations_cancelled_is_unpaid()
--
CREATE OR REPLACE FUNCTION donations_account_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM privacy_refuse('donations_bankaccount: an account is withdrawn, never deleted');
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.approved_at IS NOT NULL THEN
            PERFORM privacy_refuse('donations_bankaccount: an account is proposed before it is approved');
        END IF;
        RETURN NEW;
    END IF;
    IF to_jsonb(OLD) - ARRAY['payable', 'approved_by_id', 'approved_at', 'valid_from', 'withdrawn_by_id', 'withdrawn_at']
        <> to_jsonb(NEW)
            - ARRAY['payable', 'approved_by_id', 'approved_at', 'valid_from', 'withdrawn_by_id', 'withdrawn_at'] THEN
        PERFORM privacy_refuse('donations_bankaccount: an account stays as it was proposed; propose another');
    END IF;
    IF OLD.approved_at IS NOT NULL AND (OLD.approved_at, OLD.approved_by_id, OLD.valid_from)
        IS DISTINCT FROM (NEW.approved_at, NEW.approved_by_id, NEW.valid_from) THEN
        PERFORM privacy_refuse('donations_bankaccount: an approval stays');
    END IF;
    IF OLD.withdrawn_at IS NOT NULL AND (OLD.withdrawn_at, OLD.withdrawn_by_id)
        IS DISTINCT FROM (NEW.withdrawn_at, NEW.withdrawn_by_id) THEN
        PERFORM privacy_refuse('donations_bankaccount: a withdrawal stays');
    END IF;
    IF OLD.approved_at IS NULL AND NEW.approved_at IS NOT NULL
        AND NEW.valid_from < NEW.approved_at + interval '24 hours' AND EXISTS (
            SELECT 1 FROM donations_bankaccount
            WHERE fund_id = NEW.fund_id AND id <> NEW.id AND approved_at IS NOT NULL
        ) THEN
        PERFORM privacy_refuse('donations_bankaccount: a change takes 24 hours from its approval');
    END IF;
    RETURN NEW;
END $$
--
CREATE TRIGGER donations_account_stands BEFORE INSERT OR UPDATE OR DELETE ON donations_bankaccount
FOR EACH ROW EXECUTE FUNCTION donations_account_stands()
--
CREATE OR REPLACE FUNCTION donations_sheet_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND (OLD.scan_id IS NULL OR OLD.scan_id = NEW.scan_id)
        AND to_jsonb(OLD) - 'scan_id' = to_jsonb(NEW) - 'scan_id' THEN
        RETURN NEW;
    END IF;
    PERFORM privacy_refuse('donations_collectionsheet: a counted sheet is never edited or deleted');
    RETURN NULL;
END $$
--
CREATE TRIGGER donations_sheet_stands BEFORE UPDATE OR DELETE ON donations_collectionsheet
FOR EACH ROW WHEN (OLD.counted_at IS NOT NULL) EXECUTE FUNCTION donations_sheet_stands()
--
CREATE OR REPLACE FUNCTION donations_openline_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'donations_transaction' THEN
        IF NEW.reverses_id IS NULL THEN
            INSERT INTO donations_openline (transaction_id) VALUES (NEW.id);
        ELSE
            DELETE FROM donations_openline WHERE transaction_id = NEW.reverses_id;
        END IF;
    ELSIF (SELECT SUM(amount_minor) FROM donations_allocation WHERE transaction_id = NEW.transaction_id)
        = (SELECT amount_minor FROM donations_transaction WHERE id = NEW.transaction_id) THEN
        DELETE FROM donations_openline WHERE transaction_id = NEW.transaction_id;
    ELSE
        INSERT INTO donations_openline (transaction_id) VALUES (NEW.transaction_id) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$
--
CREATE TRIGGER donations_openline_of_transaction AFTER INSERT ON donations_transaction
FOR EACH ROW EXECUTE FUNCTION donations_openline_keep()
--
CREATE TRIGGER donations_openline_of_allocation AFTER INSERT ON donations_allocation
FOR EACH ROW EXECUTE FUNCTION donations_openline_keep()
--
CREATE OR REPLACE FUNCTION donations_openline_stands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' OR EXISTS (
        SELECT 1 FROM donations_transaction AS line WHERE line.id = OLD.transaction_id
        AND NOT EXISTS (SELECT 1 FROM donations_transaction WHERE reverses_id = line.id)
        AND line.amount_minor <> (
            SELECT COALESCE(SUM(amount_minor), 0) FROM donations_allocation WHERE transaction_id = line.id
        )
    ) THEN
        PERFORM privacy_refuse('donations_openline: something of this line is left to be said');
    END IF;
    RETURN OLD;
END $$
--
CREATE TRIGGER donations_openline_stands BEFORE UPDATE OR DELETE ON donations_openline
FOR EACH ROW EXECUTE FUNCTION donations_openline_stands()
--
CREATE TRIGGER donations_openline_is_not_emptied BEFORE TRUNCATE ON donations_openline
FOR EACH STATEMENT EXECUTE FUNCTION privacy_keep_all('triggers alone write this table')

CREATE TRIGGER donations_reversal_mirrors BEFORE INSERT ON donations_transaction WHEN NEW.reverses_id IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'donations_transaction: a reversal mirrors what it reverses, which is no reversal')
    FROM donations_transaction WHERE id = NEW.reverses_id AND (
        reverses_id IS NOT NULL OR amount_minor <> -NEW.amount_minor OR fund_id <> NEW.fund_id
        OR currency <> NEW.currency OR account_id IS NOT NEW.account_id
    );
    SELECT RAISE(ABORT, 'donations_transaction: undo the allocations before the reversal')
    WHERE (
        SELECT COALESCE(SUM(amount_minor), 0) FROM donations_allocation WHERE transaction_id = NEW.reverses_id
    ) <> 0;
END
--
CREATE TRIGGER donations_transaction_is_of_one_fund BEFORE INSERT ON donations_transaction
WHEN NEW.account_id IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM donations_bankaccount
    WHERE id = NEW.account_id AND fund_id = NEW.fund_id AND currency IN ('', NEW.currency)
    AND (approved_at IS NOT NULL OR NEW.reverses_id IS NOT NULL)
)
BEGIN
    SELECT RAISE(ABORT, 'donations_transaction: the account is of another fund or currency, or not approved');
END
--
CREATE TRIGGER donations_allocation_fits BEFORE INSERT ON donations_allocation
BEGIN
    SELECT RAISE(ABORT, 'donations_allocation: allocations never exceed their transaction')
    FROM donations_transaction AS paid WHERE paid.id = NEW.transaction_id AND (
        SELECT (NEW.amount_minor + COALESCE(SUM(amount_minor), 0)) * SIGN(paid.amount_minor)
        FROM donations_allocation WHERE transaction_id = NEW.transaction_id
    ) NOT BETWEEN 0 AND ABS(paid.amount_minor);
    SELECT RAISE(ABORT, 'donations_allocation: the transaction is reversed')
    FROM donations_transaction WHERE NEW.reverses_id IS NULL AND (
        reverses_id = NEW.transaction_id OR (id = NEW.transaction_id AND reverses_id IS NOT NULL)
    );
    SELECT RAISE(ABORT, 'donations_allocation: an allocation goes the way of its transaction')
    FROM donations_transaction
    WHERE id = NEW.transaction_id AND NEW.reverses_id IS NULL AND NEW.amount_minor * SIGN(amount_minor) < 0;
    SELECT RAISE(ABORT, 'donations_allocation: a reversal mirrors what it reverses, which is no reversal')
    FROM donations_allocation WHERE id = NEW.reverses_id AND (
        reverses_id IS NOT NULL OR amount_minor <> -NEW.amount_minor OR kind <> NEW.kind
        OR transaction_id <> NEW.transaction_id OR pledge_id IS NOT NEW.pledge_id
        OR sheet_id IS NOT NEW.sheet_id OR disbursement_id IS NOT NEW.disbursement_id
    );
    SELECT RAISE(ABORT, 'donations_allocation: of another fund or currency than its transaction')
    FROM donations_transaction AS paid WHERE paid.id = NEW.transaction_id AND (
        EXISTS (
            SELECT 1 FROM donations_pledge
            WHERE id = NEW.pledge_id AND (fund_id <> paid.fund_id OR currency <> paid.currency)
        ) OR EXISTS (
            SELECT 1 FROM donations_collectionsheet
            WHERE id = NEW.sheet_id AND (fund_id <> paid.fund_id OR currency <> paid.currency)
        ) OR EXISTS (
            SELECT 1 FROM donations_disbursement
            WHERE id = NEW.disbursement_id AND (fund_id <> paid.fund_id OR currency <> paid.currency)
        )
    );
    SELECT RAISE(ABORT, 'donations_allocation: a disbursement needs two approvals')
    WHERE NEW.disbursement_id IS NOT NULL
    AND (SELECT COUNT(*) FROM donations_approval WHERE disbursement_id = NEW.disbursement_id) < 2;
    SELECT RAISE(ABORT, 'donations_allocation: the disbursement is cancelled')
    FROM donations_cancellation WHERE disbursement_id = NEW.disbursement_id;
END
--
CREATE TRIGGER donations_cancelled_is_unpaid BEFORE INSERT ON donations_cancellation
WHEN (
    SELECT COALESCE(SUM(amount_minor), 0) FROM donations_allocation WHERE disbursement_id = NEW.disbursement_id
) <> 0
BEGIN
    SELECT RAISE(ABORT, 'donations_cancellation: undo the payments before');
END
--
CREATE TRIGGER donations_account_is_not_deleted BEFORE DELETE ON donations_bankaccount
BEGIN
    SELECT RAISE(ABORT, 'donations_bankaccount: an account is withdrawn, never deleted');
END
--
CREATE TRIGGER donations_account_is_proposed_first BEFORE INSERT ON donations_bankaccount
WHEN NEW.approved_at IS NOT NULL OR EXISTS (SELECT 1 FROM donations_bankaccount WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'donations_bankaccount: an account is proposed before it is approved');
END
--
CREATE TRIGGER donations_account_stands BEFORE UPDATE ON donations_bankaccount
WHEN OLD.id IS NOT NEW.id OR OLD.fund_id IS NOT NEW.fund_id OR OLD.holder IS NOT NEW.holder
    OR OLD.iban IS NOT NEW.iban OR OLD.bic IS NOT NEW.bic OR OLD.currency IS NOT NEW.currency
    OR OLD.proposed_by_id IS NOT NEW.proposed_by_id OR OLD.proposed_at IS NOT NEW.proposed_at
BEGIN
    SELECT RAISE(ABORT, 'donations_bankaccount: an account stays as it was proposed; propose another');
END
--
CREATE TRIGGER donations_account_approval_stands BEFORE UPDATE ON donations_bankaccount
WHEN OLD.approved_at IS NOT NULL AND (
    OLD.approved_at IS NOT NEW.approved_at OR OLD.approved_by_id IS NOT NEW.approved_by_id
    OR OLD.valid_from IS NOT NEW.valid_from
)
BEGIN
    SELECT RAISE(ABORT, 'donations_bankaccount: an approval stays');
END
--
CREATE TRIGGER donations_account_withdrawal_stands BEFORE UPDATE ON donations_bankaccount
WHEN OLD.withdrawn_at IS NOT NULL AND (
    OLD.withdrawn_at IS NOT NEW.withdrawn_at OR OLD.withdrawn_by_id IS NOT NEW.withdrawn_by_id
)
BEGIN
    SELECT RAISE(ABORT, 'donations_bankaccount: a withdrawal stays');
END
--
CREATE TRIGGER donations_account_change_takes_a_day BEFORE UPDATE ON donations_bankaccount
WHEN OLD.approved_at IS NULL AND NEW.approved_at IS NOT NULL
    AND julianday(NEW.valid_from) - julianday(NEW.approved_at) < 0.99999 AND EXISTS (
        SELECT 1 FROM donations_bankaccount
        WHERE fund_id = NEW.fund_id AND id <> NEW.id AND approved_at IS NOT NULL
    )
BEGIN
    SELECT RAISE(ABORT, 'donations_bankaccount: a change takes 24 hours from its approval');
END
--
CREATE TRIGGER donations_sheet_is_not_deleted BEFORE DELETE ON donations_collectionsheet
WHEN OLD.counted_at IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'donations_collectionsheet: a counted sheet is never edited or deleted');
END
--
CREATE TRIGGER donations_sheet_stands BEFORE UPDATE ON donations_collectionsheet
WHEN OLD.counted_at IS NOT NULL AND (
    OLD.id IS NOT NEW.id OR OLD.fund_id IS NOT NEW.fund_id OR OLD.number IS NOT NEW.number
    OR OLD.currency IS NOT NEW.currency OR OLD.place IS NOT NEW.place OR OLD.held_on IS NOT NEW.held_on
    OR OLD.counted_minor IS NOT NEW.counted_minor OR OLD.counter_one_id IS NOT NEW.counter_one_id
    OR OLD.counter_two_id IS NOT NEW.counter_two_id OR OLD.counted_at IS NOT NEW.counted_at
    OR OLD.made_at IS NOT NEW.made_at OR (OLD.scan_id IS NOT NULL AND OLD.scan_id IS NOT NEW.scan_id)
)
BEGIN
    SELECT RAISE(ABORT, 'donations_collectionsheet: a counted sheet is never edited or deleted');
END
--
CREATE TRIGGER donations_openline_of_transaction AFTER INSERT ON donations_transaction
BEGIN
    INSERT INTO donations_openline (transaction_id) SELECT NEW.id WHERE NEW.reverses_id IS NULL;
    DELETE FROM donations_openline WHERE transaction_id = NEW.reverses_id;
END
--
CREATE TRIGGER donations_openline_of_allocation AFTER INSERT ON donations_allocation
BEGIN
    INSERT INTO donations_openline (transaction_id) SELECT NEW.transaction_id
    WHERE NOT EXISTS (SELECT 1 FROM donations_openline WHERE transaction_id = NEW.transaction_id);
    DELETE FROM donations_openline WHERE transaction_id = NEW.transaction_id AND (
        SELECT SUM(amount_minor) FROM donations_allocation WHERE transaction_id = NEW.transaction_id
    ) = (SELECT amount_minor FROM donations_transaction WHERE id = NEW.transaction_id);
END
--
CREATE TRIGGER donations_openline_is_not_edited BEFORE UPDATE ON donations_openline
BEGIN
    SELECT RAISE(ABORT, 'donations_openline: triggers alone write this table');
END
--
CREATE TRIGGER donations_openline_is_not_deleted BEFORE DELETE ON donations_openline
BEGIN
    SELECT RAISE(ABORT, 'donations_openline: something of this line is left to be said')
    FROM donations_transaction AS line WHERE line.id = OLD.transaction_id
    AND NOT EXISTS (SELECT 1 FROM donations_transaction WHERE reverses_id = line.id)
    AND line.amount_minor <> (
        SELECT COALESCE(SUM(amount_minor), 0) FROM donations_allocation WHERE transaction_id = line.id
    );
END

-- What the tokens in mails prove. The tokens themselves are only in the mails; who reads this table cannot make one of it.
CREATE TABLE odonata_mail_token (
    -- SHA-256 of the token.
    hash BLOB PRIMARY KEY NOT NULL,
    purpose TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    -- The address that it was sent to.
    mail TEXT NOT NULL,
    -- In ticks of 100 ns since 0001-01-01.
    expires INTEGER NOT NULL
) STRICT;
CREATE INDEX odonata_mail_token_user ON odonata_mail_token (user_id);
CREATE INDEX odonata_mail_token_expires ON odonata_mail_token (expires);

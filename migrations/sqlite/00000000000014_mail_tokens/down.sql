DROP TABLE odonata_mail_token;

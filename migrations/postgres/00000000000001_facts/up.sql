-- What the server knows about the database as a whole: names and values, such as the version of the credentials.
CREATE TABLE odonata_fact (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL);

-- Media resources and named streams: bytes that are kept outside of the rows of their entities, in parts that are read one at a time.
CREATE TABLE odonata_media (
    id UUID PRIMARY KEY NOT NULL,
    -- When the upload began, in ticks of 100 ns since 0001-01-01.
    begun BIGINT NOT NULL,
    -- An entity has it; false is an upload under way, or one that broke off.
    kept BIGINT NOT NULL
);
CREATE TABLE odonata_media_part (
    media UUID NOT NULL REFERENCES odonata_media (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (media, number)
);

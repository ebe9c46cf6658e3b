DROP TABLE odonata_media_part;
DROP TABLE odonata_media;

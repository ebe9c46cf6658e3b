-- `geo.distance`, `geo.length` and `geo.intersects` over canonical texts ("SRID=4326;POINT(1 2)"), as src/model/geometry/measure.rs
-- has them for SQLite, step by step. Coordinates are bounded there, so that no product leaves the range of a float8.
-- What is short is SQL without STRICT, so that it is expanded where it is called; loops are PL/pgSQL, linear in the text.

-- A position: `x y`, and perhaps more numbers.
CREATE FUNCTION odata_geo_position(pos TEXT) RETURNS POINT LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN point(split_part(pos, ' ', 1)::float8, split_part(pos, ' ', 2)::float8);

-- The position of a point; null for an empty one.
CREATE FUNCTION odata_geo_point(shape TEXT) RETURNS POINT LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN odata_geo_position(nullif(rtrim(split_part(shape, '(', 2), ')'), ''));

-- What stands inside the outer parentheses; the whole text for an empty shape.
CREATE FUNCTION odata_geo_body(shape TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN btrim(substr(shape, strpos(shape, '(')), '()');

CREATE FUNCTION odata_geo_is_empty(shape TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN right(shape, 5) = 'EMPTY';

-- Whether nothing is measured between two values: their coordinate systems differ.
CREATE FUNCTION odata_geo_is_apart(a TEXT, b TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN split_part(a, ';', 1) <> split_part(b, ';', 1);

-- Metres along a great circle; neither may be null.
CREATE FUNCTION odata_geo_on_sphere(a POINT, b POINT) RETURNS FLOAT8 LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 2 * 6371008.8 * asin(sqrt(greatest(0, least(1,
    power(sin(radians(b[1] - a[1]) / 2), 2) + cos(radians(a[1])) * cos(radians(b[1])) * power(sin(radians(b[0] - a[0]) / 2), 2)))));

CREATE FUNCTION odata_geography_distance(a TEXT, b TEXT) RETURNS FLOAT8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    p POINT := odata_geo_point(a);
    q POINT := odata_geo_point(b);
BEGIN
    IF p IS NULL OR q IS NULL OR odata_geo_is_apart(a, b) THEN
        RETURN NULL;
    END IF;
    RETURN odata_geo_on_sphere(p, q);
END
$$;

CREATE FUNCTION odata_geometry_distance(a TEXT, b TEXT) RETURNS FLOAT8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    IF odata_geo_is_apart(a, b) THEN
        RETURN NULL;
    END IF;
    RETURN odata_geo_point(a) <-> odata_geo_point(b);
END
$$;

CREATE FUNCTION odata_geography_length(line TEXT) RETURNS FLOAT8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    total FLOAT8 := 0;
    pos TEXT;
    p POINT;
    q POINT;
BEGIN
    IF odata_geo_is_empty(line) THEN
        RETURN 0;
    END IF;
    FOREACH pos IN ARRAY string_to_array(odata_geo_body(line), ',') LOOP
        q := odata_geo_position(pos);
        IF p IS NOT NULL THEN
            total := total + odata_geo_on_sphere(p, q);
        END IF;
        p := q;
    END LOOP;
    RETURN total;
END
$$;

CREATE FUNCTION odata_geometry_length(line TEXT) RETURNS FLOAT8 LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    total FLOAT8 := 0;
    pos TEXT;
    p POINT;
    q POINT;
BEGIN
    IF odata_geo_is_empty(line) THEN
        RETURN 0;
    END IF;
    FOREACH pos IN ARRAY string_to_array(odata_geo_body(line), ',') LOOP
        q := odata_geo_position(pos);
        IF p IS NOT NULL THEN
            total := total + (p <-> q);
        END IF;
        p := q;
    END LOOP;
    RETURN total;
END
$$;

-- On a side, or a ray to the right crosses an odd number of sides.
CREATE FUNCTION odata_geo_intersects(place TEXT, polygon TEXT) RETURNS BOOLEAN LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    at POINT := odata_geo_point(place);
    x FLOAT8 := at[0];
    y FLOAT8 := at[1];
    inside BOOLEAN := false;
    ring TEXT;
    pos TEXT;
    x1 FLOAT8;
    y1 FLOAT8;
    x2 FLOAT8;
    y2 FLOAT8;
    l FLOAT8;
    r FLOAT8;
BEGIN
    IF odata_geo_is_apart(place, polygon) THEN
        RETURN NULL;
    ELSIF at IS NULL OR odata_geo_is_empty(polygon) THEN
        RETURN false;
    END IF;
    FOREACH ring IN ARRAY string_to_array(odata_geo_body(polygon), '),(') LOOP
        y1 := NULL;
        FOREACH pos IN ARRAY string_to_array(ring, ',') LOOP
            x2 := split_part(pos, ' ', 1)::float8;
            y2 := split_part(pos, ' ', 2)::float8;
            -- Not for the first position, and not for sides above and below.
            IF y BETWEEN SYMMETRIC y1 AND y2 THEN
                l := (x2 - x1) * (y - y1);
                r := (x - x1) * (y2 - y1);
                IF l = r AND x BETWEEN SYMMETRIC x1 AND x2 THEN
                    RETURN true;
                END IF;
                inside := inside <> ((y1 > y) <> (y2 > y) AND (l > r) = (y2 > y1));
            END IF;
            x1 := x2;
            y1 := y2;
        END LOOP;
    END LOOP;
    RETURN inside;
END
$$;

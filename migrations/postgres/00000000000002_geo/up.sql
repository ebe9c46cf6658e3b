-- `geo.distance`, `geo.length` and `geo.intersects` over canonical texts ("SRID=4326;POINT(1 2)"), as src/model/geometry/measure.rs
-- has them for SQLite, step by step. Coordinates are bounded there, so that no product leaves the range of a float8.

-- What stands inside the outer parentheses; null for an empty shape.
CREATE FUNCTION odata_geo_body(shape TEXT) RETURNS TEXT LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN btrim(substr(shape, nullif(strpos(shape, '('), 0)), '()');

-- The first numbers of a position.
CREATE FUNCTION odata_geo_x(pos TEXT) RETURNS FLOAT8 LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN split_part(pos, ' ', 1)::float8;
CREATE FUNCTION odata_geo_y(pos TEXT) RETURNS FLOAT8 LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN split_part(pos, ' ', 2)::float8;

-- Whether two values have the same SRID.
CREATE FUNCTION odata_geo_same_srid(a TEXT, b TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN split_part(a, ';', 1) = split_part(b, ';', 1);

-- The sides of a line, or of all rings of a polygon.
CREATE FUNCTION odata_geo_sides(shape TEXT) RETURNS TABLE (x1 FLOAT8, y1 FLOAT8, x2 FLOAT8, y2 FLOAT8)
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT x1, y1, x2, y2
    FROM (
        SELECT lag(x) OVER ring AS x1, lag(y) OVER ring AS y1, x AS x2, y AS y2
        FROM (
            SELECT n, i, odata_geo_x(pos) AS x, odata_geo_y(pos) AS y
            FROM unnest(string_to_array(odata_geo_body(shape), '),(')) WITH ORDINALITY AS r(ring, n),
                 unnest(string_to_array(ring, ',')) WITH ORDINALITY AS p(pos, i)
        ) AS positions
        WINDOW ring AS (PARTITION BY n ORDER BY i)
    ) AS sides
    WHERE x1 IS NOT NULL
$$;

-- Metres along a great circle.
CREATE FUNCTION odata_geo_on_sphere(x1 FLOAT8, y1 FLOAT8, x2 FLOAT8, y2 FLOAT8) RETURNS FLOAT8
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN 2 * 6371008.8 * asin(sqrt(greatest(0, least(1,
    power(sin(radians(y2 - y1) / 2), 2) + cos(radians(y1)) * cos(radians(y2)) * power(sin(radians(x2 - x1) / 2), 2)))));

CREATE FUNCTION odata_geography_distance(a TEXT, b TEXT) RETURNS FLOAT8 LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN odata_geo_same_srid(a, b) THEN odata_geo_on_sphere(
    odata_geo_x(odata_geo_body(a)), odata_geo_y(odata_geo_body(a)), odata_geo_x(odata_geo_body(b)), odata_geo_y(odata_geo_body(b))) END;

CREATE FUNCTION odata_geometry_distance(a TEXT, b TEXT) RETURNS FLOAT8 LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE WHEN odata_geo_same_srid(a, b) THEN point(odata_geo_x(odata_geo_body(a)), odata_geo_y(odata_geo_body(a)))
    <-> point(odata_geo_x(odata_geo_body(b)), odata_geo_y(odata_geo_body(b))) END;

CREATE FUNCTION odata_geography_length(line TEXT) RETURNS FLOAT8 LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(sum(odata_geo_on_sphere(x1, y1, x2, y2)), 0) FROM odata_geo_sides(line)
$$;

CREATE FUNCTION odata_geometry_length(line TEXT) RETURNS FLOAT8 LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(sum(point(x1, y1) <-> point(x2, y2)), 0) FROM odata_geo_sides(line)
$$;

-- On a side, or a ray to the right crosses an odd number of sides.
CREATE FUNCTION odata_geo_intersects(place TEXT, polygon TEXT) RETURNS BOOLEAN LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN odata_geo_same_srid(place, polygon) THEN coalesce((
        SELECT bool_or(l = r AND x BETWEEN SYMMETRIC x1 AND x2 AND y BETWEEN SYMMETRIC y1 AND y2)
            OR count(*) FILTER (WHERE (y1 > y) <> (y2 > y) AND (l > r) = (y2 > y1)) % 2 = 1
        FROM (
            SELECT x, y, x1, y1, x2, y2, (x2 - x1) * (y - y1) AS l, (x - x1) * (y2 - y1) AS r
            FROM odata_geo_sides(polygon),
                 (SELECT odata_geo_x(odata_geo_body(place)) AS x, odata_geo_y(odata_geo_body(place)) AS y) AS point
        ) AS sides
    ), false) END
$$;

//! The canonical functions of `$filter` and `$orderby` (FLT-50…FLT-63): one row each, read by the binder, both
//! dialects, the documentation and the tests. The one place outside `store` with SQL in it: a row must say it all.
//! `matches` is this server's own: its second argument is a literal, see [`super::pattern`].
//! What the `geo` functions measure, and how, is in [`super::geometry::measure`].

use super::edm::Edm;

/// One overload of a function.
#[derive(Debug)]
pub struct Function {
    /// As in the URL.
    pub name: &'static str,
    /// What it takes; an argument of a smaller numeric type is promoted.
    pub arguments: &'static [Edm],
    /// What it gives.
    pub result: Edm,
    /// SQL on SQLite; `{0}` stands for the first argument.
    pub sqlite: &'static str,
    /// SQL on PostgreSQL.
    pub postgres: &'static str,
}

macro_rules! functions {
    ($($name:literal [$($argument:ident),*] => $result:ident $sqlite:literal $postgres:literal;)*) => {
        /// The table.
        pub static FUNCTIONS: &[Function] = &[$(Function {
            name: $name, arguments: &[$(Edm::$argument),*], result: Edm::$result, sqlite: $sqlite, postgres: $postgres,
        }),*];
    };
}

functions! {
//   name         arguments                      result     SQLite                                              PostgreSQL
    "substringof" [String, String]              => Boolean  "(instr({1}, {0}) > 0)"                             "(strpos({1}, {0}) > 0)";
    "startswith"  [String, String]              => Boolean  "(substr({0}, 1, length({1})) = {1})"               "starts_with({0}, {1})";
    "endswith"    [String, String]              => Boolean  "odata_endswith({0}, {1})"                          "(right({0}, length({1})) = {1})";
    "matches"     [String, String]              => Boolean  "odata_matches({0}, {1})"                           "({0} COLLATE \"C\" ~ {1})";
    "length"      [String]                      => Int32    "length({0})"                                       "length({0})";
    "indexof"     [String, String]              => Int32    "(instr({0}, {1}) - 1)"                             "(strpos({0}, {1}) - 1)";
    "replace"     [String, String, String]      => String   "odata_replace({0}, {1}, {2})"                      "replace({0}, {1}, {2})";
    "substring"   [String, Int64]               => String   "substr({0}, min(max({1}, 0), 1000000000) + 1)"                      "(SELECT substr(s, least(greatest(p, 0), 1000000000)::int + 1) FROM (SELECT {0} AS s, {1} AS p) AS r WHERE p IS NOT NULL)";
    "substring"   [String, Int64, Int64]        => String   "substr({0}, min(max({1}, 0), 1000000000) + 1, min(max({2}, 0), 1000000000))"         "(SELECT substr(s, least(greatest(p, 0), 1000000000)::int + 1, least(greatest(n, 0), 1000000000)::int) FROM (SELECT {0} AS s, {1} AS p, {2} AS n) AS r WHERE p IS NOT NULL AND n IS NOT NULL)";
    "tolower"     [String]                      => String   "odata_lower({0})"                                  "lower({0} COLLATE \"und-x-icu\") COLLATE \"C\"";
    "toupper"     [String]                      => String   "odata_upper({0})"                                  "upper({0} COLLATE \"und-x-icu\") COLLATE \"C\"";
    "trim"        [String]                      => String   "odata_trim({0})"                                   "btrim({0}, E' \\t\\n\\u000B\\f\\r\\u0085\\u00A0\\u1680\\u2000\\u2001\\u2002\\u2003\\u2004\\u2005\\u2006\\u2007\\u2008\\u2009\\u200A\\u2028\\u2029\\u202F\\u205F\\u3000')";
    "concat"      [String, String]              => String   "({0} || {1})"                                      "({0} || {1})";
    "year"        [DateTime]                    => Int32    "CAST(substr({0}, 1, 4) AS INTEGER)"                "substr({0}, 1, 4)::int";
    "month"       [DateTime]                    => Int32    "CAST(substr({0}, 6, 2) AS INTEGER)"                "substr({0}, 6, 2)::int";
    "day"         [DateTime]                    => Int32    "CAST(substr({0}, 9, 2) AS INTEGER)"                "substr({0}, 9, 2)::int";
    "hour"        [DateTime]                    => Int32    "CAST(substr({0}, 12, 2) AS INTEGER)"               "substr({0}, 12, 2)::int";
    "minute"      [DateTime]                    => Int32    "CAST(substr({0}, 15, 2) AS INTEGER)"               "substr({0}, 15, 2)::int";
    "second"      [DateTime]                    => Int32    "CAST(substr({0}, 18, 2) AS INTEGER)"               "substr({0}, 18, 2)::int";
    "year"        [DateTimeOffset]              => Int32    "CAST(substr({0}, 1, 4) AS INTEGER)"                "substr({0}, 1, 4)::int";
    "month"       [DateTimeOffset]              => Int32    "CAST(substr({0}, 6, 2) AS INTEGER)"                "substr({0}, 6, 2)::int";
    "day"         [DateTimeOffset]              => Int32    "CAST(substr({0}, 9, 2) AS INTEGER)"                "substr({0}, 9, 2)::int";
    "hour"        [DateTimeOffset]              => Int32    "CAST(substr({0}, 12, 2) AS INTEGER)"               "substr({0}, 12, 2)::int";
    "minute"      [DateTimeOffset]              => Int32    "CAST(substr({0}, 15, 2) AS INTEGER)"               "substr({0}, 15, 2)::int";
    "second"      [DateTimeOffset]              => Int32    "CAST(substr({0}, 18, 2) AS INTEGER)"               "substr({0}, 18, 2)::int";
    "hour"        [Time]                        => Int32    "({0} / 36000000000 % 24)"                          "({0} / 36000000000 % 24)::int";
    "minute"      [Time]                        => Int32    "({0} / 600000000 % 60)"                            "({0} / 600000000 % 60)::int";
    "second"      [Time]                        => Int32    "({0} / 10000000 % 60)"                             "({0} / 10000000 % 60)::int";
    "days"        [Time]                        => Int32    "({0} / 864000000000)"                              "({0} / 864000000000)::int";
    "hours"       [Time]                        => Int32    "({0} / 36000000000 % 24)"                          "({0} / 36000000000 % 24)::int";
    "minutes"     [Time]                        => Int32    "({0} / 600000000 % 60)"                            "({0} / 600000000 % 60)::int";
    "seconds"     [Time]                        => Int32    "({0} / 10000000 % 60)"                             "({0} / 10000000 % 60)::int";
    "years"       [Time]                        => Int32    "({0} / 315360000000000)"                           "({0} / 315360000000000)::int";
    "round"       [Double]                      => Double   "odata_round({0})"                                  "round({0})";
    "floor"       [Double]                      => Double   "odata_floor({0})"                                  "floor({0})";
    "ceiling"     [Double]                      => Double   "odata_ceiling({0})"                                "ceil({0})";
    "round"       [Decimal]                     => Decimal  "odata_decimal_round({0})"                          "(SELECT CASE WHEN abs(v - trunc(v)) = 0.5 THEN 2 * round(v / 2) ELSE round(v) END FROM (SELECT {0} AS v) AS r)";
    "floor"       [Decimal]                     => Decimal  "odata_decimal_floor({0})"                          "floor({0})";
    "ceiling"     [Decimal]                     => Decimal  "odata_decimal_ceiling({0})"                        "ceil({0})";
    "geo.distance"   [GeographyPoint, GeographyPoint]   => Double  "odata_geography_distance({0}, {1})"        "odata_geography_distance({0}, {1})";
    "geo.distance"   [GeometryPoint, GeometryPoint]     => Double  "odata_geometry_distance({0}, {1})"         "odata_geometry_distance({0}, {1})";
    "geo.length"     [GeographyLineString]              => Double  "odata_geography_length({0})"               "odata_geography_length({0})";
    "geo.length"     [GeometryLineString]               => Double  "odata_geometry_length({0})"                "odata_geometry_length({0})";
    "geo.intersects" [GeographyPoint, GeographyPolygon] => Boolean "odata_geo_intersects({0}, {1})"            "odata_geo_intersects({0}, {1})";
    "geo.intersects" [GeographyPolygon, GeographyPoint] => Boolean "odata_geo_intersects({1}, {0})"            "odata_geo_intersects({1}, {0})";
    "geo.intersects" [GeometryPoint, GeometryPolygon]   => Boolean "odata_geo_intersects({0}, {1})"            "odata_geo_intersects({0}, {1})";
    "geo.intersects" [GeometryPolygon, GeometryPoint]   => Boolean "odata_geo_intersects({1}, {0})"            "odata_geo_intersects({1}, {0})";
}

/// All overloads of a name.
pub fn overloads(name: &str) -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().filter(move |function| function.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_is_used_by_both_dialects() {
        for function in FUNCTIONS {
            for sql in [function.sqlite, function.postgres] {
                for i in 0..function.arguments.len() {
                    assert!(
                        sql.contains(&format!("{{{i}}}")),
                        "{} does not use argument {i}: {sql}",
                        function.name
                    );
                }
                assert!(
                    !sql.contains(&format!("{{{}}}", function.arguments.len())),
                    "{}: {sql}",
                    function.name
                );
            }
        }
    }

    /// Calls within each other would make SQL that grows exponentially. No function takes a Boolean, so those may.
    #[test]
    fn an_argument_is_named_twice_only_where_no_call_can_follow() {
        for function in FUNCTIONS.iter().filter(|function| function.result != Edm::Boolean) {
            for i in 0..function.arguments.len() {
                for sql in [function.sqlite, function.postgres] {
                    assert_eq!(sql.matches(&format!("{{{i}}}")).count(), 1, "{}: {sql}", function.name);
                }
            }
        }
        assert!(FUNCTIONS.iter().all(|function| !function.arguments.contains(&Edm::Boolean)));
    }

    #[test]
    fn overloads_differ() {
        for (i, a) in FUNCTIONS.iter().enumerate() {
            assert!(
                FUNCTIONS[..i].iter().all(|b| a.name != b.name || a.arguments != b.arguments),
                "{} twice",
                a.name
            );
        }
    }
}

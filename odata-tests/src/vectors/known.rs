//! Why rows do not pass, group by group: a failure without a row here stands in the table with what came instead.

use super::{Vector, Verdict};

/// What a group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    /// Our requirements or decisions say otherwise.
    Other,
    /// What the row needs is not there.
    Out,
}

/// First and last id, the group, why.
const KNOWN: &[(&str, &str, Group, &str)] = &[
    (
        "sodw-0063",
        "sodw-0063",
        Group::Other,
        "a required property without a default has to be given; the .NET server takes the empty value of its type (WR-19)",
    ),
    (
        "wa-flt-0095",
        "wa-flt-0095",
        Group::Out,
        "a null collection: navigations are never null here, and `all` over nothing holds (FLT-72)",
    ),
    (
        "wa-flt-0310",
        "wa-flt-0310",
        Group::Out,
        "a null collection: collections are never null (MET-24)",
    ),
    (
        "ol2-lit-0160",
        "ol2-lit-0161",
        Group::Other,
        "a Decimal has at most 29 digits (PRM-6)",
    ),
    (
        "ol2-lit-0169",
        "ol2-lit-0169",
        Group::Other,
        "a Decimal with an exponent is taken, as .NET does (LIT-3)",
    ),
    (
        "ol2-lit-0174",
        "ol2-lit-0176",
        Group::Other,
        "numbers without the type's own suffix are taken where their value fits (LIT-30)",
    ),
    (
        "ol2-lit-0194",
        "ol2-lit-0194",
        Group::Other,
        "numbers without the type's own suffix are taken where their value fits (LIT-30)",
    ),
    (
        "ol2-lit-0245",
        "ol2-lit-0245",
        Group::Other,
        "numbers without the type's own suffix are taken where their value fits (LIT-30)",
    ),
    (
        "ol2-lit-0335",
        "ol2-lit-0335",
        Group::Other,
        "a DateTimeOffset literal without a zone is UTC: there are clients that leave the Z out",
    ),
    (
        "ol2-lit-0349",
        "ol2-lit-0350",
        Group::Other,
        "a long integer without suffix is an Int64 (LIT-2)",
    ),
    (
        "ol2-pl-0005",
        "ol2-pl-0005",
        Group::Other,
        "a boundary is taken without quotes, as .NET does (BCH-1)",
    ),
    ("ol2-pl-0019", "ol2-pl-0019", Group::Other, "one blank line ends a request (BCH-5)"),
    ("ol2-pl-0024", "ol2-pl-0024", Group::Other, "one blank line ends a request (BCH-5)"),
    ("ol2-pl-0026", "ol2-pl-0027", Group::Other, "one blank line ends a request (BCH-5)"),
    (
        "ol2-pl-0033",
        "ol2-pl-0033",
        Group::Other,
        "the host of a URL in a batch is not compared: a server has several names (BCH-4)",
    ),
    (
        "ol2-pl-0039",
        "ol2-pl-0039",
        Group::Other,
        "Content-Length in a batch does not count (BCH-6)",
    ),
    (
        "ol2-pl-0042",
        "ol2-pl-0042",
        Group::Other,
        "Content-Length in a batch does not count (BCH-6)",
    ),
    ("ol2-pl-0043", "ol2-pl-0043", Group::Other, "headers end with a blank line"),
    (
        "meta-0310",
        "meta-0310",
        Group::Other,
        "the version is the one that the model needs (MET-4)",
    ),
    (
        "wa-pay-0056",
        "wa-pay-0056",
        Group::Out,
        "a change without the property that its ETag is made of",
    ),
    (
        "ol2-pl-0103",
        "ol2-pl-0103",
        Group::Other,
        "the id of an inline feed is its URL below the entity around it (ATM-10)",
    ),
    (
        "ol2-pl-0108",
        "ol2-pl-0108",
        Group::Out,
        "deleted entries and delta links are left out (ATM-34)",
    ),
    (
        "ol4-0108",
        "ol4-0108",
        Group::Other,
        "a DateTimeOffset is kept in UTC, as an instant",
    ),
    (
        "ol4-0114",
        "ol4-0114",
        Group::Other,
        "a DateTime with a zone is kept in UTC (PRM-4)",
    ),
    (
        "ol4-0133",
        "ol4-0133",
        Group::Other,
        "a DateTime with a zone is kept in UTC (PRM-4)",
    ),
    (
        "ol4-0146",
        "ol4-0146",
        Group::Other,
        "a DateTime with a zone is kept in UTC (PRM-4)",
    ),
    (
        "ol4-0151",
        "ol4-0151",
        Group::Other,
        "a DateTime with a zone is kept in UTC (PRM-4)",
    ),
];

/// The verdict, with the reason of its group.
pub fn explain(vector: &Vector, verdict: Verdict) -> Verdict {
    let Verdict::Fail(what) = verdict else {
        return verdict;
    };
    let id = vector.id.as_str();
    match KNOWN
        .iter()
        .find(|(first, last, _, _)| first.len() == id.len() && *first <= id && id <= *last)
    {
        Some((_, _, Group::Out, why)) => Verdict::out(why),
        Some((_, _, Group::Other, why)) => Verdict::Other((*why).to_owned()),
        None => Verdict::Fail(what.replace('\n', " ")),
    }
}

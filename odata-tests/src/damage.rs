//! Random damage to texts.

use crate::random::Random;

/// Something that has a meaning somewhere.
const TOKENS: &[&str] = &[
    "'",
    "\"",
    "(",
    ")",
    "/",
    "//",
    "$",
    "%",
    "%00",
    "%25",
    "%27",
    "%ff",
    ",",
    ":",
    ";",
    "=",
    "&",
    "?",
    "#",
    "+",
    "-",
    "*",
    "@",
    "\\",
    "\u{1F600}",
    "ä",
    " ",
    "%0A",
    "null",
    "true",
    "not ",
    " and ",
    " eq ",
    "$it/",
    "$links/",
    "$count",
    "$value",
    "$filter=",
    "$skiptoken=",
    "$expand=",
    "$select=",
    "$metadata",
    "any(x: x",
    "all()",
    "99999999999999999999",
    "-1",
    "0",
    "1e400",
    "INF",
    "NaN",
    "datetime'",
    "guid'",
    "X'",
    "binary'0",
    "geography'SRID=1;POINT(1 2)'",
    "Odonata.Shop.Frozen/",
    "cast(",
    "isof(",
    "substring(",
    "div 0",
    "{",
    "}",
    "[",
    "]",
    "{\"a\":",
    "odata.type",
    "@odata.bind",
    "\u{0}",
    "\n",
    "\r\n",
    "--b",
    "--b--",
    "--c--",
    "boundary=c",
    "$1",
    "Content-ID: 1",
    " HTTP/1.1",
];

/// A copy with one or two damages: something left out, doubled, replaced, or the end of another text.
pub fn damage(text: &str, other: &str, random: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..1 + random.below(2) {
        let at = random.below(chars.len() + 1);
        let to = (at + random.below(8)).min(chars.len());
        match random.below(6) {
            0 => drop(chars.drain(at..to)),
            1 => {
                let again: Vec<char> = chars[at..to].to_vec();
                chars.splice(at..at, again);
            }
            2 | 3 => drop(chars.splice(at..to, random.pick(TOKENS).chars())),
            4 => chars.insert(at, char::from(random.below(256) as u8)),
            _ => {
                let tail: Vec<char> = other.chars().collect();
                let from = random.below(tail.len() + 1);
                chars.splice(at.., tail[from..].iter().copied());
            }
        }
    }
    chars.into_iter().collect()
}

//! What is served: a plugin folder with a set of `rows` items and a set of parts that refer to them, and the rows as CSV.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::Outcome;

const PLUGIN: &str = r#"name = "bench"
endpoint = "Bench"
version = "1.0.0"
author = "Odonata"
title = "Rows to measure with"
"#;

const ENDPOINT: &str = r#"endpoint = "Bench"
title = "Rows to measure with"
"#;

const ITEM: &str = r#"entity = "Item"
set = "Items"
key = ["Id"]

[properties]
Id       = { type = "Int32" }
Name     = { type = "String", max = 80 }
Code     = { type = "String", max = 20 }
Rank     = { type = "Int32", index = true }
Quantity = { type = "Int32" }
Serial   = { type = "Int64" }
Price    = { type = "Decimal", precision = 19, scale = 4 }
Weight   = { type = "Double" }
Created  = { type = "DateTimeOffset" }
Active   = { type = "Boolean" }
Note     = { type = "String", max = 200, nullable = true }

[navigation.Parts]
to = "Part"
multiplicity = "*"
partner = "Item"
"#;

const PART: &str = r#"entity = "Part"
set = "Parts"
key = ["Id"]
page_size = 50

[properties]
Id     = { type = "Int32" }
ItemId = { type = "Int32" }
Name   = { type = "String", max = 80 }
Amount = { type = "Int32" }

[navigation.Item]
to = "Item"
key = ["ItemId"]
multiplicity = "1"
partner = "Parts"
"#;

const FILE: &str = r#"entity = "File"
set = "Files"
key = ["Id"]
has_stream = true

[properties]
Id   = { type = "Int32", generated = true }
Name = { type = "String", max = 80, nullable = true }
"#;

/// Entities on a page of `Parts`, as the schema above says.
pub const PART_PAGE: usize = 50;

/// How many parts there are beside `rows` items.
pub fn parts(rows: u64) -> u64 {
    rows / 10
}

/// A row of `Items`. All values follow from the number, and none has more than one right text form.
pub struct Item {
    pub id: u64,
    pub name: String,
    pub code: String,
    pub rank: u64,
    pub quantity: u64,
    pub serial: u64,
    pub price: String,
    pub weight: f64,
    pub created: String,
    pub active: bool,
    pub note: Option<String>,
}

/// Row `id` (from 1) of `rows`.
pub fn item(id: u64, rows: u64) -> Item {
    Item {
        id,
        name: format!("Item number {id} of the assortment"),
        code: format!("C-{:06}", id * 31 % 1_000_000),
        // 7919 is a prime, so this is a permutation for every usual number of rows.
        rank: id * 7_919 % rows,
        quantity: id % 1_000,
        serial: 5_000_000_000 + id,
        price: format!("{}.{:03}{}", id % 900 + 1, id % 1_000, id % 9 + 1),
        weight: (id % 5_000) as f64 + 0.25,
        created: format!(
            "20{:02}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            id % 15 + 10,
            id % 12 + 1,
            id % 28 + 1,
            id % 24,
            id % 60,
            id / 60 % 60
        ),
        active: !id.is_multiple_of(4),
        note: (!id.is_multiple_of(3)).then(|| format!("Remark {} on item {id}, stored \"as is\"", id % 97)),
    }
}

impl Item {
    /// As a JSON body of OData v3: Int64 and Decimal are strings.
    pub fn json(&self) -> String {
        let note = self.note.as_deref().map_or("null".to_string(), |note| format!("{note:?}"));
        format!(
            r#"{{"Id":{},"Name":"{}","Code":"{}","Rank":{},"Quantity":{},"Serial":"{}","Price":"{}","Weight":{},"Created":"{}","Active":{},"Note":{note}}}"#,
            self.id, self.name, self.code, self.rank, self.quantity, self.serial, self.price, self.weight, self.created, self.active
        )
    }

    fn csv(&self, line: &mut String) {
        line.clear();
        let note = self
            .note
            .as_deref()
            .map_or(String::new(), |note| format!("\"{}\"", note.replace('"', "\"\"")));
        // Writing to a String cannot fail.
        let _ = writeln!(
            line,
            "{},{},{},{},{},{},{},{},{},{},{note}",
            self.id, self.name, self.code, self.rank, self.quantity, self.serial, self.price, self.weight, self.created, self.active
        );
    }
}

/// A row of `Parts`: number, item, name, amount.
pub fn part(id: u64, rows: u64) -> (u64, u64, String, u64) {
    (id, id * 7_919 % rows + 1, format!("Part {id}"), id % 50 + 1)
}

/// Writes `plugins/bench/`, `items.csv` and `parts.csv` into the folder.
pub fn write(folder: &Path, rows: u64) -> Outcome<()> {
    eprintln!("bench: writing {rows} rows as CSV");
    let plugin = folder.join("plugins/bench");
    fs::create_dir_all(plugin.join("schema"))?;
    for (name, text) in [
        ("plugin.toml", PLUGIN),
        ("schema/endpoint.toml", ENDPOINT),
        ("schema/item.toml", ITEM),
        ("schema/part.toml", PART),
        ("schema/file.toml", FILE),
    ] {
        fs::write(plugin.join(name), text)?;
    }
    let mut line = String::new();
    let mut items = BufWriter::new(fs::File::create(folder.join("items.csv"))?);
    writeln!(items, "Id,Name,Code,Rank,Quantity,Serial,Price,Weight,Created,Active,Note")?;
    for id in 1..=rows {
        item(id, rows).csv(&mut line);
        items.write_all(line.as_bytes())?;
    }
    items.flush()?;
    let mut list = BufWriter::new(fs::File::create(folder.join("parts.csv"))?);
    writeln!(list, "Id,ItemId,Name,Amount")?;
    for id in 1..=parts(rows) {
        let (id, item, name, amount) = part(id, rows);
        writeln!(list, "{id},{item},{name},{amount}")?;
    }
    list.flush()?;
    Ok(())
}

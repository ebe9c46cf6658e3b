//! Client libraries that nobody here wrote, told a story against the server, on both databases. `CLIENTS=datajs` runs those whose file contains that.
//!
//! What they need is installed by `.ci/run`; without it they are skipped, unless `REQUIRE_CLIENTS` is set. `clients/README.md` says more.

use std::process::Command;

use odata_tests::browser::{self, Origin};
use odata_tests::database::System;
use odata_tests::fixture::Fixture;
use odata_tests::here;
use odata_tests::programs::{Program, installed, is_there};
use odata_tests::server::Server;

/// Three pages of products.
const SETTINGS: &[(&str, &str)] = &[("ODONATA_PAGE_SIZE", "4")];

/// What datajs is told in each format.
const DATAJS: &[&str] = &[
    "read a set",
    "filter, order, select and count",
    "page by next links",
    "one entity",
    "expand",
    "create",
    "update",
    "links",
    "batch",
    "a batch that fails is undone",
    "delete",
    "errors",
];

const NODE: &[Program] = &[
    Program {
        file: "node/datajs.js",
        once: &["service document", "metadata"],
        each: DATAJS,
        formats: &["json", "atom"],
    },
    Program {
        file: "node/datajs-openui5.js",
        once: &["service document", "metadata"],
        each: DATAJS,
        formats: &["json", "verbose", "atom"],
    },
    Program {
        file: "node/o-js.js",
        once: &[
            "read a set",
            "filter, order, page and count",
            "search",
            "one entity",
            "expand",
            "create",
            "update",
            "batch",
            "delete",
            "errors",
        ],
        each: &[],
        formats: &[],
    },
    Program {
        file: "node/data-tables.js",
        once: &[
            "read a set",
            "filter and select",
            "one entity",
            "create",
            "create what is there",
            "merge",
            "replace",
            "ETags",
            "batch",
            "a batch that fails is undone",
            "delete",
            "errors",
        ],
        each: &[],
        formats: &[],
    },
    Program {
        // CLI-21
        file: "node/breeze.js",
        once: &[
            "metadata",
            "read a set",
            "filter, order, select and count",
            "one entity",
            "expand",
            "create",
            "update",
            "a save that fails is undone",
            "delete",
            "errors",
        ],
        each: &[],
        formats: &[],
    },
    Program {
        file: "node/light-odata.js",
        once: &[
            "read a set",
            "filter, order, page and count",
            "one entity",
            "expand",
            "create",
            "update",
            "batch",
            "delete",
            "errors",
        ],
        each: &[],
        formats: &[],
    },
];

const PYTHON: &[Program] = &[Program {
    file: "python/pyodata_client.py",
    once: &[
        "metadata",
        "read a set",
        "filter, order, select and count",
        "page by next links",
        "one entity",
        "expand and navigate",
        "create",
        "update",
        "batch",
        "a batch that fails is undone",
        "delete",
        "errors",
    ],
    each: &[],
    formats: &[],
}];

/// Pages of another origin.
const PAGES: &[Program] = &[
    Program {
        file: "browser/datajs.html",
        once: &["service document", "metadata"],
        each: DATAJS,
        formats: &["json", "atom"],
    },
    Program {
        file: "browser/datajs-openui5.html",
        once: &["service document", "metadata"],
        each: DATAJS,
        formats: &["json", "atom"],
    },
];

fn run(system: System, programs: &[Program], settings: &[(&str, &str)], run: impl Fn(&Program, &Server) -> Result<(), String>) {
    if !system.is_there() {
        return;
    }
    let wanted = std::env::var("CLIENTS").unwrap_or_default();
    let fixture = Fixture::prepare(&["trade".to_owned()], &[], system).expect("the fixture can be prepared");
    let fixture = fixture.expect("nothing is missing");
    let mut failures = Vec::new();
    for program in programs.iter().filter(|program| program.file.contains(&wanted)) {
        let site = fixture.serve(settings).expect("the server starts");
        match run(program, &site.server) {
            Ok(()) => println!("{}: {} passed", system.name(), program.file),
            Err(printed) => failures.push(format!("{}: {printed}{}", system.name(), site.server.log())),
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n\n"));
}

fn node() -> bool {
    let modules = installed().join("node/node_modules");
    let mut command = Command::new("node");
    command.args(["-e", "require.resolve('datajs')"]).env("NODE_PATH", modules);
    is_there("Node with the packages of clients/node", &mut command)
}

fn python() -> bool {
    let mut command = Command::new(installed().join("python/bin/python3"));
    command.args(["-c", "import pyodata"]);
    is_there("Python with the packages of clients/python", &mut command)
}

fn processes(system: System, programs: &[Program]) {
    let folder = installed();
    run(system, programs, SETTINGS, |program, server| program.run(server, &folder));
}

fn pages(system: System) {
    if !node() || !is_there("Chromium", browser::command().arg("--version")) {
        return;
    }
    let origin = Origin::start(here().join("clients"), installed().join("node/node_modules")).expect("a port is free");
    let name = origin.name();
    let mut settings = SETTINGS.to_vec();
    settings.push(("ODONATA_CORS_ORIGINS", &name));
    run(system, PAGES, &settings, |program, server| program.open(server, &origin));
}

#[test]
fn node_on_sqlite() {
    if node() {
        processes(System::Sqlite, NODE);
    }
}

#[test]
fn node_on_postgres() {
    if node() {
        processes(System::Postgres, NODE);
    }
}

#[test]
fn python_on_sqlite() {
    if python() {
        processes(System::Sqlite, PYTHON);
    }
}

#[test]
fn python_on_postgres() {
    if python() {
        processes(System::Postgres, PYTHON);
    }
}

#[test]
fn pages_on_sqlite() {
    pages(System::Sqlite);
}

#[test]
fn pages_on_postgres() {
    pages(System::Postgres);
}

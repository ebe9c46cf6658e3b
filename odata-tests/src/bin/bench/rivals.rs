//! The two programs that Odonata is compared with, run as children of the benchmark.
//!
//! `@bare` answers every request with bytes that Odonata gave for it: the limit of actix-web and this load generator.
//! `@hand` is what one would write by hand for exactly these requests: a fixed statement for each, a connection for each
//! worker with its statements prepared, JSON written while the rows are read, and one writer thread with group commit. Reads
//! run on the async worker, which is the fastest and only bearable because no request here is slow.

mod sqlite;

use std::cell::RefCell;
use std::path::Path;
use std::sync::mpsc::Sender;

use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;

use crate::Outcome;
use crate::cases::{PAGE, ROOT, all};
use crate::fixture;
use sqlite::{Reader, Work, Write, Writer};

/// Subcommand of the bare handler.
pub const BARE: &str = "@bare";
/// Subcommand of the hand-written program.
pub const HAND: &str = "@hand";

const JSON: (&str, &str) = (
    "Content-Type",
    "application/json;odata=minimalmetadata;streaming=true;charset=utf-8",
);
const VERSION: (&str, &str) = ("DataServiceVersion", "3.0;");

/// Arguments: the folder, whose `answers/` has a file for each case.
pub fn bare(arguments: &[String]) -> Outcome<()> {
    let folder = Path::new(arguments.first().ok_or("no folder")?).join("answers");
    let mut answers: Vec<(StatusCode, web::Bytes)> = Vec::new();
    for index in 0..all().len() {
        let file = std::fs::read(folder.join(index.to_string()))?;
        let line = file.iter().position(|byte| *byte == b'\n').ok_or("no status line")?;
        let status = StatusCode::from_bytes(&file[..line])?;
        answers.push((status, web::Bytes::copy_from_slice(&file[line + 1..])));
    }
    let system = actix_web::rt::System::new();
    system.block_on(async move {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(answers.clone()))
                .default_service(web::to(answer_bare))
        });
        let server = server.bind("127.0.0.1:0")?;
        println!("listening on http://{}", server.addrs()[0]);
        server.run().await
    })?;
    Ok(())
}

async fn answer_bare(request: HttpRequest, answers: web::Data<Vec<(StatusCode, web::Bytes)>>, _body: web::Bytes) -> HttpResponse {
    let case = request
        .headers()
        .get("X-Case")
        .and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    match case.and_then(|case| answers.get(case)) {
        Some((status, body)) => HttpResponse::build(*status)
            .insert_header(JSON)
            .insert_header(VERSION)
            .body(body.clone()),
        None => HttpResponse::NotFound().finish(),
    }
}

/// Arguments: the folder for the database, and how many rows to make.
pub fn hand(arguments: &[String]) -> Outcome<()> {
    let [folder, rows] = arguments else {
        return Err("a folder and a number of rows are needed".into());
    };
    let file = Path::new(folder).join("hand.db").display().to_string();
    sqlite::fill(&file, rows.parse()?)?;
    let writer = Writer::start(&file)?;
    let system = actix_web::rt::System::new();
    system.block_on(async move {
        let server = HttpServer::new(move || {
            let reader = Reader::open(&file).expect("the file was just made");
            App::new()
                .app_data(web::Data::new(RefCell::new(reader)))
                .app_data(web::Data::new(writer.clone()))
                .default_service(web::to(answer_hand))
        });
        let server = server.bind("127.0.0.1:0")?;
        println!("listening on http://{}", server.addrs()[0]);
        server.run().await
    })?;
    Ok(())
}

async fn answer_hand(
    request: HttpRequest,
    reader: web::Data<RefCell<Reader>>,
    writer: web::Data<Sender<Work>>,
    body: web::Bytes,
) -> HttpResponse {
    let Some(rest) = request.path().strip_prefix(ROOT) else {
        return HttpResponse::NotFound().finish();
    };
    let key = rest
        .strip_prefix("Items(")
        .and_then(|rest| rest.strip_suffix(')')?.parse::<i64>().ok());
    let answer = match (request.method(), rest, key) {
        (&Method::GET, _, Some(key)) => reader.borrow_mut().item(key),
        (&Method::GET, "Items", _) => read_items(&mut reader.borrow_mut(), request.query_string()),
        (&Method::GET, "Parts", _) => read_parts(&mut reader.borrow_mut(), request.query_string()),
        (&Method::PATCH, _, Some(key)) => return patch(&writer, key, &body).await,
        (&Method::POST, "Items", _) => return insert(&writer, &body).await,
        _ => Ok(None),
    };
    match answer {
        Ok(Some(body)) => HttpResponse::Ok().insert_header(JSON).insert_header(VERSION).body(body),
        Ok(None) => HttpResponse::NotFound().finish(),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

/// The number after `word` in a query string.
fn number_after(query: &str, word: &str) -> Option<i64> {
    let rest = &query[query.find(word)? + word.len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

fn read_items(reader: &mut Reader, query: &str) -> diesel::QueryResult<Option<Vec<u8>>> {
    if let (Some(from), Some(to)) = (number_after(query, "%20ge%20"), number_after(query, "%20lt%20")) {
        return reader.range(from, to).map(Some);
    }
    match number_after(query, "$skip=") {
        Some(_) => Ok(None),
        None => reader.page(number_after(query, "after=").unwrap_or(0), PAGE as i64).map(Some),
    }
}

fn read_parts(reader: &mut Reader, query: &str) -> diesel::QueryResult<Option<Vec<u8>>> {
    let after = number_after(query, "%20gt%20").unwrap_or(0);
    reader.parts(after, fixture::PART_PAGE as i64).map(Some)
}

async fn patch(writer: &Sender<Work>, key: i64, body: &[u8]) -> HttpResponse {
    let quantity = serde_json::from_slice::<Value>(body)
        .ok()
        .and_then(|body| body.get("Quantity")?.as_i64());
    let Some(quantity) = quantity else {
        return HttpResponse::BadRequest().finish();
    };
    match sqlite::write(writer, Write::Patch(key, quantity)).await {
        Some(1) => HttpResponse::NoContent().insert_header(VERSION).finish(),
        Some(_) => HttpResponse::NotFound().finish(),
        None => HttpResponse::InternalServerError().finish(),
    }
}

async fn insert(writer: &Sender<Work>, body: &[u8]) -> HttpResponse {
    let Some(values) = serde_json::from_slice::<Value>(body).ok().and_then(|body| sqlite::values(&body)) else {
        return HttpResponse::BadRequest().finish();
    };
    let answer = sqlite::inserted(&values);
    match sqlite::write(writer, Write::Insert(values)).await {
        Some(1) => HttpResponse::Created().insert_header(JSON).insert_header(VERSION).body(answer),
        Some(_) => HttpResponse::Conflict().finish(),
        None => HttpResponse::InternalServerError().finish(),
    }
}

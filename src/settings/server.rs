//! The server itself: where it listens, where its data is, what it answers.

use std::path::PathBuf;

use super::{From, Setting, header_name, one_of};
use crate::http::{Jsonp, Network, Origins, split_url};
use crate::model::limits::PAGE_SIZE_MAX;
use crate::odata::accept::{Family, PlainJson};

/// The server itself.
pub const SERVER: &[Setting] = &[
    Setting {
        key: "listen",
        from: From::Anywhere,
        value: "ADDRESS:PORT",
        default: "127.0.0.1:8080",
        help: "Where to listen; port 0 takes a free one",
        set: |settings, text| {
            let port = text
                .rsplit_once(':')
                .and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
            port.map(|_| settings.listen = text.to_owned())
                .ok_or("is an address and a port, like 127.0.0.1:8080".to_owned())
        },
    },
    Setting {
        key: "database",
        from: From::Anywhere,
        value: "URL",
        default: "sqlite:data/odonata.db",
        help: "sqlite:FILE or postgres://USER:PASSWORD@HOST/NAME",
        set: |settings, text| {
            settings.database = text.to_owned();
            let known = ["sqlite:", "postgres://", "postgresql://"]
                .iter()
                .any(|scheme| text.starts_with(scheme));
            known.then_some(()).ok_or("begins with sqlite: or postgres://".to_owned())
        },
    },
    Setting {
        key: "plugins",
        from: From::Anywhere,
        value: "FOLDER",
        default: "plugins",
        help: "Folder of the plugin folders",
        set: |settings, text| {
            settings.plugins = PathBuf::from(text);
            Ok(())
        },
    },
    Setting {
        key: "public_url",
        from: From::Anywhere,
        value: "URL",
        default: "",
        help: "Where clients reach the server; without it, links follow each request's Host header",
        set: |settings, text| {
            let text = text.trim_end_matches('/');
            settings.public_url = Some(text.to_owned());
            split_url(text).map(drop).ok_or("is an http:// or https:// address".to_owned())
        },
    },
    Setting {
        key: "trusted_proxies",
        from: From::Anywhere,
        value: "NETWORKS",
        default: "",
        help: "Addresses of proxies, like 10.0.0.0/8,::1, that are believed when they say by X-Forwarded-Proto, -Host, -Port and \
            -Prefix, or Forwarded, where clients reach the server",
        set: |settings, text| {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            let networks: Option<Vec<Network>> = items.map(Network::read).collect();
            settings.trusted_proxies = networks.ok_or("is a list of addresses and networks, like 10.0.0.0/8".to_owned())?;
            Ok(())
        },
    },
    Setting {
        key: "cors_origins",
        from: From::Anywhere,
        value: "ORIGINS",
        default: "",
        help: "Web pages of other origins that may call, like https://app.example.org,http://localhost:3000; * is all, but for \
            them browsers do not add cookies and log-ins by themselves",
        set: |settings, text| {
            settings.cors_origins = Origins::read(text)?;
            Ok(())
        },
    },
    Setting {
        key: "compression",
        from: From::Anywhere,
        value: "true|false",
        default: "true",
        help: "Compress answers with gzip for clients that take it",
        set: |settings, text| {
            settings.compression = text.parse().map_err(|_| "is true or false".to_owned())?;
            Ok(())
        },
    },
    Setting {
        key: "admin_password",
        from: From::Environment,
        value: "PASSWORD",
        default: "",
        help: "Password of the user `admin` at first start; without it a random one is printed once",
        set: |settings, text| {
            settings.admin_password = Some(text.to_owned()).filter(|text| !text.is_empty());
            Ok(())
        },
    },
    Setting {
        key: "page_size",
        from: From::Anywhere,
        value: "NUMBER",
        default: "45",
        help: "Entities on a page, for sets whose schema names no other number",
        set: |settings, text| {
            let number = text.parse().ok().filter(|number| (1..=PAGE_SIZE_MAX).contains(number));
            settings.page_size = number.ok_or(format!("is a number from 1 to {PAGE_SIZE_MAX}"))?;
            Ok(())
        },
    },
    Setting {
        key: "default_format",
        from: From::Anywhere,
        value: "json|atom",
        default: "json",
        help: "What a client gets that names no format",
        set: |settings, text| {
            settings.preferences.default_format = one_of(text, &[("json", Family::Json), ("atom", Family::Atom)])?;
            Ok(())
        },
    },
    Setting {
        key: "plain_json",
        from: From::Anywhere,
        value: "by-version|verbose",
        default: "by-version",
        help: "What application/json without odata= is: JSON light for clients of version 3.0 and verbose JSON for older ones, or \
            always verbose, as jQuery and Kendo UI expect it",
        set: |settings, text| {
            let known = [("by-version", PlainJson::ByVersion), ("verbose", PlainJson::Verbose)];
            settings.preferences.plain_json = one_of(text, &known)?;
            Ok(())
        },
    },
    Setting {
        key: "unknown_properties",
        from: From::Anywhere,
        value: "refuse|ignore",
        default: "refuse",
        help: "What becomes of members of a body that the type does not have; grids that send fields of their own need ignore",
        set: |settings, text| {
            settings.ignore_unknown = one_of(text, &[("refuse", false), ("ignore", true)])?;
            Ok(())
        },
    },
    Setting {
        key: "jsonp",
        from: From::Anywhere,
        value: "same-site|any-site",
        default: "same-site",
        help: "Web pages that may use $callback; with any-site every page reads what its visitors may read here",
        set: |settings, text| {
            settings.jsonp = one_of(text, &[("same-site", Jsonp::SameSite), ("any-site", Jsonp::AnySite)])?;
            Ok(())
        },
    },
    Setting {
        key: "tenant_headers",
        from: From::Anywhere,
        value: "NAMES",
        default: "Biz-Dfch-Tenant-Id,TenantId,Tenant-Id",
        help: "Headers that may name the tenant to act in, with commas between",
        set: |settings, text| {
            settings.tenant_headers = text.split(',').map(|name| name.trim().to_owned()).collect();
            settings.tenant_headers.iter().try_for_each(|name| header_name(name))
        },
    },
    Setting {
        key: "token_header",
        from: From::Anywhere,
        value: "NAME",
        default: "X-Odonata-Token",
        help: "Header that may carry a token",
        set: |settings, text| {
            settings.token_header = text.to_owned();
            header_name(text)
        },
    },
    Setting {
        key: "workers",
        from: From::Anywhere,
        value: "NUMBER",
        default: "",
        help: "Threads that serve requests; without it one for each processor",
        set: |settings, text| {
            let number = text.parse().ok().filter(|number| (1..=1024).contains(number));
            settings.workers = number.ok_or("is a number from 1 to 1024".to_owned())?;
            Ok(())
        },
    },
    Setting {
        key: "job_threads",
        from: From::Anywhere,
        value: "NUMBER",
        default: "4",
        help: "Threads that do jobs of built-in kinds; 0: this process does none",
        set: |settings, text| {
            let number = text.parse().ok().filter(|number| *number <= 1024);
            settings.job_threads = number.ok_or("is a number from 0 to 1024".to_owned())?;
            Ok(())
        },
    },
    Setting {
        key: "require_if_match",
        from: From::Anywhere,
        value: "true|false",
        default: "false",
        help: "Answer 428 to a change without If-Match of an entity that has an ETag",
        set: |settings, text| {
            settings.require_if_match = text.parse().map_err(|_| "is true or false".to_owned())?;
            Ok(())
        },
    },
    Setting {
        key: "log",
        from: From::Anywhere,
        value: "FILTER",
        default: "warn,odonata=info",
        help: "What is logged, like warn or odonata=debug",
        set: |settings, text| {
            settings.log = text.to_owned();
            Ok(())
        },
    },
];

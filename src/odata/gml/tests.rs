use super::*;
use quick_xml::events::Event;
use quick_xml::name::ResolveResult;
use quick_xml::reader::NsReader;

/// A small tree.
#[derive(Default)]
struct Tree {
    namespace: Option<String>,
    name: String,
    attributes: Vec<(String, String)>,
    elements: Vec<Tree>,
    text: String,
}

impl Element for Tree {
    fn name(&self) -> (Option<&str>, &str) {
        (self.namespace.as_deref(), &self.name)
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    fn elements(&self) -> impl Iterator<Item = &Self> {
        self.elements.iter()
    }

    fn text(&self) -> String {
        self.text.clone()
    }
}

/// The element in `<d:x>`.
fn tree(xml: &str) -> Tree {
    let xml = format!("<d xmlns:gml='{NAMESPACE}'>{xml}</d>");
    let mut reader = NsReader::from_str(&xml);
    reader.config_mut().expand_empty_elements = true;
    let mut open = vec![Tree::default()];
    loop {
        match reader.read_resolved_event().unwrap() {
            (namespace, Event::Start(start)) => {
                let text = |text: &str| text.to_owned();
                let attribute = |attribute: quick_xml::events::attributes::Attribute<'_>| {
                    (text(attribute.key.local_name().as_ref()), text(&attribute.value))
                };
                open.push(Tree {
                    namespace: match namespace {
                        ResolveResult::Bound(namespace) => Some(text(namespace.as_ref())),
                        _ => None,
                    },
                    name: text(start.local_name().as_ref()),
                    attributes: start.attributes().flatten().map(attribute).collect(),
                    ..Tree::default()
                });
            }
            (_, Event::End(_)) => {
                let closed = open.pop().unwrap();
                open.last_mut().unwrap().elements.push(closed);
            }
            (_, Event::Text(text)) => open.last_mut().unwrap().text += &*text,
            (_, Event::Eof) => return open.pop().unwrap().elements.pop().unwrap().elements.pop().unwrap(),
            _ => {}
        }
    }
}

const WGS: &str = " gml:srsName=\"http://www.opengis.net/def/crs/EPSG/0/4326\"";
const PLANE: &str = " gml:srsName=\"http://www.opengis.net/def/crs/EPSG/0/0\"";

#[test]
fn both_ways() {
    // Canonical content, and GML with `@` for the srsName.
    let cases = [
        (
            "SRID=4326;POINT(10.5 59.25)",
            "<gml:Point@><gml:pos>59.25 10.5</gml:pos></gml:Point>",
        ),
        ("SRID=0;POINT(10.5 59.25)", "<gml:Point@><gml:pos>10.5 59.25</gml:pos></gml:Point>"),
        ("SRID=4326;POINT(1 2 3)", "<gml:Point@><gml:pos>2 1 3</gml:pos></gml:Point>"),
        ("SRID=4326;POINT(1 2 3 4)", "<gml:Point@><gml:pos>2 1 3 4</gml:pos></gml:Point>"),
        (
            "SRID=4326;POINT(1 2 NULL 4)",
            "<gml:Point@><gml:pos>2 1 NaN 4</gml:pos></gml:Point>",
        ),
        ("SRID=4326;POINT EMPTY", "<gml:Point@><gml:pos /></gml:Point>"),
        (
            "SRID=0;LINESTRING(1 2,3 4)",
            "<gml:LineString@><gml:pos>1 2</gml:pos><gml:pos>3 4</gml:pos></gml:LineString>",
        ),
        ("SRID=0;LINESTRING EMPTY", "<gml:LineString@><gml:posList /></gml:LineString>"),
        (
            "SRID=4326;POLYGON((0 0,9 0,9 9,0 0),(2 1,3 1,3 2,2 1))",
            "<gml:Polygon@><gml:exterior><gml:LinearRing><gml:pos>0 0</gml:pos><gml:pos>0 9</gml:pos><gml:pos>9 9</gml:pos><gml:pos>0 0</gml:pos></gml:LinearRing></gml:exterior><gml:interior><gml:LinearRing><gml:pos>1 2</gml:pos><gml:pos>1 3</gml:pos><gml:pos>2 3</gml:pos><gml:pos>1 2</gml:pos></gml:LinearRing></gml:interior></gml:Polygon>",
        ),
        ("SRID=0;POLYGON EMPTY", "<gml:Polygon@></gml:Polygon>"),
        (
            "SRID=4326;MULTIPOINT((1 2),(3 4))",
            "<gml:MultiPoint@><gml:pointMembers><gml:Point><gml:pos>2 1</gml:pos></gml:Point><gml:Point><gml:pos>4 3</gml:pos></gml:Point></gml:pointMembers></gml:MultiPoint>",
        ),
        ("SRID=0;MULTIPOINT EMPTY", "<gml:MultiPoint@></gml:MultiPoint>"),
        (
            "SRID=0;MULTILINESTRING((1 2,3 4),(5 6,7 8))",
            "<gml:MultiCurve@><gml:curveMembers><gml:LineString><gml:pos>1 2</gml:pos><gml:pos>3 4</gml:pos></gml:LineString><gml:LineString><gml:pos>5 6</gml:pos><gml:pos>7 8</gml:pos></gml:LineString></gml:curveMembers></gml:MultiCurve>",
        ),
        (
            "SRID=0;MULTIPOLYGON(((0 0,1 0,1 1,0 0)))",
            "<gml:MultiSurface@><gml:surfaceMembers><gml:Polygon><gml:exterior><gml:LinearRing><gml:pos>0 0</gml:pos><gml:pos>1 0</gml:pos><gml:pos>1 1</gml:pos><gml:pos>0 0</gml:pos></gml:LinearRing></gml:exterior></gml:Polygon></gml:surfaceMembers></gml:MultiSurface>",
        ),
        (
            "SRID=4326;GEOMETRYCOLLECTION(GEOMETRYCOLLECTION EMPTY,GEOMETRYCOLLECTION(POINT(1 2)))",
            "<gml:MultiGeometry@><gml:geometryMembers><gml:MultiGeometry></gml:MultiGeometry><gml:MultiGeometry><gml:geometryMembers><gml:Point><gml:pos>2 1</gml:pos></gml:Point></gml:geometryMembers></gml:MultiGeometry></gml:geometryMembers></gml:MultiGeometry>",
        ),
    ];
    for (text, xml) in cases {
        let is_geography = text.starts_with("SRID=4326;");
        let xml = xml.replace('@', if is_geography { WGS } else { PLANE });
        let mut out = Vec::new();
        write(text, is_geography, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), xml);
        let read = read(&tree(&xml), is_geography, 1).map(|spatial| spatial.to_string());
        assert_eq!(read.as_deref(), Ok(text), "{xml}");
    }
}

#[test]
fn other_spellings() {
    let cases = [
        ("<gml:Point>\n <gml:pos>\n 1\n2 </gml:pos> </gml:Point>", "SRID=7;POINT(2 1)"),
        (
            "<gml:Point srsName='http://www.opengis.net/def/crs/EPSG/0/9'><gml:pos>1 2</gml:pos></gml:Point>",
            "SRID=9;POINT(2 1)",
        ),
        (
            "<gml:Point><gml:name>x</gml:name><gml:pos>1 2</gml:pos></gml:Point>",
            "SRID=7;POINT(2 1)",
        ),
        ("<gml:Point/>", "SRID=7;POINT EMPTY"),
        (
            "<gml:LineString><gml:posList>1 2 3 4</gml:posList></gml:LineString>",
            "SRID=7;LINESTRING(2 1,4 3)",
        ),
        (
            "<gml:LineString><gml:pointProperty><gml:Point><gml:pos>1 2</gml:pos></gml:Point></gml:pointProperty><gml:pos>3 4</gml:pos></gml:LineString>",
            "SRID=7;LINESTRING(2 1,4 3)",
        ),
        (
            "<gml:MultiPoint><gml:pointMember><gml:Point><gml:pos>1 2</gml:pos></gml:Point></gml:pointMember><gml:pointMember><gml:Point><gml:pos>3 4</gml:pos></gml:Point></gml:pointMember></gml:MultiPoint>",
            "SRID=7;MULTIPOINT((2 1),(4 3))",
        ),
    ];
    for (xml, text) in cases {
        let read = read(&tree(xml), true, 7).map(|spatial| spatial.to_string());
        assert_eq!(read.as_deref(), Ok(text), "{xml}");
    }
}

#[test]
fn what_is_no_value() {
    let cases = [
        ("<Point><gml:pos>1 2</gml:pos></Point>", "no GML"),
        ("<gml:Circle/>", "no GML"),
        ("<gml:Point><gml:x>1</gml:x></gml:Point>", "no GML"),
        ("<gml:Point><gml:pos>1</gml:pos></gml:Point>", "two to four"),
        ("<gml:Point><gml:pos>1 x</gml:pos></gml:Point>", "no GML"),
        ("<gml:Point><gml:pos>NaN 1</gml:pos></gml:Point>", "two to four"),
        ("<gml:Point><gml:pos>INF 1</gml:pos></gml:Point>", "coordinate"),
        (
            "<gml:Point><gml:pos>1 2</gml:pos><gml:pos>1 2</gml:pos></gml:Point>",
            "more than one",
        ),
        ("<gml:Point srsName='EPSG:4326'><gml:pos>1 2</gml:pos></gml:Point>", "srsName"),
        ("<gml:LineString><gml:pos>1 2</gml:pos></gml:LineString>", "fewer than two"),
        ("<gml:LineString><gml:posList>1 2 3</gml:posList></gml:LineString>", "no GML"),
        ("<gml:Polygon><gml:exterior/></gml:Polygon>", "no GML"),
        (
            "<gml:Polygon><gml:interior><gml:LinearRing/></gml:interior></gml:Polygon>",
            "no GML",
        ),
        (
            "<gml:Polygon><gml:exterior><gml:LinearRing/></gml:exterior></gml:Polygon>",
            "fewer than four",
        ),
        (
            "<gml:MultiPoint><gml:pointMembers><gml:Point/></gml:pointMembers></gml:MultiPoint>",
            "empty",
        ),
        (
            "<gml:MultiPoint><gml:pointMembers><gml:LineString/></gml:pointMembers></gml:MultiPoint>",
            "no GML",
        ),
        (
            "<gml:MultiPoint><gml:curveMembers><gml:Point/></gml:curveMembers></gml:MultiPoint>",
            "no GML",
        ),
    ];
    for (xml, expected) in cases {
        let why = read(&tree(xml), false, 0).expect_err(xml);
        assert!(why.contains(expected), "{xml}: {why}");
    }
    let mut out = Vec::new();
    write("damaged", true, &mut out);
    assert!(out.is_empty());
}

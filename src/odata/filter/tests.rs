use super::*;

/// The tree as `(op L R)`.
fn sketch(node: &Node<'_>) -> String {
    let path = |path: &Path<'_>| {
        let names = path.segments.iter().map(|segment| segment.name.to_owned());
        let parts: Vec<String> = path.root.iter().map(|root| sketch(root)).chain(names).collect();
        parts.join("/")
    };
    match &node.syntax {
        Syntax::Literal(Literal::Integer(text) | Literal::Real(text)) => (*text).to_owned(),
        Syntax::Literal(Literal::String(text)) => format!("'{text}'"),
        Syntax::Literal(other) => format!("{other:?}"),
        Syntax::Path(inner) => path(inner),
        Syntax::Call(name, arguments) => {
            let arguments: Vec<String> = arguments.iter().map(|node| format!(" {}", sketch(node))).collect();
            format!("(fn {name}{})", arguments.concat())
        }
        Syntax::Not(inner) => format!("(not {})", sketch(inner)),
        Syntax::Negate(inner) => format!("(neg {})", sketch(inner)),
        Syntax::Binary(op, left, right) => format!("({} {} {})", operator_name(*op), sketch(left), sketch(right)),
        Syntax::Lambda {
            all,
            path: inner,
            predicate,
        } => {
            let name = if *all { "all" } else { "any" };
            let rest = predicate
                .as_ref()
                .map(|(variable, node)| format!(" {} {}", variable.name, sketch(node)));
            format!("({name} {}{})", path(inner), rest.unwrap_or_default())
        }
    }
}

#[test]
fn trees() {
    for (text, tree) in [
        // FLT-10, FLT-11
        ("A or B and C", "(or A (and B C))"),
        ("A and B or C", "(or (and A B) C)"),
        ("A eq 1 and B ne 2", "(and (eq A 1) (ne B 2))"),
        ("1 eq 1 eq true", "(eq (eq 1 1) Boolean(true))"),
        ("1 sub 2 sub 3 mul 4 mod 5", "(sub (sub 1 2) (mod (mul 3 4) 5))"),
        ("A add 1 gt B div 2", "(gt (add A 1) (div B 2))"),
        ("(1 add 2) mul 3", "(mul (add 1 2) 3)"),
        // FLT-12, FLT-13
        ("not A eq B", "(eq (not A) B)"),
        ("not (A eq B)", "(not (eq A B))"),
        ("not(A) and B", "(and (not A) B)"),
        ("not not A", "(not (not A))"),
        ("A eq -5", "(eq A -5)"),
        ("A eq - 5", "(eq A (neg 5))"),
        ("-A add 1", "(add (neg A) 1)"),
        ("-(A)", "(neg A)"),
        ("--5", "(neg -5)"),
        ("A eq -INF", "(eq A Double(-inf))"),
        ("A sub -B", "(sub A (neg B))"),
        // FLT-2
        ("\t A  eq \t 1  ", "(eq A 1)"),
        ("(A eq 1)and(B eq 2)", "(and (eq A 1) (eq B 2))"),
        ("f( A , 'x' )eq(1)", "(eq (fn f A 'x') 1)"),
        ("not    (A)", "(not A)"),
        // FLT-1, FLT-20, FLT-24, FLT-65, LIT-13
        ("A/B/C", "A/B/C"),
        ("NS.Sub.T/A", "NS.Sub.T/A"),
        ("$it/A", "$it/A"),
        ("length eq length(length)", "(eq length (fn length length))"),
        ("datetime eq guid", "(eq datetime guid)"),
        ("true/x eq nullable", "(eq true/x nullable)"),
        ("notable eq order", "(eq notable order)"),
        ("any eq all", "(eq any all)"),
        ("not", "not"),
        ("A/any eq 1", "(eq A/any 1)"),
        ("Größe eq 'ü'", "(eq Größe 'ü')"),
        ("cast('NS.T')/A eq 1", "(eq (fn cast 'NS.T')/A 1)"),
        ("isof(NS.T)", "(fn isof NS.T)"),
        ("geo.length(A)", "(fn geo.length A)"),
        ("f()", "(fn f)"),
        ("A eq 'it''s (not) a trap, eq'", "(eq A 'it's (not) a trap, eq')"),
        // FLT-70, FLT-74
        ("A/any()", "(any A)"),
        ("A/any( )", "(any A)"),
        ("A/B/any(x:x/C eq 1)", "(any A/B x (eq x/C 1))"),
        ("A/NS.T/all ( x : x )", "(all A/NS.T x x)"),
        ("A/any(x: x/B/all(y: y eq x))", "(any A x (all x/B y (eq y x)))"),
    ] {
        let node = filter(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert_eq!(sketch(&node), tree, "{text}");
    }
}

#[test]
fn faults_name_the_place() {
    for (text, message) in [
        ("", "Expected a value at position 0."),
        ("   ", "Expected a value at position 3."),
        ("Name eq 'open", "Expected a closing quote at position 8."),
        ("A eq 1 B", "Expected an operator or the end at position 7."),
        ("foo('x' y)", "Expected `,` or `)` at position 8."),
        ("foo('x',)", "Expected a value at position 8."),
        ("A eq 99999999999999999999L", "Expected a number in range at position 5."),
        ("A eq", "Expected a blank at position 4."),
        ("A eq ", "Expected a value at position 5."),
        ("Name eq'x'", "Expected a blank at position 7."),
        ("A eq-5", "Expected a blank at position 4."),
        ("A EQ 1", "Expected an operator or the end at position 2."),
        ("A eqq 1", "Expected an operator or the end at position 2."),
        ("'a'eq 'b'", "Expected an operator or the end at position 3."),
        ("(A eq 1", "Expected an operator or `)` at position 7."),
        ("A eq 1)", "Expected an operator or the end at position 6."),
        ("A/", "Expected a name at position 2."),
        ("A//B", "Expected a name at position 2."),
        ("/A", "Expected a value at position 0."),
        ("A eq .5", "Expected a value at position 5."),
        ("A eq 1.", "Expected a number at position 5."),
        ("A eq guid'nope'", "Expected a Guid at position 5."),
        ("A/all()", "Expected the name of a variable at position 6."),
        ("A/any(x)", "Expected `:` at position 7."),
        ("A/any(x: )", "Expected a value at position 9."),
        ("A/any(x: x", "Expected an operator or `)` at position 10."),
        ("A/any(a.b: x)", "Expected `:` at position 7."),
        ("A/any()/B", "Expected an operator or the end at position 7."),
        ("A/f(1)", "Expected an operator or the end at position 3."),
        ("ü eq €", "Expected a value at position 6."),
        ("A desc", "Expected an operator or the end at position 2."),
    ] {
        let fault = filter(text).err().unwrap_or_else(|| panic!("{text} parses"));
        assert_eq!((fault.kind.code, &*fault.message), ("bad_filter", message), "{text}");
        assert!(message.ends_with(&format!(" {}.", fault.position.unwrap())));
    }
}

#[test]
fn order_items() {
    let sketch = |text| -> String {
        let items = orderby(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        let items: Vec<String> = items
            .iter()
            .map(|item| format!("{} {}", sketch(&item.node), item.descending))
            .collect();
        items.join(";")
    };
    for (text, expected) in [
        ("A", "A false"),
        (" A/B desc , C asc,D", "A/B true;C false;D false"),
        ("length(A) desc,B add 1", "(fn length A) true;(add B 1) false"),
        ("asc desc", "asc true"),
        ("A ne 'x',(B)desc", "(ne A 'x') false;B true"),
    ] {
        assert_eq!(sketch(text), expected, "{text}");
    }
    for (text, message) in [
        ("A,", "Expected a value at position 2."),
        (",A", "Expected a value at position 0."),
        ("A desc B", "Expected an operator, `asc`, `desc`, `,` or the end at position 7."),
        ("A descending", "Expected an operator, `asc`, `desc`, `,` or the end at position 2."),
    ] {
        let fault = orderby(text).unwrap_err();
        assert_eq!((fault.kind.code, &*fault.message), ("bad_orderby", message), "{text}");
    }
}

#[test]
fn limits() {
    let nested = |open: &str, count: usize, close: &str| format!("{}A{}", open.repeat(count), close.repeat(count));
    let code = |text: &str| filter(text).err().map(|fault| fault.kind.code);
    for (open, close) in [("(", ")"), ("not ", ""), ("-", ""), ("f(", ")"), ("A/any(x: ", ")")] {
        assert_eq!(code(&nested(open, EXPRESSION_DEPTH, close)), None, "{open}");
        assert_eq!(code(&nested(open, EXPRESSION_DEPTH + 1, close)), Some("limit_exceeded"), "{open}");
        assert_eq!(code(&nested(open, 100_000, close)), Some("limit_exceeded"), "{open}");
    }
    // A chain of n names has n - 1 operators.
    let chain = |names: usize| vec!["A"; names].join(" and ");
    let most = EXPRESSION_NODES.div_ceil(2);
    assert_eq!(code(&chain(most)), None);
    assert_eq!(code(&chain(most + 1)), Some("limit_exceeded"));
    assert_eq!(code(&chain(5_000)), Some("limit_exceeded"));
    let items = |count| vec!["A"; count].join(",");
    assert!(orderby(&items(ORDER_ITEMS)).is_ok());
    assert_eq!(
        orderby(&items(ORDER_ITEMS + 1)).err().map(|fault| fault.kind.code),
        Some("limit_exceeded")
    );
}

/// Every filter of the public vectors parses or not, as it should; what only fails by its types is the binder's test.
#[test]
fn vectors() {
    let mut seen = 0;
    for file in ["webapi-v3-filters", "olingo4-v3-static"] {
        let path = format!("{}/../shared/vectors/{file}.jsonl", env!("CARGO_MANIFEST_DIR"));
        let Ok(text) = std::fs::read_to_string(path) else {
            println!("skipped: no {file}");
            continue;
        };
        for line in text.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let (Some("filter-valid"), Some(input)) = (row["kind"].as_str(), row["input"].as_str()) else {
                continue;
            };
            let node = filter(input).unwrap_or_else(|fault| panic!("{}: {input}: {fault}", row["id"]));
            if let Some(ast) = row["expect"]["ast"].as_str() {
                assert_eq!(sketch(&node), ast, "{input}");
            }
            seen += 1;
        }
        assert!(seen > 0, "{file}");
    }
}
